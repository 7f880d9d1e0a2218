"""`make demo-rollout`: a good challenger reaches everybody, one that only looked good comes back by itself."""

import sys
import time
from pathlib import Path

import pandas as pd
import people
from commands import ROOT, fresh, gateway, seatrial
from traffic import Traffic

sys.path.insert(0, str(Path(__file__).parent / "ames"))
from train import stale_assessments

DEMO, STORE = ROOT / "demo-rollout", ("--store", "demo-rollout/store")
RATE = 100


def main() -> int:
    fresh(DEMO)
    people.known(DEMO, *STORE)
    for spec in ("release", "challenger"):
        approved(spec)
    # As callers send them: the good challenger does not need the assessments, the other one believes them.
    houses = stale_assessments()
    with gateway("demo-rollout/store", "ames-price", processes=2) as url:
        print(f"  Watch it: {url}/v2/models/ames-price/rollout")
        good = rolled_out(url, houses, "The good challenger")
        print("\n── Another: better on the frozen data, since it believes assessments that are stale in production")
        approved("stale")
        bad = rolled_out(url, houses, "The challenger that only looked good")
    return 0 if (good, bad) == ("finished", "rolled back") else 1


def approved(spec: str) -> None:
    """A release that a person said yes to."""
    print(f"\n── examples/ames/{spec}.yaml", flush=True)
    code, told = seatrial("release", f"examples/ames/{spec}.yaml", *STORE)
    if code:
        sys.exit(f"{told.get('release')}: {told.get('status')}; see its dossier.")
    people.approve(DEMO, "ames-price", *STORE)


def rolled_out(url: str, houses: pd.DataFrame, words: str) -> str:
    """The rollout under traffic; how it ended, or `failed requests` where a caller got no answer."""
    print(f"\n── {words}", flush=True)
    began = time.monotonic()
    with Traffic(url, "ames-price", houses, "Sale_Price", RATE) as callers:
        _, told = seatrial("rollout", "ames-price", *STORE, "--every", "1")
    for line in told.get("timeline", []):
        print(f"  {line['time'][11:19]}  {line['why'][:120]}")
    counted, seconds = dict(callers.counted), time.monotonic() - began
    print(
        f"  {told.get('status')} after {seconds:.0f} s; answers by arm {counted}; page: {told.get('page')}", flush=True
    )
    return "failed requests" if callers.counted["failed"] else str(told.get("status"))


if __name__ == "__main__":
    sys.exit(main())
