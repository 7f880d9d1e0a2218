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
        metric("golden_mismatches", high=0),
        # Of a package with frozen tables: every key's numbers, and that an unknown key is said to be one.
        *([metric("lookup_mismatches", high=0)] if "lookup_mismatches" in metrics else []),
    ]
