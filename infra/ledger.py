"""The ledger: append-only, hash-chained, signed. One DSSE envelope per record, at `ledger/000000000000.json` and on.

This account's home remembers, outside the store, which ledger it opened and the last record that it saw, so that a
replaced ledger and a cut tail are found.
"""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from expectations.errors import CannotAsk
from expectations.history import Record, State, fold, refusal
from expectations.records import canonical_json, digest_of
from infra.keys import pipeline_key
from infra.store import Corrupt, Missing, Store

PAYLOAD_TYPE = "application/vnd.seatrial.record+json"
GENESIS = "store opened"
NONE_BEFORE = "sha256:" + "0" * 64
Decision = tuple[str, str, dict[str, Any]]


class Conflict(Exception):
    """Somebody else appended first: read, and decide again."""


class Tampered(CannotAsk):
    """The ledger is not what was written."""


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
        self._remember(records)
        return records

    def state(self) -> State:
        """The fold over all records."""
        return fold(self.read())

    def append(self, expected_head: str, kind: str, model: str, body: dict[str, Any]) -> Record:
        """The record, now last, if `expected_head` was; else Conflict. Raises Refused where it is not legal."""
        records = self.read()
        reason = refusal(fold(records), kind, model, body)
        if reason is not None:
            raise Refused(reason)
        if (records[-1].digest if records else NONE_BEFORE) != expected_head:
            raise Conflict(expected_head)
        return self._write(len(records), expected_head, kind, model, body)

    def decide_and_append(self, decide: Callable[[State], Decision | None]) -> Record | None:
        """Appends what `decide` says of the present state; on a conflict it reads and decides again."""
        while True:
            records = self.read() or [self._open()]
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
        for key in self._store.keys("blobs/sha256/"):
            found += self._blob_problem(f"sha256:{key.rsplit('/', 1)[1]}")
        kept = {f"sha256:{key.rsplit('/', 1)[1]}" for key in self._store.keys("blobs/sha256/")}
        for record in records:
            named = record.body.get("blobs", {})
            lost = {name: digest for name, digest in named.items() if digest not in kept}
            found += [f"record {record.seq}: its blob {name} is gone: {digest}." for name, digest in lost.items()]
        for key in self._store.keys("steps/"):
            try:
                json.loads(self._store.get(key))
            except ValueError:
                found.append(f"{key}: expected JSON, found something else. Remove it: the step runs again.")
        return found

    def _blob_problem(self, digest: str) -> list[str]:
        try:
            self._store.blob_path(digest)
        except (Corrupt, Missing) as error:
            return [str(error)]
        return []

    def _walk(self, problems: list[str]) -> list[Record]:
        """The sound records from the first on; what is wrong goes into `problems`."""
        records: list[Record] = []
        # Before the listing: what is pinned later may be a record that was written after it.
        pinned = self._pinned()
        keys = self._store.keys("ledger/")
        trusted = self._trusted(keys, pinned, problems)
        for at, key in enumerate(keys):
            reason = self._append_sound(records, at, key, trusted)
            if reason:
                problems.append(reason)
                break
        if not problems:
            problems += _behind(records, pinned)
        return records

    def _append_sound(self, records: list[Record], at: int, key: str, trusted: SSlibKey | None) -> str | None:
        if key != record_key(at):
            return f"ledger: expected record {at}, found {key}: one was removed. Bring the ledger back from a copy."
        data = self._store.get(key)
        try:
            envelope = Envelope.from_dict(json.loads(data))
            if trusted is None:
                return f"record {at}: there is no key to trust."
            envelope.verify([trusted], 1)
            record = Record(**json.loads(envelope.payload), digest=digest_of(data))
        except (VerificationError, ValueError, KeyError, TypeError) as error:
            return f"record {at}: its signature does not hold: changed, or written by another ({type(error).__name__})."
        before = records[-1].digest if records else NONE_BEFORE
        if record.seq != at or record.previous != before:
            return f"record {at}: expected it to follow {before[:19]}, found {record.previous[:19]}: order changed."
        records.append(record)
        return None

    def _trusted(self, keys: list[str], pinned: dict[str, Any] | None, problems: list[str]) -> SSlibKey | None:
        """The key that this account has pinned for the store; on first use, the one that its first record names."""
        if not keys:
            if pinned:
                problems.append(f"ledger: expected {pinned['seq'] + 1} records, found none: it was emptied.")
            return None
        try:
            first = json.loads(self._store.get(keys[0]))
            public = json.loads(Envelope.from_dict(first).payload)["body"]["public_key"]
        except (ValueError, KeyError, TypeError):
            public = None
        public = pinned["public_key"] if pinned else public
        return None if public is None else _key(public)

    def _pin_path(self) -> Path:
        name = digest_of(str(Path(self._store.url).resolve()).encode())[7:23]
        return self._home / "stores" / f"{name}.json"

    def _pinned(self) -> dict[str, Any] | None:
        try:
            pinned: dict[str, Any] = json.loads(self._pin_path().read_text())
        except FileNotFoundError:
            return None
        return pinned

    def _remember(self, records: list[Record]) -> None:
        pinned = self._pinned()
        if not records or (pinned and pinned["seq"] >= records[-1].seq):
            return
        path = self._pin_path()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        value = {"seq": records[-1].seq, "digest": records[-1].digest, "public_key": records[0].body["public_key"]}
        written = path.with_suffix(f".{os.getpid()}.tmp")
        written.write_bytes(canonical_json(value))
        os.replace(written, path)

    def _open(self) -> Record:
        signer = pipeline_key(self._home)
        body = {
            "keyid": signer.public_key.keyid,
            "public_key": {**signer.public_key.to_dict(), "keyid": signer.public_key.keyid},
        }
        try:
            return self._write(0, NONE_BEFORE, GENESIS, "", body)
        except Conflict:
            return self.read()[0]

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
        envelope = Envelope(canonical_json(content), PAYLOAD_TYPE, {})
        envelope.sign(self._signer())
        data = canonical_json(envelope.to_dict())
        if not self._store.put_if_absent(record_key(seq), data):
            raise Conflict(previous)
        return Record(**content, digest=digest_of(data))

    def _signer(self) -> Any:
        signer, pinned = pipeline_key(self._home), self._pinned()
        if pinned and pinned["public_key"]["keyid"] != signer.public_key.keyid:
            raise CannotAsk(
                f"{self._store.url}: this account's key is not the one that opened the store. "
                "Set SEATRIAL_HOME to the home of the account that did."
            )
        return signer


def _key(public: dict[str, Any]) -> SSlibKey:
    fields = dict(public)
    return SSlibKey.from_dict(fields.pop("keyid"), fields)


def record_key(seq: int) -> str:
    """Where a record lies."""
    return f"ledger/{seq:012d}.json"


def _behind(records: list[Record], pinned: dict[str, Any] | None) -> list[str]:
    """Is the record that this account saw last still there?"""
    if not pinned:
        return []
    seq, digest = pinned["seq"], pinned["digest"]
    if seq >= len(records):
        return [f"ledger: expected at least {seq + 1} records, found {len(records)}: its end was cut off."]
    if records[seq].digest != digest:
        return [f"record {seq}: expected {digest[:19]}, which was seen before, found {records[seq].digest[:19]}."]
    return []
