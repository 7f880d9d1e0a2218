"""Records who may do what: brings the people in the ledger in line with a file, signed by who may."""

from dataclasses import replace
from typing import Any

from securesystemslib.signer import Signer

from expectations.attached import suite_body
from expectations.history import State
from expectations.people import GRANTS, identity
from expectations.spec import Gates
from expectations.state import Person, name_of
from infra.ledger import Ledger


def differences(state: State, wanted: list[Person]) -> list[Person]:
    """The people to be set so that the ledger says what the file says; who is not in it keeps no role and no key.

    Whoever grants comes first, so that others can be named by them.
    """
    named = {name_of(person.name) for person in wanted}
    gone = [replace(one, roles=(), keys=()) for key, one in state.people.items() if key not in named]
    changed = [one for one in [*wanted, *gone] if _said(state.person(one.name)) != _said(one)]
    return sorted(changed, key=lambda one: GRANTS not in one.roles)


def _said(person: Person | None) -> tuple[Any, ...]:
    return (set(person.roles), {key.keyid for key in person.keys}) if person else (None,)


def apply(ledger: Ledger, wanted: list[Person], by: str, signer: Signer) -> list[Person]:
    """Appends each difference; returns what changed. Raises Refused where `by` may not."""
    changed = differences(ledger.state(), wanted)
    # At the founding, whoever founds comes before all others.
    changed = sorted(changed, key=lambda one: name_of(one.name) != name_of(by))
    for person in changed:
        ledger.decide_and_append(lambda state, one=person: ("identity set", "", identity(state, one, by, signer)))  # type: ignore[misc]
    return changed


def attach_suite(ledger: Ledger, model: str, name: str, gates: Gates, by: str, signer: Signer) -> None:
    """Appends a validator's suite. Raises Refused where `by` may not."""
    ledger.decide_and_append(lambda state: ("suite attached", model, suite_body(state, model, name, gates, by, signer)))


def lock(ledger: Ledger, person: str, why: str) -> None:
    """Records that a person's one-time codes are taken no more."""
    ledger.decide_and_append(lambda _: ("locked out", "", {"person": person, "why": why}))


def enrolled(ledger: Ledger, person: str) -> None:
    """Records that a person has a new secret for one-time codes; it ends a lock."""
    ledger.decide_and_append(lambda _: ("code enrolled", "", {"person": person}))
