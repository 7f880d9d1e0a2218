"""What a person answered in the Prefect UI: is it theirs, is it on this release, may they? Then it is recorded."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from expectations.errors import Away, CannotAsk
from expectations.history import Release
from expectations.state import name_of
from infra.ledger import Ledger, Tampered
from infra.one_time_codes import check
from tasks.ask import Answer
from tasks.decide import attest
from tasks.identities import lock

# An answer is read when a worker is there. Of one that is older nobody can say any more who knew its code first.
LATE = timedelta(hours=1)
CLOCKS_APART = timedelta(minutes=2)


@dataclass(frozen=True)
class Heard:
    """Whether an answer counts, and what is said of it; no code is ever part of the words."""

    counts: bool
    words: str


def hear(ledger: Ledger, home: Path, release: Release, answer: Answer, at: datetime, name: str, now: datetime) -> Heard:
    """Records the answer that came at the moment `at` (by the Prefect server's clock), if it holds. `name` names it.

    The same answer heard again changes nothing. Raises CannotAsk where it cannot be told.
    """
    person = ledger.state().person(answer.name)
    if person is None:
        return Heard(False, f"{answer.name.strip() or 'nobody'}: nobody of that name is known in this store.")
    if at > now + CLOCKS_APART or at < now - LATE:
        return Heard(False, _when(at, now))
    # Before all else: whoever sees Prefect's database sees the code, so that it must count no second time.
    verdict = check(home, person.name, answer.one_time_code.get_secret_value(), at, name)
    if verdict.locked and not person.locked:
        lock(ledger, person.name, "five wrong one-time codes in a row")
    if verdict.step is None:
        return Heard(False, verdict.reason)
    if answer.dossier.strip() != release.dossier_digest:
        return Heard(False, f"the answer is on another dossier than {release.id} has.")
    return _recorded(ledger, release, person.name, answer, verdict.step)


def _recorded(ledger: Ledger, release: Release, person: str, answer: Answer, step: int) -> Heard:
    if _is_recorded(ledger, release, person, answer.decision):
        return Heard(True, f"{person} has said {answer.decision}; it is recorded.")
    try:
        attest(ledger, release.model, release.id, person, answer.decision, answer.comment.strip(), step)
    except (Away, Tampered):
        raise
    except CannotAsk as refused:
        return Heard(False, str(refused))
    return Heard(True, f"{person} says {answer.decision}; it is recorded.")


def _is_recorded(ledger: Ledger, release: Release, person: str, decision: str) -> bool:
    now = ledger.state().releases[release.id]
    said_yes = name_of(person) in {name_of(one.person) for one in now.approvals}
    return said_yes if decision == "approve" else now.rejected_by == person


def _when(at: datetime, now: datetime) -> str:
    times = f"it came at {at.astimezone(UTC):%Y-%m-%d %H:%M} UTC and was read at {now.astimezone(UTC):%Y-%m-%d %H:%M}"
    return f"the answer is more than an hour old, or the clocks differ: {times}. Answer again."
