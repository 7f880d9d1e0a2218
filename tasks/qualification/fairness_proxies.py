"""Can a protected attribute be told from the other features, and from which of them?

Trained on training rows and asked on test rows, which it never saw. The area under the curve of each group against the
rest, averaged over groups; its interval by the structural components of DeLong, DeLong, Clarke-Pearson (1988).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, rankdata
from threadpoolctl import threadpool_limits

from tasks.qualification.case import Case, Flags, Floats
from tasks.qualification.fairness_groups import Attribute, protected
from tasks.qualification.levels import Codes, Cut, cut_of

BANDS, MOST_LEVELS, FEWEST = 10, 30, 20
MOST_ROWS, ROUNDS = 5000, 40


@dataclass(frozen=True)
class Area:
    """An area under the curve, averaged over groups, and its standard error."""

    value: float
    error: float
    n: int

    def bounds(self, level: float) -> tuple[float, float]:
        """(at least, at most), each but for a chance of `level`."""
        half = float(norm.isf(level)) * self.error
        return max(0.0, self.value - half), min(1.0, self.value + half)


@dataclass(frozen=True)
class Proxies:
    """How well all features together tell an attribute, and each alone."""

    attribute: str
    together: Area
    alone: dict[str, Area]


def proxies_of(case: Case, attributes: list[Attribute]) -> list[Proxies]:
    """One for each attribute with at least two groups large enough; none where there is no other feature."""
    apart = protected(case.roles)
    names = [one.name for one in case.columns if one.kind != "text" and one.name not in apart]
    cuts = [cut_of(name, case.train[name], BANDS, MOST_LEVELS) for name in names]
    rng = np.random.default_rng(case.seed)
    train, test = (rng.permutation(n)[:MOST_ROWS] for n in (len(case.train), len(case.test)))
    seen = np.stack([cut.codes(case.train[cut.column])[train] for cut in cuts], axis=1) if cuts else None
    asked = np.stack([cut.codes(case.test[cut.column])[test] for cut in cuts], axis=1) if cuts else None
    if seen is None or asked is None:
        return []
    found = [_proxies(one, cuts, seen, one.train[train], asked, one.codes[test]) for one in attributes]
    return [one for one in found if one is not None]


def _proxies(
    attribute: Attribute, cuts: list[Cut], seen: Codes, known: Codes, asked: Codes, truth: Codes
) -> Proxies | None:
    groups = [g for g in attribute.present() if min((known == g).sum(), (truth == g).sum()) >= FEWEST]
    if len(groups) < 2:
        return None
    train, test = np.isin(known, groups), np.isin(truth, groups)
    seen, known, asked, truth = seen[train], known[train], asked[test], truth[test]
    together = area_of(_told_by_all(cuts, seen, known, asked), truth, groups)
    alone = {
        cut.column: area_of(_told_by_one(cut, seen[:, at], known, asked[:, at], groups), truth, groups)
        for at, cut in enumerate(cuts)
    }
    return Proxies(attribute.name, together, alone)


def _told_by_all(cuts: list[Cut], seen: Codes, known: Codes, asked: Codes) -> Floats:
    """(n, groups) probabilities of a boosted model."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    categories = [cut.edges is None for cut in cuts]
    model = HistGradientBoostingClassifier(
        max_iter=ROUNDS,
        max_leaf_nodes=8,
        min_samples_leaf=10,
        early_stopping=False,
        categorical_features=categories,
        random_state=0,
    )
    with threadpool_limits(1):
        return np.asarray(model.fit(seen, known).predict_proba(asked), dtype=np.float64)


def _told_by_one(cut: Cut, seen: Codes, known: Codes, asked: Codes, groups: list[int]) -> Floats:
    """(n, groups) the share of each group among training rows of the same level."""
    counts = np.stack([np.bincount(seen[known == g], minlength=len(cut.words)) for g in groups], axis=1)
    prior = counts.sum(axis=0) / counts.sum()
    shares = (counts + 5 * prior) / (counts.sum(axis=1, keepdims=True) + 5)
    return np.asarray(shares[asked], dtype=np.float64)


def area_of(chances: Floats, truth: npt.NDArray[np.int64], groups: list[int]) -> Area:
    """Of (n, groups) scores, the groups in rising order: 0.5 is chance."""
    parts = [_components(chances[:, at], truth == group) for at, group in enumerate(groups)]
    value = float(np.mean([area for area, _ in parts]))
    influence = np.mean([part for _, part in parts], axis=0)
    return Area(value, float(influence.std() / np.sqrt(len(truth))), len(truth))


def _components(score: Floats, member: Flags) -> tuple[float, Floats]:
    """(area, (n,) what each record moves it by)."""
    inside, outside = int(member.sum()), int((~member).sum())
    among_all = rankdata(score)
    above = np.empty(len(score))
    above[member] = (among_all[member] - rankdata(score[member])) / outside
    above[~member] = 1 - (among_all[~member] - rankdata(score[~member])) / inside
    area = float(above[member].mean())
    return area, np.where(member, (above - area) * len(score) / inside, (above - area) * len(score) / outside)
