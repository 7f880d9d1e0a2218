"""Who is known in a store, and what validators ask of its models: identity, suite."""

import json
from pathlib import Path
from typing import Any

import click

from flows.answering import Command, answer, as_json, person_option, store_option
from flows.decision_commands import key_option, signer_of


@click.group()
def identity() -> None:
    """Who is known in a store, and what they may do.

    Every command of it takes --json.

    Example: seatrial identity list --store ./store
    """


@identity.command(cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@store_option
@person_option
@key_option
@as_json
def apply(file: Path, store_url: str, person: str, key: Path, json_: bool) -> None:
    """Bring roles and keys in the ledger in line with FILE; signed by a risk officer.

    Example: seatrial identity apply identities.yaml --store ./store --as rita@example.com
    """
    from infra.identities_file import read_identities
    from tasks.identities import apply as bring
    from tasks.job import new_ledger

    changed = bring(new_ledger(store_url), read_identities(file), person, signer_of(key))
    lines = [f"{one.name}: {_roles(one)}; {len(one.keys)} key(s)" for one in changed] or ["Nothing to change."]
    value = [{"person": one.name, "roles": one.roles, "keys": [key.keyid for key in one.keys]} for one in changed]
    answer(json_, {"changed": value}, "\n".join(lines))


@identity.command("list", cls=Command)
@store_option
@as_json
def list_people(store_url: str, json_: bool) -> None:
    """Everybody whom a store knows, with their roles and keys.

    Example: seatrial identity list --store ./store
    """
    from infra.personal_keys import ssh_line
    from tasks.job import open_ledger

    people = open_ledger(store_url).state().people.values()
    value = [
        {"person": one.name, "roles": one.roles, "keys": [ssh_line(key) for key in one.keys], "locked": one.locked}
        for one in people
    ]
    lines = [
        line
        for one in people
        for line in (
            f"{one.name}: {_roles(one)}{' (locked out)' * one.locked}",
            *(f"    {ssh_line(key)}" for key in one.keys),
        )
    ]
    answer(json_, {"people": value}, "\n".join(lines) or "Nobody is known yet: seatrial identity apply FILE.")


def _roles(one: Any) -> str:
    return ", ".join(one.roles) or "no role"


@click.group()
def suite() -> None:
    """What validators ask of a model's releases, beside its spec.

    Every command of it takes --json.

    Example: seatrial suite list ames-price --store ./store
    """


@suite.command(cls=Command)
@click.argument("model")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", required=True, help="The same name again replaces it; without expectations it is taken away.")
@store_option
@person_option
@key_option
@as_json
def attach(model: str, file: Path, name: str, store_url: str, person: str, key: Path, json_: bool) -> None:
    """Hold every later release of MODEL against the expectations in FILE too; signed by a validator.

    FILE is YAML, as the part `expectations` of a release spec.

    Example: seatrial suite attach ames-price old-houses.yaml --name old-houses --as vera@example.com
    """
    from infra.spec_file import read_gates
    from tasks.identities import attach_suite
    from tasks.job import open_ledger

    gates = read_gates(file)
    attach_suite(open_ledger(store_url), model, name, gates, person, signer_of(key))
    count = sum(len(items) for items in dict(gates).values())
    said = f"{model}: {name}, {count} expectation(s) by {person}. They hold from the next release on."
    answer(json_, {"model": model, "name": name, "expectations": count}, said)


@suite.command("list", cls=Command)
@click.argument("model")
@store_option
@as_json
def list_suites(model: str, store_url: str, json_: bool) -> None:
    """The suites that validators attached to MODEL.

    Example: seatrial suite list ames-price --store ./store
    """
    from tasks.job import open_ledger

    suites = open_ledger(store_url).state().suites.get(model, {}).values()
    value = [{"name": one.name, "by": one.person, "expectations": json.loads(one.text)} for one in suites]
    lines = [f"{one.name}, by {one.person}: {one.text}" for one in suites]
    answer(json_, {"model": model, "suites": value}, "\n".join(lines) or f"{model}: no suite is attached.")
