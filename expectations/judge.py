"""The judge: one language for every gate, with the holes of Great Expectations closed."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pandas as pd

from expectations.expectation import METRIC, Expectation
from expectations.hiding import names_hidden
from expectations.records import Evidence
from expectations.suites.latency import in_words
from expectations.together import stacked
from expectations.verdicts import Finding, Outcome
from expectations.wording import SUPPLY, name_of, number, remedy_of, words

NULL_CHECKS = ("expect_column_values_to_not_be_null", "expect_column_values_to_be_null", "expect_column_to_exist")


def judge(
    evidence: Evidence, suite: Sequence[Expectation], *, strict: bool, hidden: frozenset[str] = frozenset()
) -> list[Finding]:
    """One finding per expectation. An empty suite is inconclusive: nothing was asked.

    What Great Expectations lets through is looked at first: no rows, all null, too few records. `strict` holds a
    metric's whole interval against its limits; an interval that straddles a limit cannot tell yet. What is found of
    columns that are `hidden` is told without their values.
    """
    if not suite:
        return [Finding(evidence.step, "suite", Outcome.INCONCLUSIVE, "critical", "expectations", "an empty suite")]
    early = [_cannot_ask(evidence, item) for item in suite]
    open_items = [item for item, finding in zip(suite, early, strict=True) if finding is None]
    judged = iter(_ask(evidence, open_items, strict, hidden))
    return [finding or next(judged) for finding in early]


def _ask(evidence: Evidence, suite: list[Expectation], strict: bool, hidden: frozenset[str]) -> list[Finding]:
    metrics = evidence.metrics.set_index("metric")
    wide = pd.DataFrame([_bounds(metrics, strict)]) if len(metrics) else pd.DataFrame()
    findings: dict[int, Finding] = {}
    for is_metric, frame in ((True, wide), (False, evidence.records)):
        part = [(at, item) for at, item in enumerate(suite) if (item.type == METRIC) == is_metric]
        asked = [_translated(item) if is_metric else item for _, item in part]
        results = run_great_expectations(frame, asked, together=is_metric)
        for (at, item), result in zip(part, results, strict=True):
            shown = is_metric or not names_hidden(item.kwargs, hidden)
            findings[at] = _finding(
                evidence, item, result if shown else _without_values(result), metrics if is_metric else None
            )
    return [findings[at] for at in range(len(suite))]


def _bounds(metrics: pd.DataFrame, strict: bool) -> dict[str, float]:
    """One row: what is held against the low limit and what against the high one, per metric."""
    row: dict[str, float] = {}
    for name, values in metrics.iterrows():
        interval = strict and math.isfinite(values["lower"]) and math.isfinite(values["upper"])
        row[f"{name} at least"] = values["lower"] if interval else values["value"]
        row[f"{name} at most"] = values["upper"] if interval else values["value"]
    return row


def _translated(item: Expectation) -> Expectation:
    """A metric expectation in Great Expectations' own words, over the one-row frame of `_bounds`."""
    name, low, high = item.kwargs["metric"], item.kwargs.get("min_value"), item.kwargs.get("max_value")
    if low is not None and high is not None:
        kwargs: dict[str, Any] = {
            "column_A": f"{name} at least",
            "column_B": f"{name} at most",
            "low": low,
            "high": high,
        }
        return Expectation(type="both", kwargs=kwargs, severity=item.severity)
    side = "at least" if low is not None else "at most"
    kwargs = {"column": f"{name} {side}", **{k: v for k, v in item.kwargs.items() if k != "metric"}}
    return Expectation(type="expect_column_values_to_be_between", kwargs=kwargs, severity=item.severity)


def run_great_expectations(
    frame: pd.DataFrame, suite: Sequence[Expectation], together: bool = False
) -> list[dict[str, Any]]:
    """Each expectation's result as plain JSON: yes or no of all at once, then the details only of what failed.

    With `together` the frame has one row, and what has the same limits is one question first.
    """
    singles, owner = _split_two_sided(suite)
    answers = _held_together(frame, singles) if together else {}
    alone = {at: single for at, single in enumerate(singles) if at not in answers}
    answers |= _validate(frame, alone, "BOOLEAN_ONLY")
    failed = {at: singles[at] for at, answer in answers.items() if not answer["success"] and "error" not in answer}
    answers |= _validate(frame, failed, "SUMMARY")
    return [_worse_of([answers[at] for at, mine in enumerate(owner) if mine == number]) for number in range(len(suite))]


