"""identities.yaml: the people of a store, their roles and their public keys."""

import difflib
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, Field, ValidationError

from expectations.errors import CannotAsk
from expectations.parts import Part
from expectations.people import ROLES
from expectations.state import Person, name_of
from infra.personal_keys import read_public_key


def _is_role(role: str) -> str:
    if role not in ROLES:
        near = difflib.get_close_matches(role, ROLES, n=1)
        raise ValueError(f"{role!r} is no role;" + (f" the nearest is {near[0]!r}" if near else f" there are {ROLES}"))
    return role


class Identity(Part):
    """One person."""

    name: str = Field(min_length=1, description="As in the release specs, e.g. an address")
    roles: tuple[Annotated[str, AfterValidator(_is_role)], ...] = Field(default=(), description=", ".join(ROLES))
    keys: tuple[str, ...] = Field(default=(), description="Public keys: lines of .pub files, or PEM")


class Identities(Part):
    """Everybody who has a part in the releases of one store."""

    format: Literal["seatrial.identities/1"] = "seatrial.identities/1"
    people: tuple[Identity, ...] = Field(min_length=1)


def read_identities(path: Path) -> list[Person]:
    """The people in the file. Raises CannotAsk with everything that is wrong in it."""
    try:
        found = Identities.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise CannotAsk(f"{path}: expected a list of people, found: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CannotAsk(f"{path}: expected YAML, found: {' '.join(str(error).split())[:300]}.") from None
    except ValidationError as error:
        raise CannotAsk.all_of(
            f"{path}: {'.'.join(str(at) for at in one['loc'])}: {one['msg'].removeprefix('Value error, ')}."
            for one in error.errors()
        ) from None
    people, problems = [], []
    for one in found.people:
        try:
            people.append(Person(one.name.strip(), one.roles, tuple(read_public_key(key) for key in one.keys)))
        except CannotAsk as error:
            problems += [f"{path}: {one.name}: {problem}" for problem in error.problems]
    twice = sorted({p.name for p in people if sum(name_of(o.name) == name_of(p.name) for o in people) > 1})
    problems += [f"{path}: {name} is there twice." for name in twice]
    if problems:
        raise CannotAsk.all_of(problems)
    return people
