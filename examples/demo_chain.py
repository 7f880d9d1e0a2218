"""`make demo-chain`: a model that feeds another, and a release that helps itself and hurts who takes its outputs."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import people
from commands import ROOT, fresh, seatrial

STORE = ("--store", "demo-chain/store")
HERE = Path(__file__).parent / "chain"
FIRST = "What a house is worth: the first model."
SECOND = "Who is to sell it: it takes the estimate as a column, and its spec says so."
LONGER = "A better estimate of the same thing."
NET = "A better estimate of another thing: what is left to the seller. It gains; who takes its outputs loses."


def main() -> int:
    fresh(ROOT / "demo-chain")
    began = time.monotonic()
    print("── Who may decide: people, their roles and their keys")
    people.known(ROOT / "demo-chain", *STORE)
    if release("value", FIRST, "ames-value") is None:
        return 2
    print("\n── The nightly batch: the model that serves answers for every row of the next one's table", flush=True)
    table = [str(HERE / name) for name in ("houses.parquet", "scored.parquet")]
    batch = [sys.executable, str(HERE / "score.py"), STORE[1], "ames-value", "Estimated_Price", *table]
    subprocess.run(batch, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    second = release("desk", SECOND, "ames-desk")
    net, longer = release("value_net", NET), release("value_longer", LONGER)
    if second is None or net is None or longer is None:
        return 2
    graph = subprocess.run([Path(sys.executable).with_name("seatrial"), "graph", *STORE], cwd=ROOT, check=False)
    print(f"\n── How it ended, after {time.monotonic() - began:.0f} s")
    for words, told in ((NET, net), (LONGER, longer)):
        print(f"  {told['status']:<8} {words}\n{reasons(told)}")
    ended = (net["status"], longer["status"], graph.returncode)
    return 0 if ended == ("stopped", "waiting", 0) else 1


def release(spec: str, words: str, approved: str = "") -> dict[str, Any] | None:
    """Releases and, where its model is named, approves. None where the question could not be asked."""
    print(f"\n── {words}", flush=True)
    code, told = seatrial("release", f"examples/chain/{spec}.yaml", *STORE)
    if code == 2:
        return None
    if approved and told["status"] == "waiting":
        people.approve(ROOT / "demo-chain", approved, *STORE)
    return told


def reasons(told: dict[str, Any]) -> str:
    """What was said against it, and what became of the model downstream."""
    shown = [f for f in told["findings"] if f["step"] == "interactions" or f["outcome"] == "failed"]
    return "\n".join(f"    {f['outcome']:<8} {f['expected']}: {f['found']}" for f in shown)


if __name__ == "__main__":
    sys.exit(main())
