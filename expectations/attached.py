"""Suites of a validator's own, beside those of the spec: every later release of the model is held against them too."""

from typing import Any

from pydantic import ValidationError
from securesystemslib.signer import Signer

from expectations.expectation import Expectation
from expectations.people import GRANTS, signs
from expectations.records import canonical_json, digest_of
from expectations.spec import Gates
from expectations.state import AttachedSuite, Body, Record, State, name_of
from expectations.statements import SUITE, signed_statement, statement
from expectations.transitions import Transition

ATTACHES = frozenset({"validator", GRANTS})


def attached(state: State, model: str, step: str) -> list[Expectation]:
    """What the validators' suites ask of one step."""
    suites = [Gates.model_validate_json(one.text) for one in state.suites.get(model, {}).values()]
    return [item for gates in suites for item in getattr(gates, step, ())]


def suite_body(state: State, model: str, name: str, gates: Gates, by: str, signer: Signer) -> Body:
    """The body of the record that attaches a suite; one without expectations takes it away."""
    before = state.suites.get(model, {}).get(name)
    told = _told(model, name, gates, by, before.version if before else 0)
    return {**told, "envelope": signed_statement(_statement(told), signer)}


def _told(model: str, name: str, gates: Gates, by: str, version: int) -> Body:
    suite = gates.model_dump(mode="json", exclude_defaults=True)
    return {"model": model, "name": name, "suite": suite, "by": by, "version": version}


def _statement(told: Body) -> dict[str, Any]:
    return statement(SUITE, {"suite": digest_of(told)}, told)


def _check_attached(state: State, model: str, body: Body, _now: str) -> str | None:
    person, before = state.person(body["by"]), state.suites.get(model, {}).get(body["name"])
    try:
        gates = Gates.model_validate(body["suite"])
        told = _told(model, body["name"], gates, body["by"], body["version"])
        content = _statement(told)
    except (ValidationError, ValueError):
        return f"the suite {body['name']!r} is none: expected lists of expectations under names of steps."
    if person is None or not ATTACHES & set(person.roles):
        return f"{body['by']}: to attach a suite takes one of {', '.join(sorted(ATTACHES))}."
    built = {name_of(dev) for one in state.releases.values() if one.model == model for dev in one.developers}
    if name_of(person.name) in built:
        return f"{person.name} develops {model}: its validators attach suites."
    if body["version"] != (before.version if before else 0):
        return f"the suite {body['name']!r} was changed meanwhile; look again and decide again."
    if before and name_of(before.person) != name_of(person.name) and GRANTS not in person.roles:
        return f"the suite {body['name']!r} is {before.person}'s: only they, or a {GRANTS}, change it."
    return None if signs(body["envelope"], content, person.keys) else f"the signature on it is not {person.name}'s."


def _attached(draft: State, record: Record) -> None:
    body, mine = record.body, dict(draft.suites.get(record.model, {}))
    text = canonical_json(Gates.model_validate(body["suite"]).model_dump(mode="json", exclude_defaults=True)).decode()
    mine[body["name"]] = AttachedSuite(body["name"], body["by"].strip(), text, body["version"] + 1)
    draft.suites[record.model] = mine


TRANSITIONS = {
    "suite attached": Transition(
        {"name": str, "suite": dict, "by": str, "version": int, "envelope": dict}, _check_attached, _attached
    )
}
