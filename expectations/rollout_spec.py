"""How traffic moves to an approved release, and what is watched meanwhile: a part of the release spec."""

from typing import Literal, Self

from pydantic import Field, FiniteFloat, model_validator

from expectations.parts import Part


class RolloutStep(Part):
    """A share of the traffic, or groups, or both, and what must have been seen before the next step."""

    share: float = Field(ge=0, le=1, description="Of the requests of no group; 0 with groups alone")
    groups: dict[str, tuple[str | int | bool, ...]] = Field(
        default_factory=dict,
        description="{column: [values]}: requests with one of these values go to the challenger first",
    )
    minutes: float = Field(default=60, ge=0, description="At least this long")
    requests: int = Field(default=500, ge=0, description="At least so many requests answered by the challenger")
    go_ahead: bool = Field(default=False, description="A person says when the next step begins")

    @model_validator(mode="after")
    def _moves_somebody(self) -> Self:
        if not self.share and not self.groups:
            raise ValueError("a step has a share above 0, groups, or both")
        for column, values in self.groups.items():
            if not values:
                raise ValueError(f"groups.{column} names no value, so it would move nobody")
        return self


class WatchedRate(Part):
    """A share of requests, or a mean of values between 0 and 1, that should not be higher than the champion's."""

    tolerance: float = Field(default=0.01, ge=0, lt=1, description="So much worse than the champion may still advance")
    limit: float | None = Field(
        default=None, gt=0, lt=1, description="Hard safety limit: rolled back once the rate is surely above it"
    )


class WatchedErrors(WatchedRate):
    """The share of requests that fail."""

    limit: float | None = Field(default=0.25, gt=0, lt=1, description="Hard safety limit; null for none")


class WatchedGuards(WatchedRate):
    """The share of requests to which a guard says no."""

    tolerance: float = Field(default=0.02, ge=0, lt=1, description="So much worse than the champion may still advance")


class WatchedLatency(WatchedRate):
    """The share of requests that take longer than a limit."""

    tolerance: float = Field(default=0.02, ge=0, lt=1, description="Share of requests; by default 5 % are over it")
    limit: float | None = Field(default=0.5, gt=0, lt=1, description="Hard safety limit of the share; null for none")
    limit_ms: float | None = Field(
        default=None, gt=0, description="Default: the p95 that the champion had before, the same for both arms"
    )


class WatchedDistribution(Part):
    """The champion's and the challenger's predictions, compared at the champion's deciles, or class by class."""

    tolerance: float = Field(
        default=0.1, gt=0, lt=1, description="Greatest distance; other answers are no harm as such"
    )


class WatchedBusiness(Part):
    """A number that comes back with the feedback, such as revenue."""

    column: str
    low: FiniteFloat = Field(description="The least value that there can be")
    high: FiniteFloat = Field(description="The greatest value that there can be")
    better: Literal["higher", "lower"] = "higher"
    tolerance: float = Field(ge=0, description="In the column's own unit, on average")

    @model_validator(mode="after")
    def _has_bounds(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low is less than high, found low {self.low:g} and high {self.high:g}")
        if self.tolerance >= self.high - self.low:
            raise ValueError(f"tolerance is less than high − low, found {self.tolerance:g}")
        return self


class WatchedQuality(WatchedRate):
    """Labels that come late: the share of wrong classes, or the absolute error as a share of `scale`."""

    tolerance: float = Field(default=0.02, ge=0, lt=1, description="Of the loss, which is between 0 and 1")
    scale: float | None = Field(
        default=None, gt=0, description="Regression: an absolute error that counts as 1, as any larger one does"
    )


class Watch(Part):
    """What is watched in every step; `null` leaves one out. What is watched and not measured never advances."""

    errors: WatchedErrors | None = WatchedErrors()
    latency: WatchedLatency | None = WatchedLatency()
    guards: WatchedGuards | None = WatchedGuards()
    distribution: WatchedDistribution | None = WatchedDistribution()
    business: WatchedBusiness | None = None
    quality: WatchedQuality | None = WatchedQuality()


class Rollout(Part):
    """How traffic moves to an approved release; part of what is approved."""

    alpha: float = Field(
        default=0.05, gt=0, lt=0.5, description="Chance of rolling back a challenger that is as good, over all steps"
    )
    shadow_minutes: float = Field(default=60, ge=0, description="Scored beside the champion, answering nobody")
    steps: tuple[RolloutStep, ...] = tuple(RolloutStep(share=share) for share in (0.01, 0.05, 0.25, 0.5, 1.0))
    watch: Watch = Watch()
    lease_minutes: float = Field(
        default=15, gt=0, description="If nobody renews a step for so long, all goes back to the champion"
    )
    stalled_minutes: float = Field(default=15, gt=0, description="No traffic for so long is told; it is no success")

    @model_validator(mode="after")
    def _grows_to_all(self) -> Self:
        shares = [step.share for step in self.steps]
        if shares != sorted(shares) or shares[-1:] != [1.0] or len({*map(_moved, self.steps)}) < len(shares):
            raise ValueError(f"the shares of the steps must grow and end at 1.0, found {shares}")
        return self


def _moved(step: RolloutStep) -> tuple[float, str]:
    """Who is moved, to tell two steps apart: the same share may stand twice with other groups."""
    return step.share, repr(sorted(step.groups.items()))
