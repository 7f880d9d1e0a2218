"""Is everything in a store what its name says, and is everything there that the ledger names?"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from securesystemslib.signer import SSlibKey

from expectations.history import Record
from expectations.records import digest_of
from infra.answers import step_answer
from infra.checkpoints import Known, checkpoint, checkpoint_key
from infra.envelopes import Unsound
from infra.store import Corrupt, Missing, Store

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def troubles(store: Store, records: Sequence[Record], trusted: SSlibKey) -> list[str]:
    """A sentence for each blob, answer of a step, checkpoint and dossier that is changed or gone."""
    found: list[str] = []
    kept = {f"sha256:{key.rsplit('/', 1)[1]}" for key in store.keys("blobs/sha256/")}
    for digest in sorted(kept):
        found += _trouble(f"blob {digest}", partial(store.check_blob, digest))
    for record in records:
        lost = {name: digest for name, digest in named_blobs(record.body) if digest not in kept}
        found += [f"record {record.seq}: its blob {name} is gone: {digest}." for name, digest in lost.items()]
    for key in store.keys("steps/"):
        found += _trouble(key, partial(step_answer, store, key, trusted))
    return [*found, *_checkpoints(store, records, trusted), *_dossiers(store, records)]


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
    """Is each page the one that its release was judged with? One of a release that was never judged is nobody's."""
    pages = {
        f"dossiers/{record.body['release']}.html": record.body["blobs"].get("page")
        for record in records
        if record.kind == "release judged" and isinstance(record.body.get("blobs"), dict)
    }
    for key in store.keys("dossiers/"):
        if pages.get(key) not in (None, digest_of(store.get(key))):
            yield f"{key}: not the page that the release was judged with. The blob {pages[key]} holds that one."


def _trouble(name: str, look: Callable[[], object]) -> list[str]:
    try:
        look()
    except Corrupt as error:
        return list(error.problems)
    except Missing:
        return [f"{name}: expected it where its name says, found nothing there. Bring it back from a copy."]
    return []


def named_blobs(value: Any) -> Iterator[tuple[str, str]]:
    """Each (name, digest) under a key `blobs`, however deep."""
    if isinstance(value, list):
        for item in value:
            yield from named_blobs(item)
    if isinstance(value, dict):
        named = value.get("blobs")
        if isinstance(named, dict):
            yield from ((k, v) for k, v in named.items() if isinstance(v, str) and DIGEST.fullmatch(v))
        for item in value.values():
            yield from named_blobs(item)
