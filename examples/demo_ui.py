"""`make demo-ui`: a release that waits for you in the Prefect UI, until Ctrl-C."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, NoReturn

import people
from commands import ROOT, SEATRIAL, fresh, seatrial, system

DEMO, STORE = ROOT / "demo-ui", ("--store", "demo-ui/store")
MODEL = "ames-price"


def main() -> int:
    fresh(DEMO)
    print("\n── Everything that a team uses: a Prefect server with its UI, a worker, the gateway", flush=True)
    with system("demo-ui/store", "examples/ames/challenger.yaml", 300) as places:
        _, url = places()
        # So that every release is a run in the UI.
        os.environ["PREFECT_API_URL"] = f"{url}/api"
        print("\n── The people, and a second factor for the validator", flush=True)
        people.known(DEMO, *STORE)
        _, enrolled = seatrial("identity", "enrol", people.VALIDATOR, *STORE)
        print("\n── A first model, which serves, and a challenger that waits for a decision", flush=True)
        if seatrial("release", "examples/ames/release.yaml", *STORE)[0]:
            return 1
        people.approve(DEMO, MODEL, *STORE)
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


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nEnded.")
