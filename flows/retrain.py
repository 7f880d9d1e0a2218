"""The flow that trains a model anew, by an alarm or by the clock: first whether the fault lies upstream, then a release
like any other, which waits for people.

A killed one is gone on with by the next: the same data, the same candidate, and never two.
"""

import logging
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import flow

from expectations.errors import Away, CannotAsk
from expectations.state import Retraining
from expectations.verdicts import Finding, Outcome
from flows import events
from flows.release import release
from tasks import data_checks, steps
from tasks.check import Subject
from tasks.job import Job, open_job
from tasks.retraining import cause as causes
from tasks.retraining import turn
from tasks.retraining.recent import new_rows
from tasks.retraining.turn import Asked
from tasks.rollout.drive import utc_now
from tasks.rollout.lease import Taken

PROGRESS = logging.getLogger("seatrial.progress")


@flow(name="retrain", flow_run_name="{model}", validate_parameters=False)
def retrain(store: str, model: str, spec: str, cause: str, since: str | None = None) -> dict[str, Any]:
    """Trains a model anew, or says why not. Returns how it ended: status, why, and the candidate's id.

    `cause`: why it was asked for; `since`: when the alarm that asks for it began, as the ledger writes times.
    """
    asked = Asked(store, model, spec, cause, since)
    try:
        with asked.alone():
            begun = turn.going_on(asked) or _begin(asked)
            return _refused(asked, begun) if isinstance(begun, str) else _trained(asked, begun)
    except Taken as taken:
        return _refused(asked, str(taken))


def _begin(asked: Asked) -> Retraining | str:
    """What was begun, or why nothing was."""
    moment = utc_now()
    against = turn.stands_against(asked, moment) or _upstream(asked, moment)
    return against or turn.begin(asked, moment)


def _upstream(asked: Asked, moment: datetime) -> str | None:
    """Why to train anew would be in vain, or would learn a fault that is to be mended elsewhere."""
    try:
        job = open_job(Path(asked.spec), asked.store, datetime.fromisoformat(turn.as_of(moment)), retraining=True)
        if reason := _nothing_to_train(asked, job):
            return reason
        return _of_sources(asked, job) or None
    except CannotAsk as error:
        away = "a source is away" if isinstance(error, Away) else "the question could not be asked"
        return f"{away}: {error}"


def _nothing_to_train(asked: Asked, job: Job) -> str | None:
    if job.spec.model.name != asked.model:
        raise CannotAsk(f"{asked.spec}: expected the spec of {asked.model}, found that of {job.spec.model.name}.")
    if not job.spec.candidate.functions:
        return "its spec names a trained file and nothing that trains: there is nothing to do anew. Release a new file."
    return None


def _of_sources(asked: Asked, job: Job) -> str:
    """What is against the sources as they are now; else what is against what gateways were asked."""
    if bad := _against(steps.access(job)):
        return f"upstream, at a source: {turn.words_of(bad)}"
    subject = Subject(job, steps.take_snapshot(job))
    if not len(new_rows(subject)):
        return "nothing is new: no row came to the sources since the champion's snapshot."
    if bad := _against(steps.judged(subject, steps.measure(data_checks.CHECK, subject))):
        return f"upstream, in the data: {turn.words_of(bad)}"
    asks = causes.check_requests(job.as_of.isoformat())
    found = [_written(subject, check, asked) for check in (causes.NEW_ROWS, asks)]
    return "; ".join(filter(None, found))


def _written(subject: Subject, check: Any, asked: Asked) -> str:
    """Which columns are no more what they were."""
    reference = steps.measure(check, subject)
    findings = steps.judged(subject, reference)
    PROGRESS.info("%-11s %s", check.step, f"{len(findings)} questions, {len(_against(findings))} against it")
    told = reference["facts"].get("told", {})
    # By the clock it may be trained anew after a month without traffic; an alarm was raised by some.
    bad = [one for one in _against(findings) if asked.since or one.outcome is not Outcome.INCONCLUSIVE]
    if not bad:
        return ""
    if all(one.outcome is Outcome.INCONCLUSIVE for one in bad):
        return f"cannot tell yet whether the fault lies upstream: {turn.words_of(bad[:1])}"
    named = [f"{told.get(one.expectation, one.expectation)}" for one in bad if one.outcome is not Outcome.INCONCLUSIVE]
    where = "what is asked of it" if check.step == "requests" else "new rows of the sources"
    return f"the fault lies upstream, in {where}: {'; '.join(named[:5])}. {bad[0].remedy}"


def _against(findings: list[Finding]) -> list[Finding]:
    return [one for one in findings if not one.outcome.lets_through]


def _refused(asked: Asked, why: str) -> dict[str, Any]:
    """Nothing is trained anew; the ledger says why, and the owner is told."""
    record = turn.refuse(asked, why)
    PROGRESS.info("%-11s %s", "refused", why)
    if record is not None:
        serving = asked.serving()
        events.tell(events.RETRAINING_REFUSED, asked.store, serving, why, record.seq, cause=asked.cause)
    return {"status": "refused", "why": why, "candidate": None}


def _trained(asked: Asked, begun: Retraining) -> dict[str, Any]:
    """The release, up to "waits for decisions"; and what came of it, in the ledger."""
    PROGRESS.info("%-11s %s", "retrain", f"as of {begun.as_of}: {begun.cause}")
    try:
        told = release(asked.spec, asked.store, begun.as_of, retraining=True)
    except Away:
        # It is gone on with: whoever asks next finds it begun.
        raise
    except CannotAsk as error:
        told = {"release": None, "why": f"it could not be released: {error}", "findings": []}
    record = turn.end(asked, begun, told, [Finding.from_json(one) for one in told["findings"]])
    return _told(asked, record.body if record else {"why": "it was ended by another", "candidate": None}, record)


def _told(asked: Asked, body: dict[str, Any], record: Any) -> dict[str, Any]:
    if record is not None:
        about = asked.ledger().state().releases.get(str(body["candidate"])) or asked.serving()
        events.tell(events.RETRAINING_ENDED, asked.store, about, body["why"], record.seq, cause=asked.cause)
    PROGRESS.info("%-11s %s", "ended", body["why"])
    return {"status": "ended", **body}
