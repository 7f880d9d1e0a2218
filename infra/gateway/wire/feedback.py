"""Ground truth and reports that come back to the gateway."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from infra.gateway.contract import Turned
from infra.gateway.wire.limits import Limits
from infra.gateway.wire.v2 import ID_LENGTH, decoded

WORDS_LENGTH = 10_000
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=ID_LENGTH)]


class Truth(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """What turned out to be true of one row of one request, and what it was worth."""

    request_id: Id
    truth: bool | float | str
    row: Annotated[int, msgspec.Meta(ge=0)] = 0
    value: float | None = None


class Truths(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The body of feedback."""

    truths: list[Truth]


class Report(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """The body of a report."""

    words: Annotated[str, msgspec.Meta(min_length=1, max_length=WORDS_LENGTH)]
    request_id: Id | None = None


_truths, _report = msgspec.json.Decoder(Truths), msgspec.json.Decoder(Report)


def read_truths(body: bytes, limits: Limits) -> Sequence[Mapping[str, Any]]:
    """`{"request_id", "row", "truth", "value"}` each, at most as many as a request may have rows.

    Raises Turned (400, 413).
    """
    truths = decoded(_truths, body).truths
    if not truths:
        raise Turned(400, "no truths: expected at least one.")
    if len(truths) > limits.rows:
        raise Turned(413, f"{len(truths)} truths; one request may have {limits.rows}. Send them in parts.")
    return [msgspec.structs.asdict(one) for one in truths]


def read_report(body: bytes) -> tuple[str, str | None]:
    """Somebody's words, and which request they are about, if they say so. Raises Turned (400)."""
    report = decoded(_report, body)
    return report.words, report.request_id
