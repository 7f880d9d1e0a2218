"""What a kind of record is: the fields that it has, when it is legal, and what it changes."""

from collections.abc import Callable
from dataclasses import dataclass

from expectations.state import Body, Record, Release, State

Types = type | tuple[type, ...]


@dataclass(frozen=True)
class Transition:
    """`refusal(state, model, body, now)` is why it is not legal, or None; `apply` changes the draft of a state."""

    fields: dict[str, Types]
    refusal: Callable[[State, str, Body, str], str | None]
    apply: Callable[[State, Record], None]


Check = Callable[[State, Release, Body, str], str | None]


def of_release(check: Check) -> Callable[[State, str, Body, str], str | None]:
    """For records about a release that must be there already."""

    def refusal(state: State, model: str, body: Body, now: str) -> str | None:
        release = state.releases.get(body["release"])
        if release is None or release.model != model:
            return f"{body['release']}: no such release of {model}."
        return check(state, release, body, now)

    return refusal
