"""What people say of a release: approve, reject; and what others handed in: take-in."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from flows.answering import STATUS_WORDS, Command, answer, as_json, person_option, store_option

key_option = click.option(
    "--key",
    "key",
    default="~/.ssh/id_ed25519",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Your own private key, SSH or PEM; it is read, and goes nowhere.",
)


def signer_of(key: Path) -> Any:
    """Who signs with the key in a file; the terminal is asked for its passphrase."""
    from infra.personal_keys import personal_signer

    return personal_signer(key.expanduser(), lambda: click.prompt("Passphrase", hide_input=True, err=True))


def _decision(name: str, words: str, why: str) -> click.Command:
    """`approve` and `reject`: one command with two words."""

    def decide(
        model: str, store_url: str, person: str, release_: str | None, comment: str, key: Path, json_: bool
    ) -> None:
        _say(name, model, store_url, person, release_, comment, key, json_)

    decide.__doc__ = f"""{words}

    Example: seatrial {name} ames-price --store ./store --as vera@example.com --comment "{why}"
    """
    options: tuple[Callable[..., Any], ...] = (
        as_json,
        click.option("--comment", default="", help="Why."),
        click.option("--release", "release_", help="Which release, if several wait."),
        key_option,
        person_option,
        store_option,
        click.argument("model"),
    )
    for option in options:
        decide = option(decide)
    return click.command(name, cls=Command)(decide)


def _say(
    said: str, model: str, store_url: str, person: str, release_: str | None, comment: str, key: Path, json_: bool
) -> None:
    from tasks import decide
    from tasks.job import open_ledger

    ledger, signer = open_ledger(store_url), signer_of(key)
    if not ledger.is_writer():
        one = decide.hand_in(ledger, model, release_, person, said, comment, signer)
        told = {"release": one.id, "status": one.status, "handed_in": True}
        words = f"{person}: {said} {one.id}, signed and handed in: it counts once the account of the store takes it in."
        return answer(json_, told, words)
    done = decide.sign(ledger, model, release_, person, said, comment, signer)
    lacks = decide.lacking(ledger, done)
    words = f"{done.id} {STATUS_WORDS[done.status]}." + (f" Needed is {lacks}." if lacks else "")
    told = {"release": done.id, "status": done.status, "approvals": [one.person for one in done.approvals]}
    follow = f"seatrial {'rollout' if done.status == 'approved' else 'status'} {model}"
    return answer(json_, told, f"{person}: {said}. {words}\nNext: {follow} --store {shlex.quote(store_url)}")


approve = _decision("approve", "Say yes to the dossier of the release that waits.", "read it all")
reject = _decision("reject", "Say no to the release that waits. One no is enough.", "too dear for old houses")


@click.command("take-in", cls=Command)
@store_option
@as_json
def take_in(store_url: str, json_: bool) -> None:
    """Take decisions into the ledger that other accounts signed and handed in.

    Example: seatrial take-in --store s3://releases/models
    """
    from tasks import decide
    from tasks.job import open_ledger

    done = decide.take_in(open_ledger(store_url))
    value = [{"release": one.id, "taken": not why, "why": why} for one, why in done]
    lines = [f"{one.id}: {why or 'a decision was taken in'}" for one, why in done] or ["Nothing was handed in."]
    answer(json_, {"decisions": value}, "\n".join(lines))
