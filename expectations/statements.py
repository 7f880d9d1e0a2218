"""What people sign: in-toto statements in DSSE envelopes, and whether a signature on one holds.

Any tool that knows DSSE and in-toto can check them, without us: https://github.com/in-toto/attestation (Statement v1).
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import Key, Signer, SSlibKey

from expectations.records import canonical_json
from expectations.state import PublicKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
DECISION, IDENTITY, SUITE = (f"urn:seatrial:{name}:1" for name in ("decision", "identity", "suite"))
Statement = dict[str, Any]


def statement(kind: str, digests: Mapping[str, str], said: Mapping[str, Any]) -> Statement:
    """What `said` of things that are named and known by their `sha256:` digests."""
    subject = [{"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}} for name, digest in digests.items()]
    return {"_type": STATEMENT, "subject": subject, "predicateType": kind, "predicate": dict(said)}


def signed_statement(content: Statement, signer: Signer) -> dict[str, Any]:
    """The envelope, as JSON values."""
    envelope = Envelope(canonical_json(content), PAYLOAD_TYPE, {})
    envelope.sign(signer)
    found: dict[str, Any] = envelope.to_dict()
    return found


def content_of(envelope: Any, kind: str) -> Statement | None:
    """The statement in an envelope, whoever signed it; None where it is none of this kind."""
    try:
        opened = Envelope.from_dict(json.loads(canonical_json(envelope)))
        content = json.loads(opened.payload)
        known = opened.payload_type == PAYLOAD_TYPE and content["_type"] == STATEMENT
        sound = known and content["predicateType"] == kind and isinstance(content["predicate"], dict)
        return dict(content) if sound else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def is_signed_by(envelope: Any, keys: Iterable[PublicKey]) -> bool:
    """Whether one of the keys signed it."""
    trusted: list[Key] = [_checked_by(key) for key in keys]
    try:
        Envelope.from_dict(json.loads(canonical_json(envelope))).verify(trusted, 1)
    except (VerificationError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return True


def _checked_by(key: PublicKey) -> SSlibKey:
    return SSlibKey(key.keyid, key.keytype, key.scheme, {"public": key.public})


def public_key(key: SSlibKey) -> PublicKey:
    """The key as the ledger keeps it."""
    return PublicKey(key.keyid, key.keytype, key.scheme, key.keyval["public"])
