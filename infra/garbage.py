"""Blobs that nothing refers to: what a killed step had kept before it could say so."""

import json
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta

from infra.store import Corrupt, Missing, Store, blob_key

DIGEST = re.compile(rb"sha256:[0-9a-f]{64}")
# A release that runs just now keeps blobs before it names them.
OLD = timedelta(days=1)
# What names other blobs is small: manifests, packages, dossiers.
MOST_READ = 4 << 20


def garbage(store: Store, old: timedelta = OLD) -> list[str]:
    """The digests of all blobs that are old and that no record, answer of a step or JSON blob names. Sorted."""
    # Before what names them: a blob that is named later is young, or was kept again and is young by that.
    kept = {f"sha256:{key.rsplit('/', 1)[1]}" for key in store.keys("blobs/sha256/")}
    nameless = kept - named_by(store, _roots(store))
    return sorted(digest for digest in nameless if _is_old(store, digest, old))


def remove_garbage(store: Store, digests: list[str], old: timedelta = OLD) -> list[str]:
    """Removes those that are still old: a blob that was kept again meanwhile stays. Returns what was removed."""
    gone = [digest for digest in digests if _is_old(store, digest, old)]
    for digest in gone:
        store.remove(blob_key(digest))
    return gone


def _is_old(store: Store, digest: str, old: timedelta) -> bool:
    try:
        return store.age_seconds(blob_key(digest)) > old.total_seconds()
    except Missing:
        return False


def named_by(store: Store, texts: Iterable[bytes]) -> set[str]:
    """Every blob that is there and that the texts name, and those that the JSON blobs among them name in turn."""
    found: set[str] = set()
    seen: set[str] = set()
    waiting = {digest for text in texts for digest in _digests(text)}
    while waiting:
        seen |= waiting
        read = {digest: text for digest in waiting if (text := _json(store, digest)) is not None}
        found |= read.keys()
        waiting = {digest for text in read.values() for digest in _digests(text)} - seen
    return found


def _roots(store: Store) -> Iterator[bytes]:
    """What records and answers say. Raises Corrupt where one cannot be read: what it names could not be told."""
    from securesystemslib.dsse import Envelope

    # Of what monitoring saw each turn holds all; the last one alone is read again.
    yield from (store.get(key) for key in _last_of_each_folder(store.keys("monitoring/")))
    for key in (*store.keys("ledger/"), *store.keys("steps/")):
        try:
            yield Envelope.from_dict(json.loads(store.get(key))).payload
        except (ValueError, KeyError, TypeError):
            raise Corrupt(f"{key}: cannot be read, so nothing is garbage. `seatrial verify` tells more.") from None


def _last_of_each_folder(keys: Iterable[str]) -> Iterable[str]:
    return {key.rpartition("/")[0]: key for key in sorted(keys)}.values()


def _json(store: Store, digest: str) -> bytes | None:
    """The text of a JSON blob, nothing of another kind; None of what is no blob here, such as a content's digest."""
    try:
        text = store.get_range(blob_key(digest), 0, MOST_READ)
    except Missing:
        return None
    return text if text[:1] in (b"{", b"[") else b""


def _digests(text: bytes) -> Iterator[str]:
    return (match.decode() for match in DIGEST.findall(text))
