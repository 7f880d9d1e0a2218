"""The model card: what the model is, for whom, on what it was trained, how good it is and where its use ends.

The parts are those of Mitchell et al. (2019), "Model Cards for Model Reporting", as far as a release knows them.
"""

from collections.abc import Mapping
from typing import Any

from expectations.records import Evidence
from tasks.drawing import metric

# What is said of every model.
LIMITS = (
    "The figures speak of the records that were tested and of data like them; of other data they say nothing.",
    "An interval is the range that 95 % of such samples would give; a dash means that none was computed.",
    "Latency belongs to the machine that measured it.",
    "An expectation that nobody wrote was not judged.",
)
NOT_STATED = "not stated in the spec"
KINDS = {
    "regression": "a number",
    "binary": "one of two labels, with a probability",
    "multiclass": "one of several labels",
}
# The first figures that a reader asks for, where they were measured.
FIGURES = ("accuracy", "roc_auc", "precision", "recall", "log_loss", "rmse", "mae", "r2", "improvement_over_baseline")


def build_card(
    spec: Mapping[str, Any], manifest: Mapping[str, Any] | None, evidence: Mapping[str, Evidence]
) -> dict[str, Any]:
    """The card as JSON values; what nobody stated is said to be so."""
    model, data = spec.get("model") or {}, spec.get("data") or {}
    return {
        "name": model.get("name"),
        "description": model.get("description") or NOT_STATED,
        "answers": KINDS.get(str(model.get("task")), NOT_STATED),
        "intended_use": model.get("intended_use") or NOT_STATED,
        "out_of_scope": model.get("out_of_scope") or NOT_STATED,
        "owner": model.get("owner") or NOT_STATED,
        "developers": list(model.get("developers") or []),
        "target": data.get("target"),
        "trained_on": _trained_on(data, manifest),
        "people_it_is_about": _protected(data),
        "quality": _quality(evidence.get("quality")),
    }


def _trained_on(data: Mapping[str, Any], manifest: Mapping[str, Any] | None) -> str:
    sources = data.get("sources") or {}
    told = "; ".join(f"{name}: {(one or {}).get('origin') or 'origin not stated'}" for name, one in sources.items())
    rows = (
        f"{manifest['rows']:,} rows, split into training, calibration and test. "
        if manifest and "rows" in manifest
        else ""
    )
    return f"{rows}{told}"


def _protected(data: Mapping[str, Any]) -> str:
    named = [name for name, roles in (data.get("roles") or {}).items() if "protected" in roles]
    return f"protected attributes: {', '.join(named)}" if named else "no protected attribute is named"


def _quality(evidence: Evidence | None) -> dict[str, list[float]]:
    if evidence is None:
        return {}
    told = {name: metric(evidence.metrics, name) for name in FIGURES}
    return {name: list(figure) for name, figure in told.items() if figure}


def limits_of_use(spec: Mapping[str, Any], evidence: Mapping[str, Evidence]) -> list[str]:
    """Sentences for those who use the answers."""
    model = spec.get("model") or {}
    told = [f"Not for: {model['out_of_scope']}"] if model.get("out_of_scope") else []
    if (guards := evidence.get("guards")) is not None:
        if rejected := metric(guards.metrics, "rejected"):
            told.append(f"Of usual records {rejected[0]:.1%} get an answer that is marked as not to be trusted.")
        if held := metric(guards.metrics, "coverage"):
            told.append(f"Its interval or set of labels held the truth for {held[0]:.1%} of the test records.")
    return [*told, *LIMITS]
