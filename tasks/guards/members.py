"""Are the members of an ensemble different, is each any good, does their vote gain, and does disagreement find errors?

All on test rows. Members share what nobody can know of a record, so their errors correlate also where they are
independent: what counts is that they are no copies, and what the vote gains.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from onnx import ModelProto, ValueInfoProto

from infra.runtime import Predictions, Scorer
from tasks.conversion.placement import unwrapped
from tasks.conversion.polling import polled_answers
from tasks.conversion.voting import ensemble_of, member_names
from tasks.guards.composed import measure_figures
from tasks.guards.conformal import unlikeliness
from tasks.guards.plan import Flags, Floats
from tasks.quality import Statistic, mean_of, roc_auc, with_intervals

Row = tuple[str, float, float, float, int, int]
Members = Mapping[str, Predictions]
NAN, TINY = float("nan"), 1e-15
# Of numbers the tenth of the rows with the largest errors is what disagreement should find.
LARGE = 0.9


def ask_members(graph: bytes, rows: pd.DataFrame) -> dict[str, Predictions]:
    """What each member says inside the package, its inputs made safe; nothing of a package that is no ensemble's."""
    model = ModelProto()
    model.ParseFromString(graph)
    told = Scorer(graph).signature.get("members")
    if told is None:
        return {}
    model.graph.output.append(ValueInfoProto(name=told["answers"]))
    scorer = Scorer(model.SerializeToString())
    answer = scorer.answers(rows)
    return polled_answers(told, answer[told["answers"]], tuple(scorer.signature["classes"]))


def measure_members(
    members: Members, actual: npt.NDArray[Any], vote: Predictions, disagreement: Floats, required: int
) -> list[Row]:
    """Each member's own loss, the correlation of each two's errors, and the vote's gain over the best of them: over
    whichever is best on each resample, which flatters no vote."""
    loss, name = {one: losses(actual, said) for one, said in members.items()}, loss_name(vote)
    told: dict[str, Statistic] = {f"member_{name}:{one}": _typical(values, name) for one, values in loss.items()}
    told |= _correlations({one: errors(actual, said) for one, said in members.items()})
    own, each = _typical(losses(actual, vote), name), [_typical(values, name) for values in loss.values()]
    told["gain_over_best_member"] = lambda w: 1 - own(w) / np.min([one(w) for one in each], axis=0)
    rows = with_intervals(told, len(actual), required)
    [(_, gain, _, upper, _, _)] = [row for row in rows if row[0] == "gain_over_best_member"]
    # Of a best member without errors there is nothing to gain.
    worse = max(-upper, 0.0) if np.isfinite(gain) else 0.0
    rows.append(("worse_than_best_member", worse, NAN, NAN, len(actual), 1))
    return [*rows, *_found(errors(actual, vote), vote, disagreement, required)]


def loss_name(vote: Predictions) -> str:
    """rmse, log_loss, or error_rate of a majority."""
    return "rmse" if not vote.classes else "log_loss" if vote.probabilities is not None else "error_rate"


def losses(actual: npt.NDArray[Any], said: Predictions) -> Floats:
    """(n,) squared errors, log losses, or wrong and right as 1 and 0."""
    if said.probabilities is None:
        return errors(actual, said) ** 2
    return np.asarray(-np.log(np.clip(1 - unlikeliness(said.probabilities, actual, said.classes), TINY, 1)))


def errors(actual: npt.NDArray[Any], said: Predictions) -> Floats:
    """(n,) how far too high, or wrong and right as 1 and 0."""
    if said.classes:
        return np.asarray(actual != said.values, dtype=np.float64)
    return np.asarray(said.values - actual.astype(np.float64), dtype=np.float64)


def _typical(values: Floats, name: str) -> Statistic:
    mean = mean_of(values)
    return (lambda w: np.sqrt(mean(w))) if name == "rmse" else mean


def _correlations(wrong: Mapping[str, Floats]) -> dict[str, Statistic]:
    """Of members that never err alike nothing can be said."""
    varied = {name: values for name, values in wrong.items() if len(values) and np.ptp(values) > 0}
    return {f"error_correlation:{a} and {b}": correlation_of(varied[a], varied[b]) for a, b in combinations(varied, 2)}


def correlation_of(left: Floats, right: Floats) -> Statistic:
    """Pearson's, weighted."""
    a, b = left - left.mean(), right - right.mean()
    first, second, product, squares = mean_of(a), mean_of(b), mean_of(a * b), (mean_of(a * a), mean_of(b * b))

    def correlation(w: Floats) -> Floats:
        x, y = first(w), second(w)
        spread = np.sqrt((squares[0](w) - x * x) * (squares[1](w) - y * y))
        return np.asarray((product(w) - x * y) / spread)

    return correlation