def _held_together(row: pd.DataFrame, suite: Sequence[Expectation]) -> dict[int, dict[str, Any]]:
    """The answers to those whose limits all that have the same ones keep. Of the others nothing is known yet."""
    columns, asked, members = stacked(row, suite)
    answers = _validate(columns, asked, "BOOLEAN_ONLY")
    return {at: answers[one] for one, shared in members.items() if answers[one]["success"] for at in shared}


def _worse_of(answers: list[dict[str, Any]]) -> dict[str, Any]:
    """A two-sided limit holds where both sides do."""
    return next((answer for answer in answers if not answer["success"]), answers[0])


def _validate(frame: pd.DataFrame, items: dict[int, Expectation], details: str) -> dict[int, dict[str, Any]]:
    """One run of Great Expectations; each result finds its expectation by the number in its `meta`."""
    if not items:
        return {}
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    from expectations.fast_metrics import measured

    # Not asked is not passed: what brings no result back stays an error. A list and not a suite is asked, since a suite
    # replaces expectations of the same type and column.
    answers: dict[int, dict[str, Any]] = {at: {"success": False, "error": "gave no result"} for at in items}
    asked = []
    for at, item in items.items():
        try:
            one = ExpectationConfiguration(type=item.type, kwargs=dict(item.kwargs), meta={"at": at})
            asked.append(one.to_domain_obj())
        except Exception as error:  # noqa: BLE001  A wrong expectation may raise anything at all.
            answers[at] = {"success": False, "error": f"not an expectation: {' '.join(str(error).split())}"[:300]}
    if not asked:
        return answers
    validator = measured(frame, _context())
    configurations = validator.process_expectations_for_validation([one.configuration for one in asked])
    for result in validator.graph_validate(configurations, runtime_configuration={"result_format": details}):
        assert result.expectation_config is not None
        answers[result.expectation_config.meta["at"]] = result.to_json_dict()
    return answers


def _split_two_sided(suite: Sequence[Expectation]) -> tuple[list[Expectation], list[int]]:
    """A limit on both sides of an interval is two questions with one owner."""
    singles, owner = [], []
    for at, item in enumerate(suite):
        if item.type != "both":
            singles.append(item)
            owner.append(at)
            continue
        for column, key, limit in (("column_A", "min_value", "low"), ("column_B", "max_value", "high")):
            kwargs = {"column": item.kwargs[column], key: item.kwargs[limit]}
            singles.append(Expectation(type="expect_column_values_to_be_between", kwargs=kwargs))
            owner.append(at)
    return singles, owner


@lru_cache(maxsize=1)
def _context() -> Any:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _cannot_ask(evidence: Evidence, item: Expectation) -> Finding | None:
    """What Great Expectations would let through, or only answer with an exception."""
    if item.type == METRIC:
        return _cannot_ask_metric(evidence, item)
    records, column = evidence.records, item.kwargs.get("column")
    if column is not None and column not in records.columns and item.type != "expect_column_to_exist":
        return _early(
            evidence, item, Outcome.ERRORED, f"no column {column!r}; there are {', '.join(records.columns)}"[:300]
        )
    if item.type.startswith("expect_table"):
        return None
    if not len(records):
        return _early(evidence, item, Outcome.INCONCLUSIVE, "no rows")
    if column in records.columns and item.type not in NULL_CHECKS and records[column].isna().all():
        return _early(evidence, item, Outcome.INCONCLUSIVE, f"every value of {column!r} is missing")
    return None


def _cannot_ask_metric(evidence: Evidence, item: Expectation) -> Finding | None:
    name, metrics = item.kwargs.get("metric"), evidence.metrics.set_index("metric")
    if "min_value" not in item.kwargs and "max_value" not in item.kwargs:
        return _early(evidence, item, Outcome.ERRORED, "no limit: give min_value, max_value or both")
    if name not in metrics.index:
        return _early(
            evidence, item, Outcome.ERRORED, f"no metric {name!r}; there are {', '.join(metrics.index)}"[:300]
        )
    row = metrics.loc[name]
    # What it takes may be something else than records; then the check says what.
    if why := evidence.facts.get("unmeasured", {}).get(name):
        return replace(_early(evidence, item, Outcome.INCONCLUSIVE, why), remedy=SUPPLY)
    if row["n"] < row["n_required"]:
        found = f"{row['n']:,.0f} records; {row['n_required']:,.0f} are needed to tell"
        return _early(evidence, item, Outcome.INCONCLUSIVE, found)
    if not math.isfinite(row["value"]):
        return _early(evidence, item, Outcome.INCONCLUSIVE, "no value could be measured")
    return None


