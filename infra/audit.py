"""Is everything in a store what its name says, and is everything there that the ledger names?"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from expectations.history import Record
from infra.store import Corrupt, Missing, Store, step_answer

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def troubles(store: Store, records: Sequence[Record]) -> list[str]:
    """A sentence for each blob that is changed or gone, and for each finished step that cannot be read."""
    found: list[str] = []
    kept = {f"sha256:{key.rsplit('/', 1)[1]}" for key in store.keys("blobs/sha256/")}
    for digest in sorted(kept):
        found += _trouble(f"blob {digest}", partial(store.check_blob, digest))
    for record in records:
        lost = {name: digest for name, digest in _blobs(record.body) if digest not in kept}
        found += [f"record {record.seq}: its blob {name} is gone: {digest}." for name, digest in lost.items()]
    for key in store.keys("steps/"):
        found += _trouble(key, partial(step_answer, store, key))
    return found


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
