"""`make demo-drift`: a model in a world that changes three times. The first change is a fault upstream, and nothing is
trained anew; two are real: a model trained anew waits in the Prefect UI, a person approves it, and it takes over.
"""

import shutil
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import people
import world
from commands import ROOT, fresh, ready, seatrial, system
from traffic import Traffic

from expectations.state import Record, State
from tasks.job import open_ledger

MODEL, DEMO = "loan-risk", ROOT / "demo-drift"
SPEC, STORE = "demo-drift/spec/release.yaml", ("--store", "demo-drift/store")
# Loans asked for, and loans whose end becomes known, a second: of those that were asked elsewhere too.
RATE, ENDING, PATIENCE_S, LOOK_S = 100, 300, 120, 3
Records = list[Record]
Seen = Callable[[Records, State], bool]


def main() -> int:
    began = time.monotonic()
    fresh(DEMO)
    shutil.copytree(Path(__file__).parent / "drift", DEMO / "spec")
    before, after = world.population(records=0.0), world.population(records=0.6)
    play = Play(world.FeatureStore(DEMO / "spec" / "loans.parquet", before))
    with system(STORE[1], SPEC, LOOK_S) as places, ExitStack() as stack:
        people.known(DEMO, *STORE)
        if seatrial("release", SPEC, *STORE)[0]:
            return 1
        people.approve(DEMO, MODEL, *STORE)
        url, _ = places()
        ready(url, MODEL)
        play.callers = stack.enter_context(Traffic(url, MODEL, before, world.TARGET, RATE))
        play.act("The world as it was: nothing is to happen", before, before, Quiet(6))
        play.act(
            "A fault upstream: the incomes that callers send come in cents", world.in_cents(before), before, refused
        )
        play.act("It is mended", before, before, calm)
        play.act(
            "The bank opens: six of ten who ask have a record of not paying, and there was none before",
            after,
            after,
            waits,
        )
        play.approve()
        play.act("The world turns: who paid back does not any more", world.turned(after), world.turned(after), waits)
        play.approve()
        failed = play.callers.counted["failed"]
    seatrial("monitor", MODEL, *STORE)
    seatrial("report", MODEL, *STORE, "--out", "demo-drift/report.html")
    print(f"\n{'─' * 100}\n{time.monotonic() - began:.0f} s; requests without an answer: {failed}")
    for missed in play.missed:
        print(f"✗ {missed}")
    return 1 if play.missed or failed else 0


class Play:
    """The acts, one after the other; each ends when the ledger says what was to happen. `missed`: what did not."""

    callers: Traffic

    def __init__(self, table: world.FeatureStore) -> None:
        self._table, self._known = table, world.population(records=0.0)
        self._told: Records = []
        self.missed: list[str] = []

    def act(self, words: str, sent: world.Frame, known: world.Frame, seen: Seen) -> None:
        """From now on callers send the one, and the feature store gets to know the other."""
        print(f"\n── {words}", flush=True)
        self._known = known
        self.callers.send(sent)
        self._wait(words, seen)

    def approve(self) -> None:
        """A person says yes to what waits; its rollout begins by itself."""
        people.approve(DEMO, MODEL, *STORE)
        self._wait("the rollout of what was approved", took_over)

    def _wait(self, words: str, seen: Seen) -> None:
        first, began = len(self._told), time.monotonic()
        while time.monotonic() - began < PATIENCE_S:
            time.sleep(1)
            self._table.add(self._known, ENDING)
            ledger = open_ledger(STORE[1])
            self._show([record for record in ledger.read() if record.model == MODEL])
            if seen(self._told[first:], ledger.state()):
                return
        self.missed.append(f"{words}: what was to follow did not, within {PATIENCE_S} s")

    def _show(self, records: Records) -> None:
        """What is new in the ledger."""
        for record in records[len(self._told) :]:
            line = " ".join(str(record.body.get(key) or "") for key in ("mode", "release", "why", "words"))
            print(f"  {record.time[11:19]}  {record.kind:<18} {' '.join(line.split())[:150]}", flush=True)
        self._told = records


class Quiet:
    """So many seconds without an alarm."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds

    def __call__(self, records: Records, state: State) -> bool:
        return not kinds(records, "alarm raised") and time.monotonic() > self._until


def refused(records: Records, state: State) -> bool:
    """An alarm, and no retraining since the fault lies upstream."""
    return bool(kinds(records, "alarm raised") and kinds(records, "retraining refused"))


def calm(records: Records, state: State) -> bool:
    """No alarm is on, and the mode is normal again."""
    return not state.alarms.get(MODEL) and (MODEL not in state.modes or state.modes[MODEL].name == "normal")


def waits(records: Records, state: State) -> bool:
    """A model that was trained anew waits for a decision."""
    candidates = [record.body["candidate"] for record in kinds(records, "retraining ended")]
    return any(name is not None and state.releases[name].status == "waiting" for name in candidates)


def took_over(records: Records, state: State) -> bool:
    """What was approved serves."""
    return bool(kinds(records, "promoted"))


def kinds(records: Records, kind: str) -> Records:
    return [record for record in records if record.kind == kind]


if __name__ == "__main__":
    sys.exit(main())
