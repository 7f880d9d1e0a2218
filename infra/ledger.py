"""The ledger: append-only, hash-chained, signed. One DSSE envelope per record, at `ledger/000000000000.json` and on.

This account's home remembers, outside the store, which ledger it opened and the last record that it saw, so that a
replaced ledger and a cut tail are found.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner

from expectations.errors import CannotAsk
from expectations.history import Record, Release, State, refusal
from expectations.records import digest_of
from infra.audit import troubles
from infra.chain import Chain
from infra.checkpoints import NONE_BEFORE, Known, keep_checkpoint
from infra.envelopes import GENESIS, RECORD, Unsound, public_part, record_key, sign
from infra.keys import existing_key, pipeline_key, remember, seen
from infra.store import Store
from infra.trust import Trust

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
        self.store, self._home = store, home
        self._known = Known()

    def read(self) -> list[Record]:
        """All records, in order, each looked at anew. Raises Tampered where one is not as it was written."""
        problems: list[str] = []
        chain = self._chain()
        records = chain.walk(problems)
        if problems:
            raise Tampered.all_of(problems)
        self._keep(Known().followed_by(records), chain)
        return records

    def is_new(self) -> bool:
        """Whether nothing is in the store, and this account never saw anything in it."""
        return seen(self._home, self.store.url) is None and not self._chain().keys()

    def state(self) -> State:
        """The fold over all records, from the newest checkpoint on."""
        return self.known().state

    def known(self) -> Known:
        """The last record's number and digest beside that fold; cheap where nothing is new."""
        return self._read_on()

    def verdict(self, release: Release) -> dict[str, Any]:
        """What a judged release's verdict said: its blobs and figures too. Raises Tampered."""
        body: dict[str, Any] = self._judging(release)["body"]
        return body

    def judged_time(self, release: Release) -> str:
        """When a release was judged, as the ledger writes times. Raises Tampered."""
        return str(self._judging(release)["time"])

    def append(self, expected_head: str, kind: str, model: str, body: dict[str, Any]) -> Record:
        """The record, now last, if `expected_head` was; else Conflict. Raises Refused where it is not legal."""
        return self._append(self._opened(), expected_head, kind, model, body)

    def decide_and_append(self, decide: Callable[[State], Decision | None]) -> Record | None:
        """Appends what `decide` says of the present state; on a conflict it reads on and decides again."""
        lost = ""
        while True:
            known = self._opened()
            if known.head == lost:
                raise CannotAsk(f"{record_key(known.seq + 1)}: expected a record that another wrote, found none.")
            decision = decide(known.state)
            if decision is None:
                return None
            try:
                return self._append(known, known.head, *decision)
            except Conflict:
                lost = known.head

    def problems(self, trust: Trust | None = None) -> list[str]:
        """Everything that is not as it was written: records, signatures, steps, blobs. Empty where all is sound.

        Packages and dossiers are to be signed by a key that `trust` knows: this account's own, where none is given.
        """
        found: list[str] = []
        chain = self._chain()
        records = chain.walk(found)
        trust = trust or Trust(self._home)
        return found + (troubles(self.store, records, chain.trusted, trust) if records else [])

    def _judging(self, release: Release) -> dict[str, Any]:
        """The record of a release's verdict."""
        if release.judged_at is None:
            raise CannotAsk(f"{release.id} was not judged yet: it is {release.status}.")
        try:
            return self._chain().content(release.judged_at)
        except Unsound as error:
            raise Tampered(str(error)) from None

    def _append(self, known: Known, expected_head: str, kind: str, model: str, body: dict[str, Any]) -> Record:
        # The head first: whoever decided on an older state is to decide again, not to be told that it is illegal.
        if known.head != expected_head:
            raise Conflict(expected_head)
        time = now()
        reason = "a store is opened once." if kind == GENESIS else refusal(known.state, kind, model, body, time)
        if reason is not None:
            raise Refused(reason)
        record = self._write(known.seq + 1, expected_head, kind, model, body, time)
        self._known = known.followed_by([record])
        keep_checkpoint(self.store, self._known, self.signer())
        return record

    def _opened(self) -> Known:
        """What is known and the records after it, at least the first."""
        known = self._read_on()
        if known.seq < 0:
            self._open()
            known = self._read_on()
        return known

    def _read_on(self) -> Known:
        """What is known, at first from the newest checkpoint, and the records after it.

        Of the known ones the last is looked at again: an append needs no more, since it names the last by its digest.
        """
        chain = self._chain()
        new = self._known.seq < 0
        known = chain.checkpoint() if new else self._known
        reason = ""
        try:
            if known is not None:
                return self._keep(known.followed_by(chain.follow(known, look_behind=new)), chain)
        except Unsound as error:
            reason = str(error)
        # Whatever it is, to look at everything tells it best.
        self.read()
        if reason:
            raise Tampered(reason)
        return self._known

    def _chain(self) -> Chain:
        return Chain(self.store, seen(self._home, self.store.url))

    def _keep(self, known: Known, chain: Chain) -> Known:
        if known.seq >= 0 and known.head != self._known.head:
            self._remember(known.seq, known.head, chain.public_key)
        self._known = known
        return known

    def _remember(self, seq: int, digest: str, public_key: dict[str, Any]) -> None:
        remember(self._home, self.store.url, {"seq": seq, "digest": digest, "public_key": public_key})

    def _open(self) -> None:
        public = public_part(pipeline_key(self._home))
        try:
            self._write(0, NONE_BEFORE, GENESIS, "", {"keyid": public["keyid"], "public_key": public}, now())
        except Conflict:
            # Another opened it first.
            self.read()

    def _write(self, seq: int, previous: str, kind: str, model: str, body: dict[str, Any], time: str) -> Record:
        content: dict[str, Any] = {
            "seq": seq,
            "previous": previous,
            "time": time,
            "kind": kind,
            "model": model,
            "body": body,
        }
        signer = self.signer()
        data = sign(content, RECORD, signer)
        if not self.store.put_if_absent(record_key(seq), data):
            raise Conflict(previous)
        record = Record(**content, digest=digest_of(data))
        # At once: a record that is cut off before anybody read it is found too.
        self._remember(record.seq, record.digest, public_part(signer))
        return record

    def is_writer(self) -> bool:
        """Whether this account holds the key that records of this ledger are signed with; on a new one it will."""
        if self.is_new():
            return True
        self.known()
        pinned = seen(self._home, self.store.url)
        if pinned is None:
            return False
        mine = existing_key(self._home)
        return mine is not None and pinned["public_key"]["keyid"] == mine.public_key.keyid

    def signer(self) -> CryptoSigner:
        """Who signs records. Raises CannotAsk where this account is not the one that opened the store."""
        signer, pinned = pipeline_key(self._home), seen(self._home, self.store.url)
        if pinned and pinned["public_key"]["keyid"] != signer.public_key.keyid:
            raise CannotAsk(
                f"{self.store.url}: this account's key is not the one that opened the store. "
                "Set SEATRIAL_HOME to the home of the account that did."
            )
        return signer


def now() -> str:
    """As the ledger writes times: UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
