"""What one turn has seen of one alarm."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from expectations.records import plain_json
from expectations.sequential.standing import Judged, Standing


@dataclass(frozen=True)
class Seen:
    """The judge's answer; since when, by the clock, what it saw has lasted; whether it was calm for long enough."""

    judged: Judged
    since: datetime | None = None
    calm: bool = False

    @property
    def name(self) -> str:
        """The alarm's."""
        return self.judged.alarm

    @property
    def spoke(self) -> bool:
        """Whether there was enough for an alarm."""
        return self.judged.standing is Standing.ALARM

    @property
    def alarms(self) -> bool:
        """Whether it is to be on: there was enough for it, and it is not over."""
        return self.spoke and not self.calm

    def as_json(self) -> dict[str, Any]:
        """Plain values, for evidence, pages and programs."""
        told = {
            name: getattr(self.judged, name)
            for name in ("alarm", "words", "times", "odds", "worst", "estimate", "lower")
        }
        since = self.since.isoformat(timespec="seconds") if self.since else None
        values: dict[str, Any] = plain_json(
            {**told, "standing": self.judged.standing, "since": since, "calm": self.calm}
        )
        return values
