"""Is everything in a store what its name says, and is everything there that the ledger names?"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from securesystemslib.signer import SSlibKey

from expectations.approvals import ATTESTED
from expectations.errors import CannotAsk
from expectations.history import NOTHING_YET, Record, fold, refusal
from expectations.records import digest_of, named_blobs
from expectations.statements import DECISION, content_of, is_signed_by, public_key
from infra.answers import step_answer
from infra.checkpoints import Known, checkpoint, checkpoint_key
from infra.envelopes import Unsound
from infra.signatures import check_signature, signed_parts
from infra.store import Corrupt, Missing, Store
from infra.trust import Trust

COPY = "Bring it back from a copy or an archive (`seatrial import`)."
AGAIN = "Or remove the answer: the step runs again."


def troubles(store: Store, records: Sequence[Record], trusted: SSlibKey, trust: Trust) -> list[str]:
    """A sentence for each blob, answer of a step, checkpoint and dossier that is changed or gone, and for each
    signature of a package or dossier that is not one of a key in `trust`."""
    found: list[str] = []
    kept = {f"sha256:{key.rsplit('/', 1)[1]}" for key in store.keys("blobs/sha256/")}
    for digest in sorted(kept):
        found += _trouble(f"blob {digest}", partial(store.check_blob, digest))
    for record in records:
        found += _lost(store, f"record {record.seq}", record.body, kept, COPY)
    for key in store.keys("steps/"):
        found += _answer(store, key, trusted, kept)
    found += [*_illegal(records, trusted), *_checkpoints(store, records, trusted), *_dossiers(store, records)]
    return [*found, *_signatures(store, records, trust)]


def _illegal(records: Sequence[Record], trusted: SSlibKey) -> Iterator[str]:
    """Records that no writer of ours would have appended: somebody else did, with the key, or another version."""
    state = NOTHING_YET
    for record in records:
        if reason := refusal(state, record.kind, record.model, record.body, record.time):
            yield f"record {record.seq}: {record.kind!r} counts for nothing: {reason}"
        state = fold([record], state)
        attested = (content_of(record.body.get("envelope"), DECISION) or {}).get("predicate", {})
        if attested.get("strength") == ATTESTED and not is_signed_by(record.body["envelope"], [public_key(trusted)]):
            yield f"record {record.seq}: the decision in it is not attested by the key of this ledger."


def _answer(store: Store, key: str, trusted: SSlibKey, kept: set[str]) -> list[str]:
    try:
        return _lost(store, key, step_answer(store, key, trusted), kept, f"{COPY} {AGAIN}")
    except (Corrupt, Missing) as error:
        return list(error.problems)


def _lost(store: Store, where: str, names: Any, kept: set[str], remedy: str) -> list[str]:
    """A sentence for each blob that is named there and is gone; a list can be older than the blob, so it is asked."""
    gone = {name: digest for name, digest in named_blobs(names) if digest not in kept and _is_gone(store, digest)}
    return [f"{where}: its blob {name} is gone: {digest}. {remedy}" for name, digest in gone.items()]


def _is_gone(store: Store, digest: str) -> bool:
    try:
        store.check_blob(digest)
    except Missing:
        return True
    except Corrupt:
        # Told with the blobs.
        return False
    return False


def _checkpoints(store: Store, records: Sequence[Record], trusted: SSlibKey) -> Iterator[str]:
    """Does each say what the records up to it add up to?"""
    known = Known()
    for key in store.keys("checkpoints/"):
        try:
            told = checkpoint(store.get(key), trusted)
        except Unsound as error:
            yield f"{key}: {error} Remove it: it only saves time."
            continue
        known = known.followed_by(records[known.seq + 1 : told.seq + 1])
        if told != known or key != checkpoint_key(told.seq):
            yield f"{key}: does not say what the records up to {told.seq} add up to. Remove it: it only saves time."


def _dossiers(store: Store, records: Sequence[Record]) -> Iterator[str]:
    """Is each page there, and the one that its release was judged with? One of a release never judged is nobody's."""
    pages = {
        f"dossiers/{record.body['release']}.html": record.body["blobs"].get("page")
        for record in records
        if record.kind == "release judged" and isinstance(record.body.get("blobs"), dict)
    }
    lying = store.keys("dossiers/")
    for key in lying:
        if pages.get(key) not in (None, digest_of(store.get(key))):
            yield f"{key}: not the page that the release was judged with. The blob {pages[key]} holds that one."
    for key in sorted({key for key, page in pages.items() if page} - {*lying}):
        yield f"{key}: expected the page that the release was judged with, found none. The blob {pages[key]} holds it."


def _signatures(store: Store, records: Sequence[Record], trust: Trust) -> Iterator[str]:
    """Those that verdicts name. What a record says is signed itself, so one without them is older, and not damaged."""
    for record in records:
        blobs = record.body.get("blobs")
        if record.kind == "release judged" and isinstance(blobs, dict):
            for problem in _unsigned(store, blobs, trust):
                yield f"record {record.seq}: {record.body['release']}: {problem}"


def _unsigned(store: Store, blobs: dict[str, str], trust: Trust) -> Iterator[str]:
    try:
        parts = list(signed_parts(store, blobs))
    except KeyError as error:
        yield f"expected the blob {error} beside its signature, found none."
        return
    except (Corrupt, Missing):
        # Told with the blobs.
        return
    for what, signature in parts:
        try:
            check_signature(store, what, signature, trust)
        except (Corrupt, Missing):
            continue
        except CannotAsk as error:
            yield from error.problems


def _trouble(name: str, look: Callable[[], object]) -> list[str]:
    try:
        look()
    except Corrupt as error:
        return list(error.problems)
    except Missing:
        return [f"{name}: expected it where its name says, found nothing there. Bring it back from a copy."]
    return []
