"""`make demo`: three releases of a house-price model, as a team would type them, and how each ended."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
DEMO = HERE.parent / "demo"
STORE = DEMO / "store"
SEATRIAL = Path(sys.executable).with_name("seatrial")
STORY = [
    ("release", "The first model, a linear one: nothing serves yet, so it is held against guessing."),
    ("challenger", "A challenger, gradient boosting: it must not be worse than what serves."),
    ("flawed", "A challenger with a planted flaw: its training prices were sorted on their way."),
]


def main() -> int:
    # A home, a Prefect database and a store of its own: nothing of the demo is left elsewhere.
    shutil.rmtree(DEMO, ignore_errors=True)
    DEMO.mkdir()
    os.environ |= {
        "SEATRIAL_HOME": str(DEMO / "home"),
        "PREFECT_HOME": str(DEMO / "prefect"),
        "PREFECT_PROFILE": "ephemeral",
    }
    os.environ.pop("PREFECT_API_URL", None)
    began, ends = time.monotonic(), []
    for spec, words in STORY:
        print(f"\n── {words}", flush=True)
        code, told = seatrial("release", f"examples/ames/{spec}.yaml", "--store", "demo/store")
        if code == 2:
            return code
        if told["status"] == "waiting":
            seatrial(
                "approve", "ames-price", "--store", "demo/store", "--as", "vera@example.com", "--comment", "read it all"
            )
        ends.append((words.split(":")[0], told))
    print("\n── What the ledger says now", flush=True)
    _, now = seatrial("status", "ames-price", "--store", "demo/store")
    verified, _ = seatrial("verify", "--store", "demo/store")
    summary(ends, now, time.monotonic() - began)
    expected = [told["status"] for _, told in ends] == ["waiting", "waiting", "stopped"]
    return 0 if expected and verified == 0 and now["champion"] == ends[1][1]["release"] else 1


def seatrial(*arguments: str) -> tuple[int, dict]:
    """Runs one command as a user would, shows it, and returns its exit code and its answer."""
    print(f"$ seatrial {' '.join(arguments)}", flush=True)
    done = subprocess.run(
        [SEATRIAL, *arguments, "--json"], stdout=subprocess.PIPE, text=True, cwd=HERE.parent, check=False
    )
    told = json.loads(done.stdout or "{}")
    for line in (told.get("outcome"), told.get("status")):
        if line:
            print(f"  → {line}", flush=True)
    return done.returncode, told


def summary(ends: list[tuple[str, dict]], now: dict, seconds: float) -> None:
    """What a person wants to know at the end."""
    status = {item["id"]: item["status"] for item in now["releases"]}
    print("\n" + "═" * 100)
    for words, told in ends:
        print(f"{words:<34} {told['release']}   verdict: {told['outcome']}, now: {status[told['release']]}")
        reasons = [f for f in told["findings"] if f["outcome"] in ("failed", "inconclusive", "errored")]
        for finding in reasons[:5]:
            print(f"    ✗ {finding['step']}: {finding['expected']} — found {finding['found']}")
    print(
        f"\nServing: {now['champion']}. Everything signed and in its place. {seconds:.0f} s.\nDossiers, for a browser:"
    )
    for _, told in ends:
        print(f"    {told['dossier']}")
    print("═" * 100)


if __name__ == "__main__":
    sys.exit(main())
