"""What people may want of a model, and who has it."""

from dataclasses import dataclass

import numpy as np

from expectations.errors import CannotAsk
from expectations.options.gaming import Gaming
from infra.runtime import Predictions
from tasks.qualification.case import Case, Flags, Floats, chance_of


@dataclass(frozen=True)
class Goal:
    """A label, or `high` or `low` numbers: past a `line`, or by more than `gain` where there is none."""

    name: str
    line: float | None = None
    gain: float = 0.0

    @property
    def sign(self) -> float:
        """Which way is better."""
        return -1.0 if self.name == "low" else 1.0

    def score(self, said: Predictions) -> Floats:
        """(n,) the more the better: the label's probability (1 or 0 without), or the number, low ones negative."""
        if not said.classes:
            return np.asarray(self.sign * said.values, dtype=np.float64)
        labels = np.full(len(said.values), self.name, dtype=object)
        if said.probabilities is None:
            return np.asarray(said.values == labels, dtype=np.float64)
        return chance_of(said, labels)

    def wanting(self, before: Predictions) -> Flags:
        """(n,) who does not have it."""
        if before.classes:
            return np.asarray(before.values != self.name)
        if self.line is None:
            return np.ones(len(before.values), dtype=bool)
        return np.asarray(self.sign * before.values < self.sign * self.line)

    def reached(self, before: Predictions, after: Predictions) -> Flags:
        """(n,) who has it now."""
        if after.classes:
            return np.asarray(after.values == self.name)
        if self.line is not None:
            return np.asarray(self.sign * after.values >= self.sign * self.line)
        return np.asarray(self.sign * (after.values - before.values) > self.gain)


def goals_of(case: Case, options: Gaming) -> list[Goal]:
    """The goal that the spec names, or every one. Raises CannotAsk for one that the model cannot answer."""
    classes = tuple(case.scorer.signature["classes"])
    if not classes:
        known = {name: Goal(name, options.line, options.gain or case.scale) for name in ("high", "low")}
    else:
        known = {label: Goal(label) for label in classes}
    named = known if options.favourable is None else {**_both_ways(case, known), **known}
    if options.favourable is None:
        return list(known.values())
    if options.favourable not in named:
        raise CannotAsk(
            f"checks.gaming.favourable: expected one of {', '.join(named)}, found {options.favourable!r}. "
            "Name what people want of the model."
        )
    return [named[options.favourable]]


def _both_ways(case: Case, known: dict[str, Goal]) -> dict[str, Goal]:
    """`positive` and `negative` of two labels."""
    if case.positive not in known or len(known) != 2:
        return {}
    other = next(label for label in known if label != case.positive)
    return {"positive": known[case.positive], "negative": known[other]}
