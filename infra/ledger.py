"""The ledger: append-only, hash-chained, signed. One DSSE envelope per record, at `ledger/000000000000.json` and on.

This account's home remembers, outside the store, which ledger it opened and the last record that it saw, so that a
replaced ledger and a cut tail are found.
"""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey

from expectations.errors import CannotAsk
from expectations.history import Record, Release, State, fold, refusal
from expectations.records import canonical_json, digest_of
from infra.keys import pipeline_key, remember, seen
from infra.store import Corrupt, Missing, Store, step_answer

PAYLOAD_TYPE = "application/vnd.seatrial.record+json"
GENESIS = "store opened"
NONE_BEFORE = "sha256:" + "0" * 64
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
Decision = tuple[str, str, dict[str, Any]]


class Conflict(Exception):
    """Somebody else appended first: read, and decide again."""


class Tampered(CannotAsk):
    """The ledger is not what was written."""


class Unsound(Exception):
    """One record is not what was written, in a sentence."""


class Refused(CannotAsk):
    """The record would not be legal now."""


class Ledger:
    """The ledger of one store, as one account reads and signs it."""

    def __init__(self, store: Store, home: Path) -> None:
        self._store, self._home = store, home

    def read(self) -> list[Record]:
        """All records, in order. Raises Tampered at the first that is not as it was written."""
        problems: list[str] = []
        records = self._walk(problems)
        if problems:
            raise Tampered.all_of(problems)
        if records:
            self._remember(records[-1], records[0].body["public_key"])
        return records

    def state(self) -> State:
        """The fold over all records."""
        return fold(self.read())

    def verdict(self, release: Release) -> dict[str, Any]:
        """What a judged release's verdict said: its blobs and figures too."""
        if release.judged_at is None:
            raise CannotAsk(f"{release.id} was not judged yet: it is {release.status}.")
        return self.read()[release.judged_at].body

    def append(self, expected_head: str, kind: str, model: str, body: dict[str, Any]) -> Record:
        """The record, now last, if `expected_head` was; else Conflict. Raises Refused where it is not legal."""
        records = self.read() or [self._open()]
        # The head first: whoever decided on an older state is to decide again, not to be told that it is illegal.
        if records[-1].digest != expected_head:
            raise Conflict(expected_head)
        reason = "a store is opened once." if kind == GENESIS else refusal(fold(records), kind, model, body)
        if reason is not None:
            raise Refused(reason)
        return self._write(len(records), expected_head, kind, model, body)

    def decide_and_append(self, decide: Callable[[State], Decision | None]) -> Record | None:
        """Appends what `decide` says of the present state; on a conflict it reads and decides again."""
        while True:
            records = self.read()
            if not records:
                self._open()
                continue
            decision = decide(fold(records))
            if decision is None:
                return None
            try:
                return self.append(records[-1].digest, *decision)
            except Conflict:
                continue

    def problems(self) -> list[str]:
        """Everything that is not as it was written: records, signatures, steps, blobs. Empty where all is sound."""
        found: list[str] = []
        records = self._walk(found)
        kept = {f"sha256:{key.rsplit('/', 1)[1]}" for key in self._store.keys("blobs/sha256/")}
        for digest in sorted(kept):
            found += _trouble(f"blob {digest}", partial(self._store.check_blob, digest))
        for record in records:
            lost = {name: digest for name, digest in _blobs(record.body) if digest not in kept}
            found += [f"record {record.seq}: its blob {name} is gone: {digest}." for name, digest in lost.items()]
        for key in self._store.keys("steps/"):
            found += _trouble(key, partial(step_answer, self._store, key))
        return found

    def _walk(self, problems: list[str]) -> list[Record]:
        """The sound records, in order; every other one is a sentence in `problems`."""
        records: list[Record] = []
        # Before the listing: what is pinned later may be a record that was written after it.
        pinned = seen(self._home, self._store.url)
        keys = self._store.keys("ledger/")
        trusted = self._trusted(keys, pinned, problems)
        before = NONE_BEFORE
        for at, key in enumerate(keys):
            if trusted is None:
                break
            if key != record_key(at):
                problems.append(
                    f"ledger: expected record {at}, found {key}: one was removed. Bring it back from a copy."
                )
                break
            data = self._data(key)
            try:
                records.append(_sound(data, at, before, trusted))
            except Unsound as error:
                problems.append(str(error))
            before = digest_of(data)
        return records if problems or not pinned else _up_to(records, pinned, problems)

    def _data(self, key: str) -> bytes:
        try:
            return self._store.get(key)
        except Missing:
            return b""

    def _trusted(self, keys: list[str], pinned: dict[str, Any] | None, problems: list[str]) -> SSlibKey | None:
        """The key that this account has pinned for the store; on first use, the one that its first record names."""
        if not keys:
            if pinned:
                problems.append(f"ledger: expected {pinned['seq'] + 1} records, found none: it was emptied.")
            return None
        try:
            return _key(pinned["public_key"] if pinned else _named_key(self._data(keys[0])))
        except (ValueError, KeyError, TypeError):
            problems.append(f"record 0: expected {GENESIS!r} with a key to trust, found something else.")
            return None

    def _remember(self, last: Record, public_key: dict[str, Any]) -> None:
        value = {"seq": last.seq, "digest": last.digest, "public_key": public_key}
        remember(self._home, self._store.url, value)

    def _open(self) -> Record:
        public = _public(pipeline_key(self._home))
        try:
            return self._write(0, NONE_BEFORE, GENESIS, "", {"keyid": public["keyid"], "public_key": public})
        except Conflict:
            # Another opened it first. The one to go on from is the last record, not the first.
            return self.read()[-1]

    def _write(self, seq: int, previous: str, kind: str, model: str, body: dict[str, Any]) -> Record:
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        content: dict[str, Any] = {
            "seq": seq,
            "previous": previous,
            "time": time,
            "kind": kind,
            "model": model,
            "body": body,
        }
        signer = self._signer()
        envelope = Envelope(canonical_json(content), PAYLOAD_TYPE, {})
        envelope.sign(signer)
        data = canonical_json(envelope.to_dict())
        if not self._store.put_if_absent(record_key(seq), data):
            raise Conflict(previous)
        record = Record(**content, digest=digest_of(data))
        # At once: a record that is cut off before anybody read it is found too.
        self._remember(record, _public(signer))
        return record

    def _signer(self) -> CryptoSigner:
        signer, pinned = pipeline_key(self._home), seen(self._home, self._store.url)
        if pinned and pinned["public_key"]["keyid"] != signer.public_key.keyid:
            raise CannotAsk(
                f"{self._store.url}: this account's key is not the one that opened the store. "
                "Set SEATRIAL_HOME to the home of the account that did."
            )
        return signer


