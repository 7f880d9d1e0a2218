"""`make demo-ui`: a release that waits for you in the Prefect UI, until Ctrl-C."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import people
from commands import ROOT, SEATRIAL, fresh, seatrial

DEMO, STORE = ROOT / "demo-ui", ("--store", "demo-ui/store")
MODEL = "ames-price"


def main() -> int:
    fresh(DEMO)
    with server() as url:
        print("\n── The people, and a second factor for the validator", flush=True)
        people.known(DEMO, *STORE)
        _, enrolled = seatrial("identity", "enrol", people.VALIDATOR, *STORE)
        print("\n── A first model, which serves, and a challenger that waits for a decision", flush=True)
        if seatrial("release", "examples/ames/release.yaml", *STORE)[0]:
            return 1
        people.approve(DEMO, MODEL, *STORE)
        with working():
            code, told = seatrial("release", "examples/ames/challenger.yaml", *STORE)
            if code:
                return 1
            tell(url, form(url, told["release"]), enrolled)
            return wait(told["release"])


def tell(url: str, run: str, enrolled: dict[str, Any]) -> None:
    """What a person needs to decide."""
    import segno

    segno.make(enrolled["uri"], error="m").terminal(compact=True)
    print("═" * 100)
    print(f"  Decide here:  {url}/runs/flow-run/{run}   (Resume)")
    print(f"  Name:         {people.VALIDATOR}")
    print("  Code:         scan the picture above with an authenticator app, or give it this:")
    print(f"                {enrolled['uri']}")
    print(f"  Without one:  {code_command(enrolled['uri'])}")
    print("  Try a wrong code first. Ctrl-C ends it all.\n" + "═" * 100, flush=True)


def code_command(uri: str) -> str:
    """Prints the code of this moment."""
    return f"{Path(sys.executable).relative_to(ROOT)} -c \"import pyotp; print(pyotp.parse_uri('{uri}').now())\""


def wait(release: str) -> NoReturn:
    """Until Ctrl-C; what came of a decision is told."""
    before = "waiting"
    while True:
        now = status(release)
        if now != before:
            print(f"  → {release}: {now}", flush=True)
        before = now
        time.sleep(3)


def status(release: str) -> str:
    """Where the release stands in the ledger."""
    done = subprocess.run(
        [SEATRIAL, "status", MODEL, *STORE, "--json"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    found: list[str] = [one["status"] for one in json.loads(done.stdout)["releases"] if one["id"] == release]
    return found[0]


@contextmanager
def server() -> Iterator[str]:
    """A Prefect server with its UI on a free port of loopback; its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    api = {
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_UI_API_URL": f"{url}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    os.environ |= api
    print(f"── A Prefect server with its UI: {url}", flush=True)
    command = [
        SEATRIAL.with_name("prefect"),
        "server",
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        url.rpartition(":")[2],
    ]
    with running([str(part) for part in command], DEMO / "server.log"):
        while not answers(f"{url}/api/health"):
            time.sleep(0.5)
        yield url


@contextmanager
def working() -> Iterator[None]:
    """`seatrial work`: forms, reminders, rollouts."""
    print(f"$ seatrial work {' '.join(STORE)}", flush=True)
    log = DEMO / "work.log"
    with running([str(SEATRIAL), "work", *STORE], log):
        while "Working for" not in log.read_text():
            time.sleep(0.5)
        yield


@contextmanager
def running(command: list[str], log: Path) -> Iterator[None]:
    """A program beside this one, ended with it; a Ctrl-C at the terminal is this one's alone."""
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT, start_new_session=True)
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)


def form(url: str, release: str) -> str:
    """The run that asks, once its form is there."""
    while True:
        asked = json.dumps({"flow_runs": {"name": {"any_": [release]}, "state": {"type": {"any_": ["PAUSED"]}}}})
        request = urllib.request.Request(  # noqa: S310
            f"{url}/api/flow_runs/filter", asked.encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request) as answer:  # noqa: S310
            found = json.load(answer)
        if found:
            return str(found[0]["id"])
        time.sleep(1)


def answers(url: str) -> bool:
    """Whether somebody is there."""
    try:
        with urllib.request.urlopen(url, timeout=1):  # noqa: S310
            return True
    except OSError:
        return False


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nEnded.")