def _found(wrong: Floats, vote: Predictions, disagreement: Floats, required: int) -> list[Row]:
    """How often a row with an error, of numbers a large one, has more disagreement than another: 0.5 is chance."""
    size = np.abs(wrong)
    bad = size > (0 if vote.classes or not len(size) else np.quantile(size, LARGE))
    if bad.all() or not bad.any():
        return []
    [row] = with_intervals({"errors_found_by_disagreement": roc_auc(bad, disagreement)}, len(bad), required)
    return [row, ("disagreement_misleads", max(0.5 - row[3], 0.0), NAN, NAN, len(bad), 1)]


def measure_apart(actual: npt.NDArray[Any], vote: Predictions, apart: Flags) -> list[Row]:
    """The figures of the rows on which members agree, and of those on which this guard says no."""
    return measure_figures(actual, vote, {"agreed": ~apart, "disputed": apart})


def objection_row(told: Mapping[str, Any], limit: float | None, classes: int, n: int) -> Row:
    """1 where the limit lies so high that a majority's members can never be too far apart: a guard that says nothing.

    Of m equal members over k classes at least ceil(m / k) say what the vote says: of three over two classes at most a
    third differ. One that outweighs all others may stand alone.
    """
    count, most = len(told["names"]), float("inf")
    if told["vote"] == "majority":
        agreeing = -(-count // classes) if len(set(told["weights"])) == 1 else 1
        most = (count - agreeing) / count
    never = limit is None or limit >= most - TINY
    return "members_cannot_object", float(never), NAN, NAN, n, 1


def measure_difference(candidate: Any, members: Members) -> tuple[list[Row], dict[str, Any]]:
    """Which two members are copies (the same answers to every test row; of a majority, by the same recipe too), and
    which are not different: the same answers, or the same recipe but for a seed. And each one's kind, in words."""
    model = ensemble_of(candidate)
    estimators = dict(zip(member_names(model), getattr(model, "estimators_", []), strict=True))
    n, copied, alike = len(next(iter(members.values())).values), [], []
    for a, b in combinations(members, 2):
        recipe = recipe_of(estimators[a]) == recipe_of(estimators[b])
        same = n > 1 and same_answers(members[a], members[b])
        copied += [f"{a} and {b}"] if same and (recipe or _tells(members[a])) else []
        alike += [f"{a} and {b}"] if same or recipe else []
    rows = [
        ("copied_members", float(len(copied)), NAN, NAN, n, 2),
        ("members_alike", float(len(alike)), NAN, NAN, n, 2),
    ]
    rows += [(f"copies:{pair}", 1.0, NAN, NAN, n, 1) for pair in copied]
    rows += [(f"alike:{pair}", 1.0, NAN, NAN, n, 1) for pair in alike]
    facts = {"kinds": {name: kind_of(one) for name, one in estimators.items()}, "copied": copied, "alike": alike}
    return rows, facts


def _tells(said: Predictions) -> bool:
    """Numbers that are equal everywhere tell of a copy; labels do not, if the classes are easy."""
    return not said.classes or said.probabilities is not None


def same_answers(left: Predictions, right: Predictions) -> bool:
    """To every row, up to the last digits."""
    if left.classes and left.probabilities is None:
        return bool((left.values == right.values).all())
    return np.allclose(left.distance(), right.distance(), rtol=1e-9, atol=1e-12, equal_nan=True)


def kind_of(member: Any) -> str:
    """The classes that a member is made of: StandardScaler, Ridge."""
    before, model = unwrapped(member)
    inner = getattr(model, "regressor_", getattr(model, "best_estimator_", None))
    last = type(model).__name__ + (f"({kind_of(inner)})" if inner is not None else "")
    return ", ".join([*(type(step).__name__ for step in before), last])


def recipe_of(value: Any) -> Any:
    """What an estimator is made by, but for its seed: equal for two that would learn the same."""
    if isinstance(value, list | tuple):
        return [recipe_of(one) for one in value]
    if isinstance(value, dict):
        return {str(key): recipe_of(one) for key, one in value.items() if key != "random_state"}
    if hasattr(value, "get_params") and not isinstance(value, type):
        return [type(value).__name__, recipe_of(value.get_params(deep=False))]
    if isinstance(value, str | int | float | bool | None | np.ndarray | np.generic) or not hasattr(value, "__dict__"):
        return repr(value)
    return [getattr(value, "__qualname__", type(value).__name__), recipe_of(vars(value))]
