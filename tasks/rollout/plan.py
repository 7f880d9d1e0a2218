"""What a rollout is to do: the release's own spec, as it was approved, and the stages that it names."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from expectations.history import Release
from expectations.rollout_spec import RolloutStep
from expectations.spec import ReleaseSpec
from expectations.state import Group, Stage
from infra.evidence_store import get_json
from infra.ledger import Ledger
from infra.store import Store

# Absolute errors from this many times the mean one on count as 1: the loss of a regression needs an end.
MEAN_ERRORS = 4


@dataclass(frozen=True)
class Plan:
    """`steps[n]` is what stage n asks for; the first may be a shadow stage, of `Rollout.shadow_minutes`."""

    release: Release
    champion: str
    spec: ReleaseSpec
    stages: tuple[Stage, ...]
    steps: tuple[RolloutStep, ...]
    error_scale: float | None

    def stages_json(self) -> list[dict[str, Any]]:
        """The stages as the ledger writes them."""
        return [asdict(stage) for stage in self.stages]


def plan_of(store: Store, ledger: Ledger, release: Release, champion: str) -> Plan:
    """The plan that was approved with the release: it is in its dossier."""
    verdict, spec = ledger.verdict(release), approved_spec(store, ledger, release)
    rollout = spec.rollout
    stages, steps = [_stage(step) for step in rollout.steps], list(rollout.steps)
    if rollout.shadow_minutes:
        stages.insert(0, Stage(shadow=True))
        steps.insert(0, RolloutStep(share=1, minutes=rollout.shadow_minutes, requests=steps[0].requests))
    return Plan(release, champion, spec, tuple(stages), tuple(steps), _error_scale(spec, verdict.get("metrics", {})))


def approved_spec(store: Store, ledger: Ledger, release: Release) -> ReleaseSpec:
    """The spec that was approved with a release, with its defaults. Raises CannotAsk where it was not judged."""
    document = ledger.verdict(release)["blobs"]["document"]
    return ReleaseSpec.model_validate(get_json(store, document)["spec"])


def _stage(step: RolloutStep) -> Stage:
    groups = tuple(Group(column, tuple(str(value) for value in values)) for column, values in step.groups.items())
    return Stage(step.share, go_ahead=step.go_ahead, groups=groups)


def _error_scale(spec: ReleaseSpec, metrics: Mapping[str, Any]) -> float | None:
    watched = spec.rollout.watch.quality
    if spec.model.task != "regression" or watched is None or watched.scale:
        return watched.scale if watched else None
    measured = metrics.get("mae")
    return MEAN_ERRORS * measured[0] if measured and measured[0] else None
