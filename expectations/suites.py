"""The suites: what every release must hold, besides what its spec declares."""

from collections.abc import Callable

from expectations.spec import Expectation, ReleaseSpec, Severity
from expectations.tiers import TIERS

METRIC = "expect_metric_to_be_between"
# How much worse than an earlier version, at least: a share, by the version's name.
DROP = "drop_at_least:"
SPEED_LIMIT_MS = 100.0
SLOW_MS = 200.0
FAST_SHARE = 0.95
# How fast a package should be, by its estimator. Ten batches do not tell 0.9 from 1; nearest neighbours come to 0.4.
SPEEDUPS = {"single": 1.0, "batch": 0.8}
# What guards may cost, in times of the bare graph. The smallest model comes to 2.5, and most are slower than that.
GUARD_COST = {"1": 3.0, "1000": 3.0}
# From this tier on, guards that make the answers worse stop a release; below, the team may choose.
GUARDS_MUST_HELP = 3
DUPLICATE_SHARE = 0.05
# How far a column may be from the reference data's: the share of its values, or of nulls more; a distance for drift.
NULL_GROWTH = 0.1
MOVED = {"out_of_range": 0.05, "unknown_categories": 0.05, "drift": 0.25}


def metric(
    name: str, low: float | None = None, high: float | None = None, severity: Severity = "critical"
) -> Expectation:
    """An expectation over one metric of an evidence frame."""
    bounds = {"min_value": low, "max_value": high}
    kwargs = {"metric": name, **{key: value for key, value in bounds.items() if value is not None}}
    return Expectation(type=METRIC, kwargs=kwargs, severity=severity)


def in_words(name: str, value: float) -> str:
    """What a figure means, where the number alone is easily passed over."""
    if name.startswith("speedup_") and 0 < value < 1:
        return f": slower than the estimator, which answers in {value:.0%} of the package's time"
    return ""


def data_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """Profiled from the reference data: volume, schema, nulls, ranges, categories, uniqueness, drift."""
    fixed = [
        metric("rows", low=TIERS[spec.risk.tier].min_records),
        metric("missing_columns", high=0),
        metric("changed_types", high=0),
        metric("empty_columns", high=0),
        metric(f"nulls:{spec.data.target}", high=0),
        metric("duplicate_rows", high=DUPLICATE_SHARE, severity="warning"),
    ]
    if spec.model.task != "regression":
        fixed.append(metric("classes", low=2))
    if spec.model.task == "binary":
        fixed.append(metric("positives", low=1))
    profiled = [limit for name in metrics if (limit := _profile_limit(name))]
    return [*fixed, *profiled, *spec.expectations.data]


def _profile_limit(name: str) -> Expectation | None:
    """A column that lost its values stops a release; one that moved is told."""
    kind = name.split(":", 1)[0]
    if kind in ("missing", "changed_type", "empty"):
        return metric(name, high=0)
    if kind == "null_growth":
        return metric(name, high=NULL_GROWTH)
    return metric(name, high=MOVED[kind], severity="warning") if kind in MOVED else None


def conversion_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """The exported model is the trained one: no label differs, no number by more than the tier's tolerance.

    Neither in the snapshot nor on the thresholds, missing values and texts that were tried besides, where there are
    any. Extremes that no training saw, and thresholds that only a last bit of the preprocessing crosses, are told.
    """
    tolerance = TIERS[spec.risk.tier].parity_tolerance
    tried = [
        metric("boundary_mismatches", high=0),
        metric("boundary_max_difference", high=tolerance),
        metric("rounding_mismatches", high=0, severity="warning"),
        metric("extreme_mismatches", high=0, severity="warning"),
        metric("extreme_max_difference", high=tolerance, severity="warning"),
    ]
    return [
        metric("label_mismatches", high=0),
        metric("max_difference", high=tolerance),
        *(one for one in tried if one.kwargs["metric"] in metrics),
        metric("golden_mismatches", high=0),
        # Of a package with frozen tables: every key's numbers, and that an unknown key is said to be one.
        *([metric("lookup_mismatches", high=0)] if "lookup_mismatches" in metrics else []),
    ]


def quality_suite(spec: ReleaseSpec, _metrics: list[str]) -> list[Expectation]:
    """The declared gates, and always: better than guessing."""
    return [metric("improvement_over_baseline", low=0), *spec.expectations.quality]


def guards_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """Enough rows set the limits, no guard surely exceeds its budget, coverage surely falls short nowhere, what is left
    after all rejections is not surely worse than the whole, and the guards do not cost several times the model."""
    severity: Severity = "critical" if spec.risk.tier >= GUARDS_MUST_HELP else "warning"
    fixed = [metric("calibration_rows", low=1), metric("worse_with_rejections", high=0, severity=severity)]
    fixed += [metric(f"guarded_over_bare_{n}", high=high, severity="warning") for n, high in GUARD_COST.items()]
    fixed += [metric(f"over_budget:{name}", high=0) for name in type(spec.guards.budgets).model_fields]
    short = [metric("coverage_shortfall", high=0)] if "coverage_shortfall" in metrics else []
    groups = [metric(m, high=0, severity="warning") for m in metrics if m.startswith("coverage_shortfall:")]
    return [*fixed, *short, *groups, *spec.expectations.guards]


def latency_suite(spec: ReleaseSpec, _metrics: list[str]) -> list[Expectation]:
    """The declared gates; without any, a mean of 100 ms and at most 5 % over 200 ms."""
    slow = {"column": "latency_ms", "max_value": SLOW_MS, "mostly": FAST_SHARE}
    default = (
        Expectation(
            type="expect_column_mean_to_be_between", kwargs={"column": "latency_ms", "max_value": SPEED_LIMIT_MS}
        ),
        Expectation(type="expect_column_values_to_be_between", kwargs=slow),
    )
    # No reason to stop, but to be told: some models are slower as graphs.
    slower = [metric(f"speedup_{size}", low=low, severity="warning") for size, low in SPEEDUPS.items()]
    return [*(spec.expectations.latency or default), *slower]


def comparison_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """Not worse than the champion by more than the margin, and no sudden drop against any earlier version."""
    margin, drop = spec.comparison.margin, TIERS[spec.risk.tier].sudden_drop
    drops = [name for name in metrics if name.startswith(DROP)]
    against = [metric(name, high=max(drop, margin), severity="warning") for name in drops]
    return [metric("improvement", low=-margin), *against, *spec.expectations.comparison]


def compression_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """Warnings: the candidate does not lead a simpler baseline by the tolerance, or no alternative was measured."""
    lead, tolerance = "lead_over_simple_baseline", spec.compression.tolerance
    led = [metric(lead, low=tolerance, severity="warning")] if lead in metrics else []
    return [metric("alternatives", low=1, severity="warning"), *led, *spec.expectations.compression]


SUITES: dict[str, Callable[[ReleaseSpec, list[str]], list[Expectation]]] = {
    "data": data_suite,
    "conversion": conversion_suite,
    "package": conversion_suite,
    "quality": quality_suite,
    "guards": guards_suite,
    "latency": latency_suite,
    "comparison": comparison_suite,
    "compression": compression_suite,
}


def suite_of(step: str, spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """What a step's evidence is held against; `metrics` are the names that it measured."""
    return SUITES[step](spec, metrics)
