"""The ledger: append-only, hash-chained, signed. One DSSE envelope per record, at `ledger/000000000000.json` and on.

This account's home remembers, outside the store, which ledger it opened and the last record that it saw, so that a
replaced ledger and a cut tail are found.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner, SSlibKey

from expectations.errors import CannotAsk
from expectations.history import NOTHING_YET, Record, Release, State, fold, refusal
from expectations.records import digest_of
from infra.audit import troubles
from infra.envelopes import GENESIS, Unsound, key_of, named_key, public_part, record_key, sign, sound
from infra.keys import pipeline_key, remember, seen
from infra.store import Missing, Store

NONE_BEFORE = "sha256:" + "0" * 64
Decision = tuple[str, str, dict[str, Any]]


class Conflict(Exception):
    """Somebody else appended first: read, and decide again."""


class Tampered(CannotAsk):
    """The ledger is not what was written."""


class Refused(CannotAsk):
    """The record would not be legal now."""


@dataclass(frozen=True)
class Known:
    """Records that were verified, from the first on, and what they add up to."""

    records: tuple[Record, ...] = ()
    state: State = NOTHING_YET

    @property
    def head(self) -> str:
        """The digest of the last."""
        return self.records[-1].digest if self.records else NONE_BEFORE

    def followed_by(self, records: Sequence[Record]) -> "Known":
        """With some more at its end."""
        return Known((*self.records, *records), fold(records, self.state))


class Ledger:
    """The ledger of one store, as one account reads and signs it."""

    def __init__(self, store: Store, home: Path) -> None:
        self._store, self._home = store, home
        self._known = Known()

    def read(self) -> list[Record]:
        """All records, in order, each looked at anew. Raises Tampered where one is not as it was written."""
        problems: list[str] = []
        records = self._walk(problems)
        if problems:
            raise Tampered.all_of(problems)
        self._keep(Known().followed_by(records))
        return records

    def is_new(self) -> bool:
        """Whether nothing is in the store, and this account never saw anything in it."""
        return seen(self._home, self._store.url) is None and not self._store.keys("ledger/")

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
        return self._append(self._read_on(), expected_head, kind, model, body)

    def decide_and_append(self, decide: Callable[[State], Decision | None]) -> Record | None:
        """Appends what `decide` says of the present state; on a conflict it reads on and decides again."""
        lost = ""
        while True:
            known = self._read_on()
            if known.head == lost:
                raise CannotAsk(f"{record_key(len(known.records))}: expected a record that another wrote, found none.")
            decision = decide(known.state)
            if decision is None:
                return None
            try:
                return self._append(known, known.head, *decision)
            except Conflict:
                lost = known.head

    def _append(self, known: Known, expected_head: str, kind: str, model: str, body: dict[str, Any]) -> Record:
        # The head first: whoever decided on an older state is to decide again, not to be told that it is illegal.
        if known.head != expected_head:
            raise Conflict(expected_head)
        reason = "a store is opened once." if kind == GENESIS else refusal(known.state, kind, model, body)
        if reason is not None:
            raise Refused(reason)
        record = self._write(len(known.records), expected_head, kind, model, body)
        self._known = known.followed_by([record])
        return record

    def _read_on(self) -> Known:
        """What is known and the records after it, at least the first; of the known ones the last is looked at again.

        An append needs no more, since it names the last by its digest; `read` and `problems` look at all.
        """
        # Before the records: what is pinned later may have been written after they were read.
        pinned, known, problems = seen(self._home, self._store.url), self._known, list[str]()
        try:
            known = known.followed_by(list(self._following(known.records)))
            _up_to(known.records, pinned, problems)
        except Unsound as error:
            problems.append(str(error))
        if not problems:
            return self._keep(known)
        # Whatever it is, to look at everything tells it best.
        if not self.read():
            self._open()
            self.read()
        return self._known

    def _following(self, known: tuple[Record, ...]) -> Iterator[Record]:
        """The records after those, found without a listing. Raises Unsound where they do not go on from there."""
        if not known or digest_of(self._data(record_key(known[-1].seq))) != known[-1].digest:
            raise Unsound("ledger: nothing is known to go on from.")
        last, trusted = known[-1], key_of(known[0].body["public_key"])
        with suppress(Missing):
            while True:
                data = self._store.get(record_key(last.seq + 1))
                last = sound(data, last.seq + 1, last.digest, trusted)
                yield last

    def _keep(self, known: Known) -> Known:
        if known.records and known.head != self._known.head:
            self._remember(known.records[-1], known.records[0].body["public_key"])
        self._known = known
        return known

    def problems(self) -> list[str]:
        """Everything that is not as it was written: records, signatures, steps, blobs. Empty where all is sound."""
        found: list[str] = []
        records = self._walk(found)
        return found + troubles(self._store, records)

    def _walk(self, problems: list[str]) -> list[Record]:
        """The sound records, in order; every other one is a sentence in `problems`."""
        records: list[Record] = []
        # Before the listing: what is pinned later may be a record that was written after it.
        pinned = seen(self._home, self._store.url)
        keys = self._store.keys("ledger/")
        trusted = self._trusted(keys, pinned, problems)
        before = NONE_BEFORE
        for at, (key, data) in enumerate(zip(keys, self._all(keys), strict=True)):
            if trusted is None:
                break
            if key != record_key(at):
                problems.append(
                    f"ledger: expected record {at}, found {key}: one was removed. Bring it back from a copy."
                )
                break
            try:
                records.append(sound(data, at, before, trusted))
            except Unsound as error:
                problems.append(str(error))
            before = digest_of(data)
        if not problems:
            _up_to(records, pinned, problems)
        return records

    def _all(self, keys: list[str]) -> Iterator[bytes]:
        # Side by side: from a server far away each takes a while.
        with ThreadPoolExecutor(16) as pool:
            yield from pool.map(self._data, keys)

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
            return key_of(pinned["public_key"] if pinned else named_key(self._data(keys[0])))
        except (ValueError, KeyError, TypeError):
            problems.append(f"record 0: expected {GENESIS!r} with a key to trust, found something else.")
            return None

    def _remember(self, last: Record, public_key: dict[str, Any]) -> None:
        value = {"seq": last.seq, "digest": last.digest, "public_key": public_key}
        remember(self._home, self._store.url, value)

    def _open(self) -> Record:
        public = public_part(pipeline_key(self._home))
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
        data = sign(content, signer)
        if not self._store.put_if_absent(record_key(seq), data):
            raise Conflict(previous)
        record = Record(**content, digest=digest_of(data))
        # At once: a record that is cut off before anybody read it is found too.
        self._remember(record, public_part(signer))
        return record

    def _signer(self) -> CryptoSigner:
        signer, pinned = pipeline_key(self._home), seen(self._home, self._store.url)
        if pinned and pinned["public_key"]["keyid"] != signer.public_key.keyid:
            raise CannotAsk(
                f"{self._store.url}: this account's key is not the one that opened the store. "
                "Set SEATRIAL_HOME to the home of the account that did."
            )
        return signer


def _up_to(records: Sequence[Record], pinned: dict[str, Any] | None, problems: list[str]) -> None:
    """A problem if the record that this account saw last is not among them."""
    if pinned is None:
        return
    seq, digest = pinned["seq"], pinned["digest"]
    if seq >= len(records):
        problems.append(f"ledger: expected at least {seq + 1} records, found {len(records)}: its end was cut off.")
    elif records[seq].digest != digest:
        found = records[seq].digest[:19]
        problems.append(f"record {seq}: expected {digest[:19]}, which was seen before, found {found}.")
