"""What a rollout has seen: the log of both arms, counted as it comes, and kept in the store as evidence.

Each look reads what is new and adds a tick. What was counted since the last record is kept as a blob that names the
one before, so that whoever resumes goes on with the very ticks that were judged.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pandas as pd
from infra.prediction_log import LogReader

from expectations.sequential.answers import Answer
from expectations.sequential.rollout import judge_rollout
from expectations.sequential.watching import watched
from expectations.state import Rollout
from infra.evidence_store import get_json, put_json
from infra.store import Store
from tasks.dossier import to_json
from tasks.rollout.counting import Tally, Yardsticks, count, set_yardsticks, tally_from_json
from tasks.rollout.moves import standing
from tasks.rollout.plan import Plan

# Of each interval's way, for drawing.
POINTS = 60


class Watch:
    """The watch over one rollout, from its start or from the last evidence on."""

    def __init__(self, store: Store, plan: Plan, rollout: Rollout) -> None:
        self._store, self._plan = store, plan
        self._log = LogReader(store, plan.spec.model.name, datetime.fromisoformat(rollout.started_at))
        self._tally, self._new = Tally(), Tally()
        self._yard: Yardsticks | None = None
        self._read: list[str] = []
        self._before = rollout.evidence
        self.rows = pd.DataFrame()
        for kept in reversed(list(evidence_chain(store, rollout.evidence))):
            self._take_up(kept)

    def _take_up(self, kept: Mapping[str, Any]) -> None:
        self._tally.add(tally_from_json(kept["tally"]))
        self._yard = _yardsticks(kept["yardsticks"]) or self._yard
        self.rows = _together(self.rows, self._log.again(kept["read"]))

    def look(self) -> None:
        """Reads what is new in the log and counts it, once there are yardsticks."""
        found = self._log.more()
        self._read += found.keys
        rows = self._mine(found.predictions)
        self.rows = _together(self.rows, rows)
        if self._yard is None:
            champion = self.rows[self.rows["release"] == self._plan.champion] if len(self.rows) else self.rows
            self._yard = set_yardsticks(self._plan, champion) if len(champion) else None
            return
        tally = count(self._plan, self._yard, rows[rows["stage"] >= 0], self._log.labelled(self.rows, found.feedback))
        self._tally.add(tally)
        self._new.add(tally)

    def answers(self, rollout: Rollout, now: datetime) -> list[Answer]:
        """The judge's answers, one for each metric, the traffic and the time."""
        asked, rollout_spec = watched(self._plan.spec.rollout.watch), self._plan.spec.rollout
        where = standing(self._plan, rollout, now, self._last_asked())
        return judge_rollout(asked, self._tally.seen(), where, rollout_spec.alpha, POINTS)

    def keep(self, answers: Sequence[Answer], now: datetime) -> str:
        """The digest of what was counted since the last evidence, of what was answered, and of the evidence before."""
        told = {
            "time": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "before": self._before,
            "read": self._read,
            "yardsticks": asdict(self._yard) if self._yard else None,
            "tally": self._new.as_json(),
            "answers": [asdict(answer) for answer in answers],
        }
        self._before = put_json(self._store, to_json(told))
        self._new, self._read = Tally(), []
        return self._before

    def _last_asked(self) -> dict[str, datetime]:
        last: Mapping[Any, Any] = dict(self.rows.groupby("release")["time"].max()) if len(self.rows) else {}
        return {str(release): time.to_pydatetime() for release, time in last.items()}

    def _mine(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Those of the two arms: not a fallback's, and not of shadow scoring once the challenger answers."""
        return rows[rows["release"].isin([self._plan.champion, self._plan.release.id])]


def evidence_chain(store: Store, digest: str | None) -> Iterator[Mapping[str, Any]]:
    """What was kept, the last first."""
    while digest:
        kept = get_json(store, digest)
        yield kept
        digest = kept["before"]


def _yardsticks(values: Mapping[str, Any] | None) -> Yardsticks | None:
    return Yardsticks(values["limit_ms"], tuple(values["cuts"]), tuple(values["classes"])) if values else None


def _together(before: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([before, rows], ignore_index=True) if len(before) else rows.reset_index(drop=True)
