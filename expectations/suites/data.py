"""What must hold of the data."""

from expectations.expectation import Expectation, metric
from expectations.spec import ReleaseSpec

DUPLICATE_SHARE = 0.05
# How far a column may be from the reference data's: the share of its values, or of nulls more; a distance for drift.
NULL_GROWTH = 0.1
MOVED = {"out_of_range": 0.05, "unknown_categories": 0.05, "drift": 0.25}


def data_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """Profiled from the reference data: volume, schema, nulls, ranges, categories, uniqueness, drift."""
    fixed = [
        metric("rows", low=spec.tier.min_records),
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
