"""Faults, trials, and the table of what came of them."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from random import Random

ALL = ("directory", "SeaweedFS")


class NotHere(Exception):
    """This machine cannot make such a fault; the sentence says why."""


@dataclass(frozen=True)
class Tried:
    """What one trial found: acknowledged work that was lost, other laws that were broken, and a damage if it did one.

    `found` says whether `seatrial verify` told of the damage.
    """

    lost: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    damaged: bool = False
    found: bool = False

    @property
    def survived(self):
        return not self.lost and not self.broken


@dataclass(frozen=True)
class Fault:
    """`plan(ground, random)` gives the trials, each a function of nothing; `on` names the grounds that can have it."""

    name: str
    plan: Callable
    on: tuple[str, ...] = ALL


@dataclass(frozen=True)
class At:
    """A trial of one place in the code; a plan may have several for each."""

    place: str
    trial: Callable

    def __call__(self):
        return self.trial()


@dataclass
class Row:
    """One line of the table. `words` tell every trial that did not end well.

    `trials` and `places` are how many the plan has (no places where it is not about places), `tried` and `struck` how
    many of them were tried.
    """

    fault: str
    store: str
    places: int = 0
    struck: int = 0
    trials: int = 0
    tried: int = 0
    survived: int = 0
    lost: int = 0
    damages: int = 0
    found: int = 0
    seconds: float = 0.0
    words: list[str] = field(default_factory=list)

    @property
    def is_well(self):
        return self.survived == self.tried and not self.lost and self.found == self.damages

    def as_json(self):
        """Plain JSON values."""
        return {**asdict(self), "seconds": round(self.seconds, 1), "is_well": self.is_well}

    def add(self, tried):
        self.tried += 1
        self.survived += tried.survived
        self.lost += len(tried.lost)
        self.damages += tried.damaged
        self.found += tried.damaged and tried.found
        self.words += [*(f"lost: {one}" for one in tried.lost), *tried.broken]
        self.words += ["a damage that verify did not find"] if tried.damaged and not tried.found else []


def run(fault, ground, seed, most=None, show=lambda _row: None, until=lambda _row: False):
    """The row of one fault on one ground; at most `most` of its trials, drawn by the seed, `until` says enough."""
    row, random, began = Row(fault.name, ground.name), Random(f"{seed} {fault.name} {ground.name}"), time.monotonic()
    struck = set()
    show(row)
    try:
        planned = _planned(fault, ground, random)
        row.trials, row.places = len(planned), len(_places(planned))
        for trial in random.sample(planned, min(most or len(planned), len(planned))):
            row.add(_safely(trial))
            struck |= _places([trial])
            row.struck, row.seconds = len(struck), time.monotonic() - began
            show(row)
            if until(row):
                break
    except NotHere as reason:
        row.words.append(f"not tried: {reason}")
    return row


def _planned(fault, ground, random):
    """All trials; if they cannot even be planned, that is what the one trial tells."""
    try:
        return fault.plan(ground, random)
    except NotHere:
        raise
    except Exception as error:
        return [partial(_raise, error)]


def _places(trials):
    return {trial.place for trial in trials if isinstance(trial, At)}


def _raise(error):
    raise error


def _safely(trial):
    try:
        return trial()
    except NotHere:
        raise
    except Exception as error:
        return Tried(broken=(f"{type(error).__name__}: {error}"[:400],))


HEAD = (
    f"{'fault':<44}{'store':<10}{'places':>9}{'tried':>11}{'survived':>9}{'lost':>6}{'damages':>9}{'found':>7}{'s':>7}"
)


def line(row):
    """One row of the table, under `HEAD`: of how many places and trials each how many were tried."""
    places = f"{f'{row.struck}/{row.places}' if row.places else '–':>9}"
    tried = f"{f'{row.tried}/{row.trials}' if row.tried else '–':>11}"
    counts = f"{row.survived if row.tried else '–':>9}{row.lost if row.tried else '–':>6}"
    damages = f"{row.damages or '–':>9}{row.found if row.damages else '–':>7}"
    return f"{row.fault:<44}{row.store:<10}{places}{tried}{counts}{damages}{row.seconds:>7.1f}"
