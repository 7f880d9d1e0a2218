"""One rollout, driven: looks at the log, asks the judge, and writes into the ledger what follows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from expectations.history import Release, State
from expectations.sequential.answers import Answer
from expectations.state import Rollout
from infra.evidence_store import get_json
from infra.keys import home
from infra.rollout_page import build_rollout_page
from infra.store import Store, open_store
from tasks.job import open_ledger
from tasks.rollout.counting import Tally
from tasks.rollout.lease import Lease, holder, only_one
from tasks.rollout.moves import Act, Move, next_move, rehearse
from tasks.rollout.plan import Plan, plan_of
from tasks.rollout.watch import Watch
from tasks.traffic import approved, serving


class Drive:
    """A rollout that runs. `look` is one turn: what is new, what follows, and the record of it."""

    def __init__(self, store: Store, plan: Plan, lease: Lease) -> None:
        self._store, self._plan, self._lease = store, plan, lease
        # What a rollout draws by: the same keys fall to the challenger again after a resumption.
        lease.begin(salt=plan.release.id)
        self._rollout = lease.now()
        self._watch = Watch(store, plan, self._rollout)

    @property
    def release(self) -> str:
        """The challenger."""
        return self._plan.release.id

    @property
    def rollout(self) -> Rollout:
        """As the ledger had it last."""
        return self._rollout

    @property
    def stage(self) -> int | None:
        """The stage's number, -1 before the first; None once the rollout has ended."""
        return self._rollout.stage if self._rollout.status == "running" else None

    @property
    def progress(self) -> float:
        """In percent: of the stages that are behind."""
        done = len(self._plan.stages) if self._rollout.status == "finished" else max(self._rollout.stage, 0)
        return 100 * done / len(self._plan.stages)

    def look(self, now: datetime) -> Move:
        """One turn. Raises Away while the store is, and Refused where another holds the lease."""
        self._rollout = self._lease.now()
        if self.stage is None:
            return Move(Act.HOLD, self._rollout.timeline[-1].why)
        self._watch.look()
        move, answers = self._next(now)
        self._act(move, answers, now)
        self._rollout = self._lease.now()
        return move

    def _next(self, now: datetime) -> tuple[Move, Sequence[Answer]]:
        rehearsed = rehearse(self._plan, self._rollout, self._watch.rows)
        if rehearsed is not None:
            return rehearsed, ()
        answers = self._watch.answers(self._rollout, now)
        return next_move(self._plan, self._rollout, answers), answers

    def _act(self, move: Move, answers: Sequence[Answer], now: datetime) -> None:
        # Before the first stage there is nothing to renew.
        if move.act is Act.HOLD and (self._rollout.stage < 0 or not self._lease.is_due(self._rollout, now)):
            return
        evidence = self._watch.keep(answers, now)
        if move.act is Act.HOLD:
            self._lease.move(self._rollout.stage, move.words, evidence)
        elif move.act is Act.ENTER:
            self._lease.move(move.stage, move.words, evidence)
        elif move.act is Act.WITHDRAW:
            self._lease.withdraw(move.words)
        elif move.act is Act.PROMOTE:
            self._lease.promote(move.words, evidence)
        elif move.act is Act.ROLL_BACK:
            self._lease.roll_back(move.words, evidence)

    @property
    def tally(self) -> Tally:
        """What was counted so far."""
        return self._watch.tally

    def renew(self, why: str) -> None:
        """Renews the lease, or takes over one that has run out. Raises Refused while another holds it."""
        self._lease.move(max(self._rollout.stage, 0), why, self._rollout.evidence)
        self._rollout = self._lease.now()

    def told(self) -> dict[str, Any]:
        """How it ended, and the page that tells of it, which stays in the store."""
        rollout, key = self._rollout, f"rollouts/{self.release}.html"
        evidence = get_json(self._store, rollout.evidence) if rollout.evidence else None
        page = build_rollout_page(self._plan.spec.model.name, rollout, evidence)
        self._store.put_if_absent(key, page.encode())
        last = rollout.timeline[-1]
        ended = {"release": self.release, "status": rollout.status, "why": last.why, "page": self._store.place(key)}
        return {**ended, "timeline": [asdict(line) for line in rollout.timeline]}


@contextmanager
def open_drive(store_url: str, model: str, release: str | None) -> Iterator[Drive]:
    """The drive of the rollout that runs, else of the approved release. Raises CannotAsk where there is neither."""
    store, ledger = open_store(store_url), open_ledger(store_url)
    with only_one(home(), store.url, model):
        state = ledger.state()
        chosen = _chosen(state, model, release)
        plan = plan_of(store, ledger, chosen, serving(state, model).champion)
        yield Drive(store, plan, Lease(ledger, plan, holder(home())))


def _chosen(state: State, model: str, release: str | None) -> Release:
    going = state.running(model)
    if going and release in (None, going.release):
        return state.releases[going.release]
    return approved(state, model, release)


def utc_now() -> datetime:
    """The clock that leases and stages are told by."""
    return datetime.now(UTC)