def _public(signer: CryptoSigner) -> dict[str, Any]:
    return {**signer.public_key.to_dict(), "keyid": signer.public_key.keyid}


def _key(public: dict[str, Any]) -> SSlibKey:
    fields = {**public, "keyval": dict(public["keyval"])}
    return SSlibKey.from_dict(fields.pop("keyid"), fields)


def _named_key(genesis: bytes) -> dict[str, Any]:
    """The key that a first record names. Raises ValueError, KeyError or TypeError where it names none."""
    content = json.loads(Envelope.from_dict(json.loads(genesis)).payload)
    if content["kind"] != GENESIS:
        raise ValueError(content["kind"])
    public: dict[str, Any] = content["body"]["public_key"]
    return public


def record_key(seq: int) -> str:
    """Where a record lies."""
    return f"ledger/{seq:012d}.json"


def _sound(data: bytes, at: int, before: str, trusted: SSlibKey) -> Record:
    """The record in an envelope's bytes, if it is what was signed and stands where it stood; else Unsound."""
    try:
        record = _signed(data, trusted)
    except (VerificationError, ValueError, KeyError, TypeError) as error:
        found = type(error).__name__
        raise Unsound(f"record {at}: its signature does not hold: changed, or written by another ({found}).") from None
    if record.seq != at or record.previous != before:
        found = f"found record {record.seq}, which follows {record.previous[:19]}"
        raise Unsound(f"record {at}: expected it to follow {before[:19]}, {found}: changed, or order changed.")
    return record


def _signed(data: bytes, trusted: SSlibKey) -> Record:
    envelope = Envelope.from_dict(json.loads(data))
    # The same key may sign other things, and only one text of an envelope has the digest that the next record names.
    if envelope.payload_type != PAYLOAD_TYPE or canonical_json(envelope.to_dict()) != data:
        raise ValueError("not the envelope that was written")
    envelope.verify([trusted], 1)
    return Record(**json.loads(envelope.payload), digest=digest_of(data))


def _up_to(records: list[Record], pinned: dict[str, Any], problems: list[str]) -> list[Record]:
    """The same records; a problem if the one that this account saw last is not among them."""
    seq, digest = pinned["seq"], pinned["digest"]
    if seq >= len(records):
        problems.append(f"ledger: expected at least {seq + 1} records, found {len(records)}: its end was cut off.")
    elif records[seq].digest != digest:
        found = records[seq].digest[:19]
        problems.append(f"record {seq}: expected {digest[:19]}, which was seen before, found {found}.")
    return records


def _trouble(name: str, look: Callable[[], object]) -> list[str]:
    try:
        look()
    except Corrupt as error:
        return list(error.problems)
    except Missing:
        return [f"{name}: expected it where its name says, found nothing there. Bring it back from a copy."]
    return []


def _blobs(value: Any) -> Iterator[tuple[str, str]]:
    """Each (name, digest) under a key `blobs`, however deep."""
    if isinstance(value, list):
        for item in value:
            yield from _blobs(item)
    if isinstance(value, dict):
        named = value.get("blobs")
        if isinstance(named, dict):
            yield from ((k, v) for k, v in named.items() if isinstance(v, str) and DIGEST.fullmatch(v))
        for item in value.values():
            yield from _blobs(item)
