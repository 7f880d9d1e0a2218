"""Who may ask for what: bearer tokens, of which the gateway knows only the digests."""

import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from expectations.errors import CannotAsk
from infra.gateway.contract import Turned

ROLES = ("predict", "feedback", "metrics")
ANY = "any"
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Holder:
    """Whose token it is, and what it may do."""

    name: str
    roles: frozenset[str]


class Tokens:
    """sha256 of each token → its holder."""

    def __init__(self, holders: Mapping[str, Holder]) -> None:
        self._holders = [(digest.encode(), holder) for digest, holder in holders.items()]

    def caller(self, authorization: bytes, role: str) -> str:
        """Whose token it is. Raises Turned: 401 without a valid one, 403 where it lacks the role."""
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            raise Turned(401, "expected a header Authorization: Bearer TOKEN.")
        digest, found = hashlib.sha256(token.strip()).hexdigest().encode(), None
        # All of them, so that the time tells nothing.
        for known, holder in self._holders:
            if hmac.compare_digest(known, digest):
                found = holder
        if found is None:
            raise Turned(401, "this token is not known here.")
        if role != ANY and role not in found.roles:
            raise Turned(403, f"the token of {found.name} lacks the role {role}.")
        return found.name


def read_tokens(path: Path) -> Tokens:
    """Tokens from a YAML or JSON file `{SHA256: {name: ..., roles: [...]}}` that nobody else can read.

    Raises CannotAsk with every problem.
    """
    try:
        with path.open("rb") as file:
            status, content = os.fstat(file.fileno()), file.read()
        if status.st_mode & 0o077 or status.st_uid not in (0, os.getuid()):
            raise CannotAsk(f"{path}: others can read or change this file of tokens. chmod 600 {path}")
        values = yaml.safe_load(content)
    except OSError as error:
        raise CannotAsk(f"{path}: expected a file of tokens: {error.strerror}.") from None
    except (yaml.YAMLError, ValueError) as error:
        # What stands there may be a token: it is not repeated.
        raise CannotAsk(f"{path}: not YAML ({type(error).__name__}).") from None
    if not isinstance(values, dict) or not values:
        raise CannotAsk(f"{path}: expected {{SHA256 of a token: {{name: ..., roles: [...]}}}}, found no such thing.")
    if problems := [problem for digest, value in values.items() for problem in _problems(digest, value)]:
        raise CannotAsk.all_of(f"{path}: {problem}" for problem in problems)
    return Tokens({digest: Holder(value["name"], frozenset(value["roles"])) for digest, value in values.items()})


def _problems(digest: Any, value: Any) -> list[str]:
    problems = []
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        problems.append("a key is not the sha256 of a token. `printf %s TOKEN | sha256sum` gives one.")
    if not isinstance(value, dict) or set(value) != {"name", "roles"} or not isinstance(value["name"], str):
        return [*problems, "expected name and roles, and nothing else, for each digest."]
    roles = value["roles"]
    if not isinstance(roles, list) or not roles or not all(role in ROLES for role in roles):
        problems.append(f"{value['name']}: expected roles of {', '.join(ROLES)}; found {roles}.")
    return problems
