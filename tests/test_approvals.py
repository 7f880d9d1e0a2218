"""Attacks on an approval, each tried: what is not a person's own word on these very bytes counts for nothing."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import people
import pytest
from people import decided, founded, person, signer

from expectations.approvals import decision, missing
from expectations.history import fold, refusal
from expectations.people import identity
from expectations.records import canonical_json, digest_of
from expectations.state import Record
from expectations.statements import DECISION, signed_statement, statement
from infra.envelopes import RECORD, record_key, sign
from infra.ledger import Ledger, Refused, Tampered, now
from infra.local_store import LocalStore
from tasks import decide

DIGESTS = {"dossier": "sha256:" + "1" * 64, "package": "sha256:" + "2" * 64}
DIGESTS |= {"snapshot": digest_of(b"rows"), "spec": "sha256:" + "4" * 64}
NEEDS = {"approvals_needed": 1, "roles_needed": ["validator"], "signatures_needed": 0, "valid_days": 30.0}


def judged(ledger, release, needs=NEEDS, **other):
    """A release that waits, on digests of its own."""
    digests = DIGESTS | other
    began = {"spec_digest": digests["spec"], "as_of": "2026-01-01T00:00:00", "developers": ["dev"], **needs}
    told = {"outcome": "passed", "champion_compared": ledger.state().models.get("m"), **needs}
    told |= {"dossier_digest": digests["dossier"], "package_digest": digests["package"]}
    told |= {"blobs": {"manifest": ledger.store.put_blob(b"rows")}}
    ledger.decide_and_append(lambda _: ("release started", "m", {"release": release, **began}))
    ledger.decide_and_append(lambda _: ("release judged", "m", {"release": release, **told}))


@pytest.fixture
def ledger(tmp_path):
    opened = Ledger(LocalStore(tmp_path / "store"), tmp_path / "home")
    people.found(opened)
    judged(opened, "r1")
    return opened


def refused(ledger, body, at=""):
    """Why the decision would not count."""
    return refusal(ledger.state(), "decided", "m", body, at or now())


def yes(**changed):
    return decided("r1", **{**DIGESTS, **changed})


def test_a_person_with_the_role_and_the_key_approves(ledger):
    assert refused(ledger, yes()) is None
    assert decide.sign(ledger, "m", None, "Vera", "approve", "read it", signer("vera")).status == "champion"
    assert ledger.problems() == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (decided("r1", "dev", **DIGESTS), "developed r1 and cannot approve it"),
        (decided("r1", "vera", by="otto", **DIGESTS), "none of the keys that vera has"),
        (decided("r1", "mallory", **DIGESTS), "nobody of that name"),
        (yes(dossier="sha256:" + "9" * 64), "on another dossier than r1 has"),
        (yes(package="sha256:" + "9" * 64), "on another package than r1 has"),
        (yes(snapshot="sha256:" + "9" * 64), "on another snapshot than r1 has"),
        (yes(spec="sha256:" + "9" * 64), "on another spec than r1 has"),
        (yes(at="2026-01-01T00:00:00.000Z"), "expired on 2026-01-31"),
        (yes(days=400.0), "counts for 30 days at most"),
        (yes() | {"comment": "x", "person": "otto"}, "not the one that was signed"),
    ],
)
def test_what_is_not_this_persons_word_on_these_bytes_is_refused(ledger, body, words):
    assert words in refused(ledger, body)


def test_an_approval_of_one_dossier_is_none_of_another(ledger):
    judged(ledger, "r2", dossier="sha256:" + "5" * 64)
    mine = yes()
    assert "not the one that was signed" in refusal(ledger.state(), "decided", "m", {**mine, "release": "r2"}, now())


def test_a_role_that_is_no_approvers_may_stop_and_not_approve(ledger):
    auditor = person("anna", "auditor")
    ledger.decide_and_append(lambda state: ("identity set", "", identity(state, auditor, "rita", signer("rita"))))
    assert "auditor: to approve takes one of" in refused(ledger, decided("r1", "anna", **DIGESTS))
    assert refused(ledger, decided("r1", "anna", "reject", **DIGESTS)) is None


def test_who_is_entitled_stops_what_was_approved_already(tmp_path, ledger):
    decide.sign(ledger, "m", None, "vera", "approve", "", signer("vera"))
    judged(ledger, "r2", dossier="sha256:" + "5" * 64)
    assert decide.sign(ledger, "m", "r2", "vera", "approve", "", signer("vera")).status == "approved"
    assert decide.sign(ledger, "m", "r2", "otto", "reject", "wait", signer("otto")).status == "rejected"


def test_four_eyes_are_two_people_and_one_of_them_with_the_role(tmp_path):
    ledger = Ledger(LocalStore(tmp_path / "s"), tmp_path / "h")
    people.found(ledger)
    judged(ledger, "r1", {**NEEDS, "approvals_needed": 2, "signatures_needed": 1})
    assert decide.sign(ledger, "m", None, "otto", "approve", "", signer("otto")).status == "waiting"
    with pytest.raises(Refused, match="has decided on r1 before"):
        decide.sign(ledger, "m", None, " OTTO", "approve", "", signer("otto"))
    assert missing(ledger.state(), ledger.state().releases["r1"], now()) == "1 more yes, the yes of a validator"
    assert decide.sign(ledger, "m", None, "vera", "approve", "", signer("vera")).status == "champion"


def test_codes_alone_do_not_do_where_a_signature_is_asked(tmp_path):
    ledger = Ledger(LocalStore(tmp_path / "s"), tmp_path / "h")
    people.found(ledger)
    judged(ledger, "r1", {**NEEDS, "signatures_needed": 1})
    assert decide.attest(ledger, "m", "r1", "vera", "approve", "", 100).status == "waiting"
    with pytest.raises(Refused, match="used before"):
        decide.attest(ledger, "m", "r1", "vera", "reject", "", 100)
    lacks = missing(ledger.state(), ledger.state().releases["r1"], now())
    assert lacks == "1 yes signed by a person's own key"
    assert ledger.problems() == []


def test_a_used_code_an_older_one_and_a_locked_person_are_refused(ledger):
    judged(ledger, "r2", {**NEEDS, "approvals_needed": 2}, dossier="sha256:" + "5" * 64)
    decide.attest(ledger, "m", "r2", "vera", "approve", "", 100)
    for step in (100, 99):
        with pytest.raises(Refused, match="used before"):
            decide.attest(ledger, "m", "r1", "vera", "approve", "", step)
    ledger.decide_and_append(lambda _: ("locked out", "", {"person": "vera", "why": "five wrong codes"}))
    with pytest.raises(Refused, match="locked out"):
        decide.attest(ledger, "m", "r1", "vera", "approve", "", 101)
    ledger.decide_and_append(lambda _: ("code enrolled", "", {"person": "vera"}))
    assert decide.attest(ledger, "m", "r1", "vera", "approve", "", 102).status == "champion"


def test_a_decision_attested_by_another_key_than_the_ledgers_is_told_by_verify(ledger):
    body = decision(ledger.state().releases["r1"], "vera", "approve", "", now(), signer("mallory"), code_step=5)
    ledger.decide_and_append(lambda _: ("decided", "m", body))
    assert [problem for problem in ledger.problems() if "not attested by the key of this ledger" in problem]


def test_a_role_that_was_revoked_after_the_approval_moves_no_traffic(ledger):
    decide.sign(ledger, "m", None, "vera", "approve", "", signer("vera"))
    judged(ledger, "r2", dossier="sha256:" + "5" * 64)
    decide.sign(ledger, "m", "r2", "vera", "approve", "", signer("vera"))
    nobody = type(person("vera"))("vera")
    ledger.decide_and_append(lambda state: ("identity set", "", identity(state, nobody, "rita", signer("rita"))))
    force = {"release": "r2", "without_rollout": "served elsewhere"}
    with pytest.raises(Refused, match="do not suffice any more: needed is 1 more yes, the yes of a validator"):
        ledger.decide_and_append(lambda _: ("promoted", "m", force))
    # Somebody else's yes mends it.
    ledger.decide_and_append(
        lambda state: ("identity set", "", identity(state, person("anna", "validator"), "rita", signer("rita")))
    )
    assert decide.sign(ledger, "m", "r2", "anna", "approve", "", signer("anna")).status == "approved"
    ledger.decide_and_append(lambda _: ("promoted", "m", force))


def test_approvals_that_have_expired_move_no_traffic():
    began = datetime(2026, 1, 1, tzinfo=UTC)
    at = began.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = {"release": "r1", "spec_digest": "s", "as_of": "t", "developers": [], **NEEDS}
    told = {
        "release": "r1",
        "outcome": "passed",
        "champion_compared": None,
        **NEEDS,
        "dossier_digest": "d",
        "blobs": {},
    }
    kinds = [("identity set", one) for one in founded()]
    kinds += [
        ("release started", body),
        ("release judged", told),
        ("decided", decided("r1", at=at, dossier="d", spec="s")),
    ]
    state = fold([Record(n, "", at, kind, "m", one, "") for n, (kind, one) in enumerate(kinds)])
    later = (began + timedelta(days=31)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert state.releases["r1"].status == "approved"
    assert refusal(state, "promoted", "m", {"release": "r1"}, at) is None
    assert "do not suffice any more" in refusal(state, "promoted", "m", {"release": "r1"}, later)
    assert refusal(state, "decided", "m", decided("r1", at=later, dossier="d", spec="s"), later) is None


def test_the_pipelines_key_alone_cannot_say_what_people_say(ledger):
    forged = decision(ledger.state().releases["r1"], "vera", "approve", "", now(), ledger.signer())
    last = ledger.read()[-1]
    # As a thief of the key would: signed, in its place, and never asked whether it is legal.
    ledger._write(last.seq + 1, last.digest, "decided", "m", forged, now())
    assert ledger.state().releases["r1"].status == "waiting"
    assert any("counts for nothing" in problem and "none of the keys" in problem for problem in ledger.problems())


def test_a_writer_to_the_store_without_a_key_promotes_nothing(ledger, tmp_path):
    last = ledger.read()[-1]
    content = {
        "seq": last.seq + 1,
        "previous": last.digest,
        "time": now(),
        "kind": "promoted",
        "model": "m",
        "body": {"release": "r1"},
    }
    ledger.store.put_if_absent(record_key(last.seq + 1), sign(content, RECORD, signer("mallory")))
    with pytest.raises(Tampered, match="signature does not hold"):
        Ledger(LocalStore(tmp_path / "store"), tmp_path / "home").state()


def test_two_who_decide_at_once_both_count_and_one_person_counts_once(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    made = Ledger(LocalStore(tmp_path / "s"), tmp_path / "h")
    people.found(made)
    judged(made, "r1", {**NEEDS, "approvals_needed": 3})

    def say(who):
        mine = Ledger(LocalStore(tmp_path / "s"), tmp_path / "h")
        try:
            return decide.sign(mine, "m", None, who, "approve", "", signer(who)).status
        except Refused as refused:
            return str(refused)

    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(say, ["vera", "otto", "vera", "otto", "vera", "otto"]))
    assert sum("has decided on r1 before" in one for one in told) == 4
    assert sorted(one.person for one in made.state().releases["r1"].approvals) == ["otto", "vera"]


def test_what_another_account_signed_is_handed_in_and_taken_in_once(ledger, tmp_path):
    validator = Ledger(LocalStore(tmp_path / "store"), tmp_path / "validators-home")
    assert (ledger.is_writer(), validator.state() and validator.is_writer()) == (True, False)
    assert decide.hand_in(validator, "m", None, "vera", "approve", "", signer("vera")).status == "waiting"
    with pytest.raises(Refused, match="none of the keys"):
        decide.hand_in(validator, "m", None, "vera", "approve", "", signer("mallory"))
    assert not (tmp_path / "validators-home" / "pipeline.pem").exists()
    (tmp_path / "another-machine").mkdir()
    shutil.copy(tmp_path / "home" / "pipeline.pem", tmp_path / "another-machine")
    assert Ledger(LocalStore(tmp_path / "store"), tmp_path / "another-machine").is_writer()
    # Whatever lies there is believed no more than any other word.
    for at, data in enumerate((b"{}", b"\x00", canonical_json(yes(package="sha256:" + "9" * 64)["envelope"]))):
        ledger.store.put_if_absent(f"inbox/decisions/r1/{at}.json", data)
    taken = decide.take_in(ledger)
    assert sum(not why for _, why in taken) == 1
    assert sum("found something else" in why for _, why in taken) == 2
    assert ledger.state().releases["r1"].status == "champion"
    assert decide.take_in(ledger) == []


def test_a_public_tool_that_knows_nothing_of_us_checks_the_decision(ledger):
    from securesystemslib.dsse import Envelope

    decide.sign(ledger, "m", None, "vera", "approve", "read it all", signer("vera"))
    body = next(record.body for record in ledger.read() if record.kind == "decided")
    envelope = Envelope.from_dict(json.loads(json.dumps(body["envelope"])))
    assert list(envelope.verify([signer("vera").public_key], 1)) == [signer("vera").public_key.keyid]
    told = json.loads(envelope.payload)
    assert told["_type"] == "https://in-toto.io/Statement/v1"
    assert {one["name"]: f"sha256:{one['digest']['sha256']}" for one in told["subject"]} == DIGESTS
    assert told["predicate"]["comment"] == "read it all"


def test_a_statement_of_another_kind_is_no_decision(ledger):
    grant = signed_statement(statement("urn:seatrial:identity:1", DIGESTS, {"person": "vera"}), signer("vera"))
    assert "not the one that was signed" in refused(ledger, {**yes(), "envelope": grant})
    for odd in ({}, {"payload": 3}, {"payload": "", "payloadType": DECISION, "signatures": []}):
        assert refused(ledger, {**yes(), "envelope": odd}) is not None
