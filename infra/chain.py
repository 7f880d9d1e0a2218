"""The chain of records in a store: read as a whole, or on from what was verified before."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from typing import Any

from securesystemslib.signer import SSlibKey

from expectations.history import Record
from expectations.records import digest_of
from infra.checkpoints import NONE_BEFORE, Known, newest_checkpoint
from infra.envelopes import GENESIS, RECORD, Unsound, key_of, named_key, record_key, signed, sound
from infra.store import Missing, Store


class Chain:
    """The records of a store, as an account reads them that saw the record `pinned` last: {seq, digest, public_key}.

    What is pinned must have been read before any record is: later it may be one that was written after the reading.
    """

    def __init__(self, store: Store, pinned: dict[str, Any] | None) -> None:
        self._store, self._pinned = store, pinned

    @cached_property
    def public_key(self) -> dict[str, Any]:
        """What this account has pinned; on first use, what the first record names. Raises Unsound."""
        try:
            public: dict[str, Any] = self._pinned["public_key"] if self._pinned else named_key(self._data(0))
            key_of(public)
        except (ValueError, KeyError, TypeError):
            raise Unsound(f"record 0: expected {GENESIS!r} with a key to trust, found something else.") from None
        return public

    @property
    def trusted(self) -> SSlibKey:
        """The key that every record is signed with. Raises Unsound."""
        return key_of(self.public_key)

    def checkpoint(self) -> Known | None:
        """The newest one, if there is one that is sound."""
        with suppress(Unsound):
            return newest_checkpoint(self._store, self.trusted)
        return None

    def content(self, seq: int) -> dict[str, Any]:
        """One record, by itself. Raises Unsound where it is not what was signed for this place."""
        try:
            content = signed(self._data(seq), RECORD, self.trusted)
        except Unsound as error:
            raise Unsound(f"record {seq}: {error}") from None
        if content["seq"] != seq:
            raise Unsound(f"record {seq}: found record {content['seq']} in its place.")
        return content

    def follow(self, known: Known, look_behind: bool) -> list[Record]:
        """The records after those that are known. Raises Unsound where they do not go on from there.

        `look_behind` lists what lies after them too: a record that was left out is seen by those that follow it.
        """
        if digest_of(self._data(known.seq)) != known.head:
            raise Unsound(f"record {known.seq}: expected {known.head[:19]}, which was seen before, found another.")
        records = list(self._following(known.seq, known.head))
        last = known.seq + len(records)
        behind = self._store.keys("ledger/", record_key(last)) if look_behind else []
        if behind and behind[0] != record_key(last + 1):
            raise Unsound(f"ledger: expected record {last + 1}, found {behind[0]}: one was removed.")
        self._expect_pinned(known, records)
        return records

    def _following(self, seq: int, head: str) -> Iterator[Record]:
        with suppress(Missing):
            while True:
                record = sound(self._store.get(record_key(seq + 1)), seq + 1, head, self.trusted)
                seq, head = record.seq, record.digest
                yield record

    def _expect_pinned(self, known: Known, records: Sequence[Record]) -> None:
        """Raises Unsound if the record that this account saw last is not among them."""
        if self._pinned is None:
            return
        seq, last = self._pinned["seq"], known.seq + len(records)
        if seq > last:
            raise Unsound(
                f"ledger: expected at least {seq + 1} records, found {last + 1}: its end was cut off. "
                "Bring it back from a copy."
            )
        digests = {known.seq: known.head, **{record.seq: record.digest for record in records}}
        found = digests.get(seq) or digest_of(self._data(seq))
        if found != self._pinned["digest"]:
            seen = self._pinned["digest"][:19]
            raise Unsound(f"record {seq}: expected {seen}, which was seen before, found {found[:19]}.")

    def walk(self, problems: list[str]) -> list[Record]:
        """All sound records, in order; every other one is a sentence in `problems`."""
        keys = self.keys()
        if not keys:
            if self._pinned:
                problems.append(
                    f"ledger: expected {self._pinned['seq'] + 1} records, found none: it was emptied. Bring it back "
                    "from a copy; if it was emptied on purpose, use another place: of this one the records are known."
                )
            return []
        try:
            records = list(self._walked(keys, problems))
            if not problems:
                self._expect_pinned(Known(), records)
            return records
        except Unsound as error:
            problems.append(str(error))
            return []

    def keys(self) -> list[str]:
        """Where records lie, sorted. A list can be older than what it lists, so an empty one is looked behind."""
        return self._store.keys("ledger/") or ([record_key(0)] if self._data(0) else [])

    def _walked(self, keys: list[str], problems: list[str]) -> Iterator[Record]:
        trusted, before = self.trusted, NONE_BEFORE
        for at, (key, data) in enumerate(zip(keys, self._all(keys), strict=True)):
            if key != record_key(at):
                problems.append(
                    f"ledger: expected record {at}, found {key}: one was removed. Bring it back from a copy."
                )
                return
            try:
                yield sound(data, at, before, trusted)
            except Unsound as error:
                problems.append(str(error))
            before = digest_of(data)
        # A list can be older than what it lists.
        try:
            yield from self._following(len(keys) - 1, before)
        except Unsound as error:
            problems.append(str(error))

    def _all(self, keys: list[str]) -> Iterator[bytes]:
        # Side by side: from a server far away each takes a while.
        with ThreadPoolExecutor(16) as pool:
            yield from pool.map(self._got, keys)

    def _data(self, seq: int) -> bytes:
        return self._got(record_key(seq))

    def _got(self, key: str) -> bytes:
        try:
            return self._store.get(key)
        except Missing:
            return b""
