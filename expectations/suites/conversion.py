"""What must hold of the exported graph, bare and guarded."""

from expectations.expectation import Expectation, metric
from expectations.spec import ReleaseSpec


def conversion_suite(spec: ReleaseSpec, metrics: list[str]) -> list[Expectation]:
    """The exported model is the trained one: no label differs, no number by more than the tier's tolerance.

    Neither in the snapshot nor on the thresholds, missing values and texts that were tried besides, where there are
    any. Extremes that no training saw, and thresholds that only a last bit of the preprocessing crosses, are told.
    """
    tolerance = spec.tier.parity_tolerance
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
        *_members(tolerance, metrics),
        metric("golden_mismatches", high=0),
        # Of a package with frozen tables: every key's numbers, and that an unknown key is said to be one.
        *([metric("lookup_mismatches", high=0)] if "lookup_mismatches" in metrics else []),
    ]


def _members(tolerance: float, metrics: list[str]) -> list[Expectation]:
    """Of an ensemble each member is its estimator, and they are as far apart as the estimators are."""
    same = [metric(one, high=0) for one in metrics if one.startswith("member_mismatches:")]
    near = [metric(one, high=tolerance) for one in metrics if one.startswith("member_max_difference:")]
    apart = [metric(one, high=tolerance) for one in metrics if one == "disagreement_max_difference"]
    return [*same, *near, *apart]
