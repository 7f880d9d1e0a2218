"""What is watched of a release that serves, what is done about it, and when it is trained anew: a part of the spec."""

from datetime import datetime
from typing import Annotated, Literal

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, StringConstraints

from expectations.parts import Part

# How a model is served while an alarm lasts.
AlarmMode = Literal["warn", "fallback", "refuse", "off"]
Modes = dict[AlarmMode, Annotated[float, Field(ge=1)]]
WARN: Modes = {"warn": 1.0}
TOLD: Modes = {}


def _expect_cron(text: str) -> str:
    try:
        CronSim(text, datetime(2026, 1, 1))
    except CronSimError as error:
        raise ValueError(f"expected five fields of cron, such as 0 4 1 * *; {str(error).lower()}") from None
    return text


Cron = Annotated[str, StringConstraints(pattern=r"^\S+( \S+){4}$"), AfterValidator(_expect_cron)]


class WatchedAlarm(Part):
    """One kind of alarm: how large a change is one, how soon it is to be known, and what follows."""

    react_minutes: float = Field(default=60, gt=0, description="Budget: from when it began until something is done")
    modes: Modes = Field(
        default=WARN,
        description="How the model is served from so many tolerances on, for as long as it lasts; {}: people are told",
    )
    retrain: bool = Field(default=False, description="Ask for a model trained anew, unless the fault lies upstream")


class WatchedChange(WatchedAlarm):
    """A distribution that moves away from the release's own: of each input, of the predictions, of oddity."""

    tolerance: float = Field(
        default=0.1, gt=0, lt=1, description="Distance from 0 to 1 that is no alarm, however much traffic shows it"
    )


class WatchedInputs(WatchedChange):
    """The distribution of each input that the log holds in clear."""

    ignore: tuple[str, ...] = Field(
        default=(), description="Columns that move by nature, such as dates and running numbers"
    )


class WatchedShare(WatchedAlarm):
    """A share of requests, or a mean loss between 0 and 1, that grows beyond what the release's dossier says."""

    tolerance: float = Field(default=0.05, gt=0, lt=1, description="So much above the dossier's figure is no alarm")


class WatchedSpeed(WatchedShare):
    """The share of requests that take longer than a limit."""

    limit_ms: float = Field(default=200, gt=0, description="An answer that takes longer is late")


class WatchedSilence(WatchedAlarm):
    """No traffic where there should be."""

    minutes: float = Field(default=60, gt=0, description="No request for so long is silence")
    modes: Modes = Field(default=TOLD, description="Of this one people are told, and nothing else follows")


class WatchedCost(WatchedAlarm):
    """What answers cost a day, by the spec's own prices (compression)."""

    per_day: float | None = Field(default=None, gt=0, description="In compression.currency; null: told, and no alarm")
    modes: Modes = Field(default=TOLD, description="Of this one people are told, and nothing else follows")


class WatchedDecay(WatchedAlarm):
    """A loss that grows week by week, too slowly for any minute to show it; the weekly review looks for it."""

    tolerance: float = Field(
        default=0.02, gt=0, lt=1, description="Loss that it may surely gain, of 0 to 1, is no alarm"
    )
    react_minutes: float = Field(default=91 * 24 * 60, gt=0, description="Budget: from when it began until it is told")
    retrain: bool = Field(default=True, description="Ask for a model trained anew, unless the fault lies upstream")


class Alarms(Part):
    """What is watched; `null` leaves one out. What cannot be measured is told, and is never taken for quiet."""

    inputs: WatchedInputs | None = WatchedInputs(retrain=True)
    oddity: WatchedChange | None = WatchedChange(retrain=True)
    predictions: WatchedChange | None = WatchedChange(retrain=True)
    guards: WatchedShare | None = WatchedShare()
    errors: WatchedShare | None = WatchedShare(tolerance=0.02)
    latency: WatchedSpeed | None = WatchedSpeed()
    lookups: WatchedShare | None = WatchedShare()
    quality: WatchedShare | None = WatchedShare(retrain=True, modes={"warn": 1, "fallback": 2, "refuse": 4})
    slices: WatchedShare | None = WatchedShare(tolerance=0.1, retrain=True)
    calibration: WatchedShare | None = WatchedShare(retrain=True)
    estimated_quality: WatchedShare | None = WatchedShare(modes={})
    decay: WatchedDecay | None = WatchedDecay()
    silence: WatchedSilence | None = WatchedSilence()
    cost: WatchedCost | None = WatchedCost()


class Retraining(Part):
    """How a model is trained anew, by an alarm or by the clock; what comes of it waits for people like any release."""

    cron: Cron | None = Field(default="0 4 1 * *", description="By the clock, in UTC; null: by alarms alone")
    cool_down_hours: float = Field(default=24, ge=0, description="After one was begun none is for so long")
    budget_hours: float = Field(default=4, gt=0, description="From what caused it until a candidate waits")


class Monitoring(Part):
    """What is watched after the promotion; part of what is approved."""

    alpha: float = Field(
        default=0.05, gt=0, lt=0.5, description="Chance of any false alarm for as long as the release serves"
    )
    calm_minutes: float = Field(default=60, ge=0, description="So long it must be quiet before an alarm ends")
    alarms: Alarms = Alarms()
    retrain: Retraining = Retraining()
    release_cron: Cron | None = Field(
        default=None, description="A release by the clock, in UTC, of the data as they are then; null: none"
    )
