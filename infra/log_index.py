"""Which files of the log hold which requests: a day's thousands of files are opened for it once, and not each time."""

import os
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile

import polars as pl
import xxhash

from infra.keys import home, place_name
from infra.prediction_log import AT_ONCE, Kind, read_file
from infra.store import WRITING, Store

# Hashes of requests: what is found by one that two requests share is one file too many.
HELD = {"request": pl.UInt64, "file": pl.String}
# A file begins with what the rest of it must hash to: what a disk made of it would not be found, and truths be lost.
DIGEST = 32


class LogIndex:
    """Of one kind and model: a file for each day in this account's cache, which can be removed at any time."""

    def __init__(self, store: Store, kind: Kind, model: str) -> None:
        self._store, self._folder = store, home() / "cache" / "log" / place_name(store.url) / kind / model

    def holding(self, day: datetime, names: Collection[str], requests: Iterable[str]) -> set[str]:
        """Those of the files `names`, all of one day, that hold one of the requests; now and then one more.

        Raises CannotAsk where a file that is not known yet cannot be read.
        """
        sought = _hashed(requests)
        if not len(sought) or not names:
            return set()
        found = self._held(self._folder / f"{day:%Y-%m-%d}", {*names})
        return {*found.filter(pl.col("request").is_in(sought.implode()))["file"]} & {*names}

    def _held(self, path: Path, names: set[str]) -> pl.DataFrame:
        known = _kept(path)
        if more := sorted(names - {*known["file"].unique()}):
            with ThreadPoolExecutor(AT_ONCE) as pool:
                known = pl.concat([known, *pool.map(self._requests, more)])
            _keep(path, known)
        return known

    def _requests(self, name: str) -> pl.DataFrame:
        requests = read_file(self._store, name, ["request_id"])["request_id"].unique()
        # A file of no rows is known too, by a request that nobody makes.
        return pl.DataFrame({"request": _hashed(requests if len(requests) else [""]), "file": name}, schema=HELD)


def _hashed(requests: Iterable[str]) -> pl.Series:
    hashes = [xxhash.xxh64_intdigest(one.encode("utf-8", "surrogatepass")) for one in requests]
    return pl.Series(hashes, dtype=pl.UInt64)


def _kept(path: Path) -> pl.DataFrame:
    # Of another version, or damaged by a disk: it is made anew.
    with suppress(OSError, pl.exceptions.PolarsError):
        kept = path.read_bytes()
        digest, held = kept[:DIGEST], kept[DIGEST:]
        if sha256(held).digest() == digest:
            return pl.read_parquet(BytesIO(held), schema=HELD)
    return pl.DataFrame(schema=HELD)


def _keep(path: Path, known: pl.DataFrame) -> None:
    held = BytesIO()
    known.write_parquet(held)
    # Where there is no room it is found anew each time, which is slow and no less right.
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with NamedTemporaryFile(dir=path.parent, prefix=WRITING, delete=False) as file:
            try:
                file.write(sha256(held.getvalue()).digest() + held.getvalue())
                file.flush()
                os.replace(file.name, path)
            finally:
                Path(file.name).unlink(missing_ok=True)
