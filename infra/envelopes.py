"""What the pipeline signs, as it lies in the store: DSSE envelopes of records, checkpoints and the answers of steps."""

import json
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from expectations.history import Record
from expectations.records import canonical_json, digest_of

PAYLOAD_TYPE = "application/vnd.seatrial.{}+json"
RECORD, CHECKPOINT, ANSWER = "record", "checkpoint", "answer"
GENESIS = "store opened"


class Unsound(Exception):
    """One record is not what was written, in a sentence."""


def sign(content: dict[str, Any], kind: str, signer: CryptoSigner) -> bytes:
    """The one text of a signed envelope; `kind` is part of what is signed."""
    envelope = Envelope(canonical_json(content), PAYLOAD_TYPE.format(kind), {})
    envelope.sign(signer)
    return canonical_json(envelope.to_dict())


def signed(data: bytes, kind: str, trusted: SSlibKey) -> dict[str, Any]:
    """The content of an envelope of this kind. Raises Unsound where it is not what that key signed."""
    if not data:
        raise Unsound("expected what was written, found nothing: removed, or the store went away while it was read.")
    try:
        envelope = Envelope.from_dict(json.loads(data))
        # One key signs all kinds, and only one text of an envelope has the digest that the next record names.
        if envelope.payload_type != PAYLOAD_TYPE.format(kind) or canonical_json(envelope.to_dict()) != data:
            raise ValueError("not the envelope that was written")
        envelope.verify([trusted], 1)
        content: dict[str, Any] = json.loads(envelope.payload)
        return content
    except (VerificationError, ValueError, KeyError, TypeError) as error:
        found = type(error).__name__
        raise Unsound(f"its signature does not hold: changed, or written by another ({found}).") from None


def public_part(signer: CryptoSigner) -> dict[str, Any]:
    """The key that others need to check what the signer signs, as JSON values."""
    return {**signer.public_key.to_dict(), "keyid": signer.public_key.keyid}


def key_of(public: dict[str, Any]) -> SSlibKey:
    """The inverse of `public_part`. Raises ValueError, KeyError or TypeError where it is none."""
    fields = {**public, "keyval": dict(public["keyval"])}
    return SSlibKey.from_dict(fields.pop("keyid"), fields)


def named_key(genesis: bytes) -> dict[str, Any]:
    """The key that a first record names. Raises ValueError, KeyError or TypeError where it names none."""
    content = json.loads(Envelope.from_dict(json.loads(genesis)).payload)
    if content["kind"] != GENESIS:
        raise ValueError(content["kind"])
    public: dict[str, Any] = content["body"]["public_key"]
    return public


def record_key(seq: int) -> str:
    """Where a record lies."""
    return f"ledger/{seq:012d}.json"


def sound(data: bytes, at: int, before: str, trusted: SSlibKey) -> Record:
    """The record in an envelope's bytes, if it is what was signed and stands where it stood; else Unsound."""
    try:
        record = Record(**signed(data, RECORD, trusted), digest=digest_of(data))
    except Unsound as error:
        raise Unsound(f"record {at}: {error}") from None
    if record.seq != at or record.previous != before:
        found = f"found record {record.seq}, which follows {record.previous[:19]}"
        raise Unsound(f"record {at}: expected it to follow {before[:19]}, {found}: changed, or order changed.")
    return record
