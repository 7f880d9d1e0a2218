"""Who is known, by whose word, and what nobody can say of themself."""

from dataclasses import replace

import people
import pytest
from people import FOUNDER, person, signer

from expectations.history import NOTHING_YET, fold, refusal, state_from_json
from expectations.people import identity
from expectations.state import Person, Record
from infra.ledger import Ledger, Refused
from infra.local_store import LocalStore
from tasks import identities


def said(state, who, by, key=None):
    return identity(state, who, by, signer(key or by))


def after(*bodies):
    return fold(
        [Record(at, "", "2026-01-01T00:00:00.000Z", "identity set", "", body, "") for at, body in enumerate(bodies)]
    )


FOUNDED = after(*people.founded())


def refused(state, body):
    """Why; and that the fold ignores it too."""
    reason = refusal(state, "identity set", "", body)
    assert reason is None or fold([Record(9, "", "", "identity set", "", body, "")], state) == state
    return reason


def test_the_first_person_is_a_risk_officer_who_signs_for_themself():
    assert after(said(NOTHING_YET, person("rita"), "rita")).person("RITA ").roles == ("risk officer",)
    for who, by in ((person("vera"), "vera"), (person("rita"), "vera")):
        assert "first person of a store is a risk officer" in refused(NOTHING_YET, said(NOTHING_YET, who, by))
    assert "signature" in refused(NOTHING_YET, said(NOTHING_YET, person("rita"), "rita", key="vera"))


@pytest.mark.parametrize(
    ("who", "by", "key", "words"),
    [
        (person("mallory", "validator"), "vera", None, "is no risk officer"),
        (person("mallory", "validator"), "mallory", None, "is no risk officer"),
        (person("mallory", "validator"), FOUNDER, "vera", "is not rita's"),
        (person("vera", "risk officer"), "vera", None, "is no risk officer"),
        (person("rita", "risk officer", "validator"), FOUNDER, None, "nobody grants roles to themself"),
        (person("rita", "auditor"), FOUNDER, None, "is the last risk officer"),
        (person("mallory", "boss"), FOUNDER, None, "boss is no role"),
    ],
)
def test_what_nobody_may_say_is_refused_and_ignored(who, by, key, words):
    assert words in refused(FOUNDED, said(FOUNDED, who, by, key))


def test_one_key_is_one_person():
    two = person("vera")
    body = said(FOUNDED, type(two)("mallory", ("validator",), two.keys), FOUNDER)
    assert "vera's already" in refused(FOUNDED, body)


def test_a_grant_that_was_taken_back_cannot_be_played_again():
    granted = said(FOUNDED, person("anna", "validator"), FOUNDER)
    first = fold([Record(9, "", "", "identity set", "", granted, "")], FOUNDED)
    taken = fold(
        [Record(10, "", "", "identity set", "", said(first, type(person("anna"))("anna"), FOUNDER), "")], first
    )
    assert taken.person("anna").roles == ()
    assert "set meanwhile" in refused(taken, granted)


@pytest.mark.parametrize("change", [{"public": "no hex"}, {"keyid": ""}, {"public": "00" * 32}, {"keyid": "x" * 64}])
def test_a_key_that_is_none_verifies_nothing_and_breaks_nothing(change):
    good = person("rita")
    odd = Person("rita", good.roles, tuple(replace(key, **change) for key in good.keys))
    for state in (NOTHING_YET, FOUNDED):
        body = said(state, odd, "rita")
        reason = refused(state, body)
        assert state.people or "signature" in reason


@pytest.mark.parametrize("change", [{"roles": ["owner"]}, {"person": "mallory"}, {"keys": []}, {"by": "vera"}])
def test_a_changed_word_of_a_signed_grant_voids_it(change):
    granted = said(FOUNDED, person("anna", "validator"), FOUNDER)
    assert refused(FOUNDED, granted) is None
    assert refused(FOUNDED, {**granted, **change}) is not None


def test_the_ledger_follows_the_file_and_who_is_not_in_it_keeps_nothing(tmp_path):
    ledger = Ledger(LocalStore(tmp_path / "store"), tmp_path / "home")
    wanted = [person("vera"), person("rita")]
    assert [one.name for one in identities.apply(ledger, wanted, "rita", signer("rita"))] == ["rita", "vera"]
    assert identities.apply(ledger, wanted, "rita", signer("rita")) == []
    [gone] = identities.apply(ledger, [person("rita")], "rita", signer("rita"))
    assert (gone.name, ledger.state().person("vera").roles, ledger.state().person("vera").keys) == ("vera", (), ())
    with pytest.raises(Refused, match="is no risk officer"):
        identities.apply(ledger, [person("rita"), person("vera")], "vera", signer("vera"))
    assert ledger.problems() == []


def test_a_state_with_people_survives_its_json():
    assert state_from_json(FOUNDED.as_json()) == FOUNDED
