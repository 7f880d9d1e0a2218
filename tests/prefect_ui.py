"""A person at the Prefect UI: a headless Chromium that opens runs, reads forms and fills them in."""

import os
import re
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from playwright.sync_api import TimeoutError, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
# Quiet: nothing of it goes out of this machine.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def need_chromium():
    """Skips where there is no Chromium, and never where CI is set."""
    if not CHROMIUM.exists() and not os.environ.get("CI"):
        pytest.skip("needs Debian's package chromium")


@contextmanager
def browser_page():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        page = browser.new_page(viewport={"width": 1180, "height": 1350})
        page.set_default_timeout(30_000)
        yield page
        browser.close()


def open_form(page, url, run):
    """The dialog of a suspended run, once its form is in it: before it is loaded there is a button alone."""
    for _ in range(6):
        page.goto(f"{url.removesuffix('/api')}/runs/flow-run/{run}")
        page.get_by_role("button", name="Resume").first.click()
        dialog = page.get_by_role("dialog").last
        dialog.get_by_role("button", name="Submit").wait_for()
        with suppress(TimeoutError):
            dialog.get_by_text("One Time Code").first.wait_for(timeout=5_000)
            return dialog
    raise AssertionError(f"the form of {run} was never there: {dialog.inner_text()}")


def fill_in(page, dialog, decision, name, code, comment=""):
    """Types an answer, as a person does."""
    _field(page, dialog, "Name").locator("textarea").fill(name)
    _field(page, dialog, "One Time Code").locator("textarea").fill(code)
    _field(page, dialog, "Comment").locator("textarea").fill(comment)
    _field(page, dialog, "Decision").locator("button.p-select-button__control").click()
    page.keyboard.press("ArrowDown")
    page.get_by_role("option", name=decision).click()


def answer(page, url, run, decision, name, code, comment="", picture=None):
    """Fills in the form and submits it, as a person does: where it stays, once more. `code` gives the digits of now."""
    for _ in range(3):
        dialog = open_form(page, url, run)
        fill_in(page, dialog, decision, name, code(), comment)
        if picture:
            page.screenshot(path=picture)
        dialog.get_by_role("button", name="Submit").click()
        with suppress(TimeoutError):
            dialog.wait_for(state="hidden", timeout=15_000)
            return
    raise AssertionError(f"the form was not taken: {dialog.inner_text()}")


def _field(page, dialog, label):
    named = page.locator(".schema-form-property__label", has_text=re.compile(f"^{label}"))
    return dialog.locator(".schema-form-property", has=named).last
