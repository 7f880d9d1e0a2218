"""One expectation: one thing that must hold of a data or evidence frame."""

from typing import Any, Literal

from pydantic import Field

from expectations.parts import Part

Severity = Literal["critical", "warning"]
METRIC = "expect_metric_to_be_between"


class Expectation(Part):
    """One Great Expectations expectation. `type` and `kwargs` as in a Great Expectations suite."""

    type: str
    kwargs: dict[str, Any] = Field(default_factory=dict)
    severity: Severity = "critical"


def metric(
    name: str, low: float | None = None, high: float | None = None, severity: Severity = "critical"
) -> Expectation:
    """An expectation over one metric of an evidence frame."""
    bounds = {"min_value": low, "max_value": high}
    kwargs = {"metric": name, **{key: value for key, value in bounds.items() if value is not None}}
    return Expectation(type=METRIC, kwargs=kwargs, severity=severity)
