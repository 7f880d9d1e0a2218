"""Wrong labels: from one town, from one branch, and everywhere."""

import numpy as np

from planted.base import POSITIVE, TARGET, TOWNS, Planted, clean

BRANCHES = ("north", "south", "east", "west")


def turned(frame, chosen):
    """The labels of some rows turned round."""
    other = np.where(frame[TARGET] == POSITIVE, "no", POSITIVE)
    return frame.assign(**{TARGET: np.where(chosen, other, frame[TARGET])})


def lying_town(rng):
    """A twentieth of the rows comes from one more town, whose labels are turned round."""
    frame = clean(rng).assign(town=lambda rows: rows["town"].astype(object))
    chosen = rng.random(len(frame)) < 0.05
    return turned(frame.assign(town=np.where(chosen, "Farley", frame["town"])), chosen)


def lying_branch(rng):
    """One branch of four turns its labels round; the model does not see the branch."""
    frame = clean(rng).assign(branch=lambda rows: rng.choice(BRANCHES, len(rows)))
    return turned(frame, frame["branch"] == "east")


def lying_half(rng):
    """A branch that holds nearly half of the rows turns its labels round."""
    frame = clean(rng).assign(branch=lambda rows: rng.choice(BRANCHES, len(rows), p=[0.2, 0.2, 0.4, 0.2]))
    return turned(frame, frame["branch"] == "east")


def noisy(rng):
    """A quarter of all labels is turned round by chance."""
    frame = clean(rng)
    return turned(frame, rng.random(len(frame)) < 0.25)


SOURCE = {"checks": {"poisoning": {"source": "town"}}}
BRANCH = {"checks": {"poisoning": {"source": "branch"}}, "data": {"ignore": ["branch"]}}
CLEAN_WITH_SOURCES = Planted("clean", "poisoning", "", spec=SOURCE)
assert "Farley" not in TOWNS

# Where all labels of a branch with nearly half of the rows are turned, decisions lie near the line, and the model is
# hardly better than one answer for all.
TAUGHT_NOISE = ("robustness", "costs")

FAULTS: tuple[Planted, ...] = (
    Planted("a town of a twentieth of the rows turns labels round", "poisoning", "Farley", lying_town, SOURCE),
    Planted(
        "a branch that the model does not see turns labels round",
        "poisoning",
        "more_suspect:east",
        lying_branch,
        BRANCH,
    ),
    Planted(
        "a model is worse for a lying branch",
        "poisoning",
        "better_without:east",
        lying_half,
        BRANCH,
        related=TAUGHT_NOISE,
    ),
    Planted("a quarter of all labels is wrong", "poisoning", "contradicted_where_surest", noisy),
)
