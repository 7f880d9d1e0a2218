"""Waivers and coverage in a release: real findings, a real ledger, people who are known in it."""

import people
import pytest
from planted.base import Planted
from planted.provenance import SOURCE
from planted.run import again, findings_of, subject_of

from expectations.verdicts import Outcome
from tasks import record, steps

WHY = "It is used inside the house alone, says the legal team."
LICENCE = "unknown_licence:loans"


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("SEATRIAL_HOME", str(tmp_path_factory.mktemp("home")))
        yield subject_of(Planted("clean", "provenance", "", train="logistic"), tmp_path_factory.mktemp("clean"))


def unlicensed(clean, name, **risk):
    spec = {"data": {"sources": {"loans": {**SOURCE, "licence": ""}}}, "risk": risk}
    return again(clean, Planted(name, "provenance", "", spec=spec, train="logistic"))


def waiver(**changed):
    given = {"check": "provenance", "expectation": LICENCE, "by": "vera", "reason": WHY, "until": "2999-12-31"}
    return {**given, **changed}


def judged(subject):
    found = findings_of(subject, "provenance")
    return next(one for one in found if one.expectation == LICENCE), steps.tell_waivers.fn(subject, found)


def test_a_waiver_counts_once_its_person_is_known_in_the_ledger(clean):
    subject = unlicensed(clean, "waived", waivers=[waiver()])
    finding, [told] = judged(subject)
    assert (finding.outcome, told.outcome) == (Outcome.FAILED, Outcome.WARNED)
    assert "vera has no role in this store that approves" in told.found
    people.found(subject.job.ledger())
    finding, [told] = judged(subject)
    assert (finding.outcome, told.found) == (Outcome.WARNED, "used: vera, until 2999-12-31")
    assert WHY in finding.waived


def test_an_expired_waiver_is_told_and_stops_what_it_named(clean):
    finding, [told] = judged(unlicensed(clean, "expired", waivers=[waiver(until="2020-01-31")]))
    assert finding.outcome is Outcome.FAILED
    assert told.found == "void: it expired on 2020-01-31"


def test_the_record_that_a_release_began_holds_tier_and_waivers(clean):
    subject = unlicensed(clean, "told", tier=2, chained=["price"], waivers=[waiver()])
    kind, model, body = record.started(subject.job, subject.job.ledger().state())
    assert (kind, model) == ("release started", "loans")
    assert body["tier"] == {
        "declared": 2,
        "effective": 3,
        "raised_by": ["price take its outputs (risk.chained)"],
        "also": [],
    }
    assert body["waivers"][0]["by"] == "vera"
    assert body["approvals_needed"] == 2


def covered(subject):
    reference, found = steps.cover.fn(subject, findings_of(subject, "provenance", "costs"))
    assert reference["step"] == "coverage"
    return {one.expectation: one.outcome for one in found}


def test_an_origin_whose_checks_let_nothing_through_is_uncovered_and_fails_until_somebody_answers_for_it(clean):
    found = covered(unlicensed(clean, "open"))
    assert (found["legal"], found["costly_errors"]) == (Outcome.FAILED, Outcome.PASSED)
    subject = unlicensed(clean, "answered", waivers=[waiver(check="coverage", expectation="legal")])
    if not subject.job.ledger().state().people:
        people.found(subject.job.ledger())
    assert covered(subject)["legal"] is Outcome.WARNED
    assert covered(unlicensed(clean, "low", tier=2))["legal"] is Outcome.PASSED
