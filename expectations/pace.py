"""How a tier completes the rollout and the serving of a spec, and where a plan is faster than it allows."""

from typing import TypeVar

from expectations.parts import Part
from expectations.rollout_spec import Rollout
from expectations.serving_spec import Serving
from expectations.tiers import Pace, Tier

Filled = TypeVar("Filled", bound=Part)


def completed(rollout: Rollout, serving: Serving, tier: Tier) -> tuple[Rollout, Serving]:
    """Both, with what the spec left open as the tier says."""
    if "on_distrust" not in serving.model_fields_set:
        serving = _with(serving, {"on_distrust": tier.on_distrust})
    return _paced(rollout, tier.pace), serving


def _with(part: Filled, open_ones: dict[str, object]) -> Filled:
    """A part with what it left open; what the spec itself said stays known, since the tier may still be raised."""
    return part.model_construct(_fields_set=set(part.model_fields_set), **{**dict(part), **open_ones})


def _paced(rollout: Rollout, pace: Pace) -> Rollout:
    own = rollout.model_fields_set
    open_ones: dict[str, object] = {}
    if "shadow_minutes" not in own:
        open_ones["shadow_minutes"] = pace.shadow_minutes
    if "steps" not in own:
        open_ones["steps"] = tuple(step.model_copy(update={"minutes": pace.step_minutes}) for step in rollout.steps)
    return _with(rollout, open_ones)


def too_fast(rollout: Rollout, tier: Tier) -> list[str]:
    """Sentences about what the spec itself says and its tier does not allow; below tier 3 there are none."""
    pace, own = tier.pace, rollout.model_fields_set
    if not pace.floor:
        return []
    found = []
    if "shadow_minutes" in own and rollout.shadow_minutes < pace.shadow_minutes:
        found.append(_sentence("shadow_minutes", "at least", pace.shadow_minutes, rollout.shadow_minutes, tier))
    if "steps" in own and rollout.steps[0].share > pace.first_share:
        found.append(_sentence("steps.0.share", "at most", pace.first_share, rollout.steps[0].share, tier))
    for at, step in enumerate(rollout.steps):
        if "steps" in own and step.minutes < pace.step_minutes:
            found.append(_sentence(f"steps.{at}.minutes", "at least", pace.step_minutes, step.minutes, tier))
    return found


def _sentence(what: str, side: str, limit: float, found: float, tier: Tier) -> str:
    return f"rollout.{what}: tier {tier.level} asks for {side} {limit:g}, found {found:g}"
