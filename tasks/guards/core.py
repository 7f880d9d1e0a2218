"""The converted model that the guards are put around, and what a caller sends to both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.guards.looking_up import check_inputs, live_inputs
from tasks.guards.plan import Plan

# Before the names of all tensors of the model inside.
CORE = "core/"


@dataclass(frozen=True)
class Core:
    """The converted model, and what is known of its inputs and outputs."""

    graph: bytes
    signature: Mapping[str, Any]
    has_probabilities: bool

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels as text; none of a regression."""
        return tuple(self.signature["classes"])

    @property
    def members(self) -> Mapping[str, Any]:
        """Of an ensemble how its members vote, their names, and where the graph says what they say; else nothing."""
        told: Mapping[str, Any] = self.signature.get("members", {})
        return told

    @property
    def kinds(self) -> dict[str, str]:
        """Each column's kind: string, float or double."""
        return {item["column"]: item["type"] for item in self.signature["inputs"]}


def sent_columns(core: Core, plan: Plan) -> dict[str, str]:
    """What a caller sends: the core's columns but those that are looked up, the lookups' keys, and the group."""
    kinds = {name: "string" if kind == "string" else "double" for name, kind in core.kinds.items()}
    sent = {name: kind for name, kind in kinds.items() if name not in plan.looked_up}
    for table in plan.lookups:
        sent.setdefault(table.on, table.kind)
    if plan.group:
        sent.setdefault(plan.group, "string" if plan.group_is_text else "double")
    check_inputs(sent, plan.lookups)
    # Last, so that what a caller sends keeps its place.
    return sent | live_inputs(plan.lookups)
