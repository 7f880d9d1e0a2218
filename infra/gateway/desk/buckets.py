"""How often each caller may ask: token buckets in memory that all processes of a gateway share, so that a limit is one
limit and not one for each process.

A bucket is 24 bytes: who (a hash of 64 bits), how full, since when. Each caller has eight places; where all are taken,
the one that was used longest ago is given away: its owner's bucket has filled up in the meantime, or nearly.
"""

import fcntl
import mmap
import os
import struct
import tempfile
import time

import xxhash

BUCKET = struct.Struct("<Qdd")
PLACES, SETS = 8, 4096
SET_BYTES = BUCKET.size * PLACES


def shared_memory() -> int:
    """A file descriptor of memory for buckets, to be inherited by processes."""
    descriptor, path = tempfile.mkstemp(prefix="seatrial-buckets-")
    os.unlink(path)
    os.ftruncate(descriptor, SET_BYTES * SETS)
    return descriptor


class Buckets:
    """A token for each record. For one thread of each process: the lock is between processes, and ends with them."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._file = shared_memory() if descriptor is None else descriptor
        self._memory = mmap.mmap(self._file, SET_BYTES * SETS)

    def take(self, who: str, tokens: int, per_minute: float, burst: int, now: float | None = None) -> float:
        """Seconds to wait until there is a token for `who`; 0.0 where there was one, and `tokens` are taken.

        Whoever takes more than there are is in debt until they have come: no batch is too large, and none is free.
        """
        name = xxhash.xxh64_intdigest(who.encode("utf-8", "surrogatepass")) or 1
        start, rate = (name % SETS) * SET_BYTES, per_minute / 60
        # CLOCK_MONOTONIC is one clock for all processes.
        moment = time.monotonic() if now is None else now
        fcntl.lockf(self._file, fcntl.LOCK_EX, SET_BYTES, start)
        try:
            at, full = self._find(start, name, rate, burst, moment)
            left = full - tokens if full >= 1.0 else full
            BUCKET.pack_into(self._memory, at, name, left, moment)
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN, SET_BYTES, start)
        return 0.0 if full >= 1.0 else (1.0 - full) / rate

    def _find(self, start: int, name: int, rate: float, burst: int, now: float) -> tuple[int, float]:
        """(where the caller's bucket is, how many tokens are in it)."""
        oldest, since = start, float("inf")
        for at in range(start, start + SET_BYTES, BUCKET.size):
            owner, full, used = BUCKET.unpack_from(self._memory, at)
            if owner == name:
                return at, min(full + max(now - used, 0.0) * rate, float(burst))
            if used < since:
                oldest, since = at, used
        return oldest, float(burst)
