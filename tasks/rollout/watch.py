"""What a rollout has seen: the log of both arms, counted as it comes, and kept in the store as evidence.

Each look reads what is new and adds a tick. What was counted since the last record is kept as a blob that names the
one before, so that whoever resumes goes on with the very ticks that were judged.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import polars as pl

from expectations.records import plain_json
from expectations.sequential.answers import Answer
from expectations.sequential.rollout import judge_rollout
from expectations.sequential.watching import watched
from expectations.state import Rollout
from infra.evidence_store import get_json, put_json
from infra.prediction_log import ROW, LogReader, with_truth
from infra.store import Store
from tasks.rollout.counting import COLUMNS, Tally, Yardsticks, count, set_yardsticks, tally_from_json
from tasks.rollout.moves import standing
from tasks.rollout.plan import Plan

# Of each interval's way, for drawing.
POINTS = 60


class Watch:
    """The watch over one rollout, from its start or from the last evidence on.

    `rows` are the predictions of both arms so far, `tally` what was counted of them.
    """

    def __init__(self, store: Store, plan: Plan, rollout: Rollout) -> None:
        self._store, self._plan = store, plan
        since, model = datetime.fromisoformat(rollout.started_at), plan.spec.model.name
        self._log = LogReader(store, "predictions", model, since, columns=COLUMNS)
        self._labels = LogReader(store, "feedback", model, since)
        self.tally, self._new = Tally(), Tally()
        self._yard: Yardsticks | None = None
        self._kept: frozenset[str] = frozenset()
        self._before = rollout.evidence
        self.rows, self._truths = self._mine(self._log.more([])), self._labels.more([])
        for kept in reversed(list(evidence_chain(store, rollout.evidence))):
            self._take_up(kept)

    def _take_up(self, kept: Mapping[str, Any]) -> None:
        self.tally.add(tally_from_json(kept["tally"]))
        self._yard = Yardsticks.from_json(kept["yardsticks"]) or self._yard
        self.rows = _together(self.rows, self._mine(self._log.more(kept["read"]["predictions"])))
        self._truths = _together(self._truths, self._labels.more(kept["read"]["feedback"]))
        self._kept = self._log.read | self._labels.read

    def look(self) -> None:
        """Reads what is new in the log and counts it, once there are yardsticks."""
        rows, truths = self._mine(self._log.more()), self._labels.more()
        before = self._labelled().select(*ROW, "release")
        self.rows, self._truths = _together(self.rows, rows), _together(self._truths, truths)
        if self._yard is None:
            self._yard = set_yardsticks(self._plan, self.rows.filter(release=self._plan.champion))
            return
        labelled = self._labelled().join(before, on=before.columns, how="anti")
        tally = count(self._plan, self._yard, rows, labelled)
        self.tally.add(tally)
        self._new.add(tally)

    def _labelled(self) -> pl.DataFrame:
        """Rows whose truth is known: of what was scored in shadow it is the same."""
        return with_truth(self.rows, self._truths).filter(pl.col("truth").is_not_null())

    def answers(self, rollout: Rollout, now: datetime) -> list[Answer]:
        """The judge's answers: one for each metric, one for the traffic, one for the time."""
        spec = self._plan.spec.rollout
        where = standing(self._plan, rollout, now, self._last_asked())
        return judge_rollout(watched(spec.watch), self.tally.seen(), where, spec.alpha, POINTS)

    def keep(self, answers: Sequence[Answer], now: datetime) -> str:
        """The digest of what was counted since the last evidence, of what was answered, and of the evidence before."""
        told = {
            "time": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "before": self._before,
            "read": {
                "predictions": sorted(self._log.read - self._kept),
                "feedback": sorted(self._labels.read - self._kept),
            },
            "yardsticks": asdict(self._yard) if self._yard else None,
            "tally": self._new.as_json(),
            "answers": [asdict(answer) for answer in answers],
        }
        self._before = put_json(self._store, plain_json(told))
        self._new, self._kept = Tally(), self._log.read | self._labels.read
        return self._before

    def _last_asked(self) -> dict[str, datetime]:
        last = self.rows.group_by("release").agg(pl.col("time").max())
        return dict(last.iter_rows())

    def _mine(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Those of the two arms."""
        return rows.filter(pl.col("release").is_in([self._plan.champion, self._plan.release.id]))


def evidence_chain(store: Store, digest: str | None) -> Iterator[Mapping[str, Any]]:
    """What was kept, the last first."""
    while digest:
        kept = get_json(store, digest)
        yield kept
        digest = kept["before"]


def _together(before: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([before, rows], how="diagonal_relaxed")