def _early(evidence: Evidence, item: Expectation, outcome: Outcome, found: str) -> Finding:
    told = Outcome.WARNED if item.severity == "warning" else outcome
    return Finding(evidence.step, name_of(item), told, item.severity, words(item), found, remedy_of(item, outcome))


def _finding(evidence: Evidence, item: Expectation, result: dict[str, Any], metrics: pd.DataFrame | None) -> Finding:
    row = None if metrics is None else metrics.loc[item.kwargs["metric"]]
    outcome, found = _outcome(item, result, row), _found(result, row)
    if outcome is Outcome.INCONCLUSIVE and row is not None:
        needed = _records_that_would_tell(item, row)
        found += f"; about {needed:,} records would tell" if needed else "; the value lies on the limit itself"
    # What to do hangs on what came of it, also where it only warns: too few records call for more of them.
    told = Outcome.WARNED if item.severity == "warning" and not outcome.lets_through else outcome
    return Finding(evidence.step, name_of(item), told, item.severity, words(item), found, remedy_of(item, outcome))


def _without_values(result: dict[str, Any]) -> dict[str, Any]:
    """A result that says how much, and of no record what."""
    details = {key: value for key, value in (result.get("result") or {}).items() if key == "unexpected_percent"}
    return {**result, "result": details}


def _outcome(item: Expectation, result: dict[str, Any], row: "pd.Series[Any] | None") -> Outcome:
    if "error" in result or _raised(result):
        return Outcome.ERRORED
    if result["success"]:
        return Outcome.PASSED
    if row is not None and _straddles(item, row):
        return Outcome.INCONCLUSIVE
    return Outcome.FAILED


def _straddles(item: Expectation, row: "pd.Series[Any]") -> bool:
    """Does the interval reach to both sides of a limit that it was held against?"""
    low, high = item.kwargs.get("min_value", -math.inf), item.kwargs.get("max_value", math.inf)
    surely_out = row["upper"] < low or row["lower"] > high
    return bool(math.isfinite(row["lower"]) and math.isfinite(row["upper"]) and not surely_out)


def _records_that_would_tell(item: Expectation, row: "pd.Series[Any]") -> int:
    """An interval shrinks with the square root of n: when would it leave the limit that lies nearest? 0: never."""
    limits = [item.kwargs[key] for key in ("min_value", "max_value") if item.kwargs.get(key) is not None]
    distance, half = min(abs(row["value"] - limit) for limit in limits), (row["upper"] - row["lower"]) / 2
    return 0 if distance < half / 100 else int(row["n"] * max(1.0, (half / distance) ** 2)) + 1


def _raised(result: dict[str, Any]) -> bool:
    info = result.get("exception_info") or {}
    return bool(
        info.get("raised_exception") or any(isinstance(v, dict) and v.get("raised_exception") for v in info.values())
    )


def _found(result: dict[str, Any], row: "pd.Series[Any] | None") -> str:
    if "error" in result:
        return str(result["error"])
    if row is not None:
        interval = f" [{number(row['lower'])}, {number(row['upper'])}]" if math.isfinite(row["lower"]) else ""
        return f"{number(row['value'])}{interval} on {row['n']:,.0f} records{in_words(str(row.name), row['value'])}"
    details = result.get("result") or {}
    if "unexpected_percent" in details:
        examples = details.get("partial_unexpected_list")
        such_as = "" if examples is None else f", such as {examples[:3]}"
        return f"{details['unexpected_percent']:.3g} % otherwise{such_as}"
    return (
        f"{details['observed_value']}"
        if "observed_value" in details
        else ("holds" if result["success"] else "does not hold")
    )


def unknown_types(suite: Sequence[Expectation]) -> list[tuple[str, str]]:
    """The types that nobody can judge, each with the nearest one that exists."""
    import difflib

    from great_expectations.expectations.registry import list_registered_expectation_implementations

    known = [METRIC, *list_registered_expectation_implementations()]
    strange = [item.type for item in suite if item.type not in known]
    nearest = [difflib.get_close_matches(name, known, n=1) for name in strange]
    return [(name, f" Did you mean {near[0]}?" if near else "") for name, near in zip(strange, nearest, strict=True)]
