"""Live lookups of one package: what its live sources say of the keys that were sent, as inputs beside them."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from expectations.live import NOT_ASKED, LiveLookup, live_input, state_input
from infra.gateway.contract import Tensors
from infra.gateway.live.live_source import Counts, LiveSource
from infra.sources.live import Key

# A key that is longer is no key.
LONGEST_KEY = 1000
MOST_WHOLE = 2**53


class LiveLookups:
    """`fill` before the package is asked. Neither raises for what a source does: the frozen values stand in."""

    def __init__(self, signature: Mapping[str, Any], now: Callable[[], float] = time.monotonic) -> None:
        inputs = {item["column"]: item["input"] for item in signature["inputs"]}
        self._tables = [_Table(told, inputs[told["key"]], now) for told in signature.get("live_lookups", ())]
        self._now = now
        self._told: dict[tuple[str, str], int] = {}

    def __bool__(self) -> bool:
        """Whether the package has any."""
        return bool(self._tables)

    def needs_wait(self, tensors: Tensors) -> bool:
        """Whether a key was sent that is not fresh in the cache."""
        return any(
            not table.source.is_fresh(key, self._now())
            for table in self._tables
            for key in _distinct(table.keys(tensors))
        )

    async def fill(self, tensors: Tensors, rows: int) -> Tensors:
        """The tensors and the live inputs for all rows. Where all is fresh it waits for nothing."""
        asked = [(table, keys) for table in self._tables if len(keys := table.keys(tensors)) == rows]
        began = self._now()
        waits = [table.source.look(_distinct(keys), began) for table, keys in asked]
        if len(waits) == 1:
            await waits[0]
        elif waits:
            await asyncio.gather(*waits)
        filled = dict(tensors)
        for table, keys in asked:
            filled |= table.inputs(keys, began)
        return filled

    def warm(self, seconds: float = 3.0) -> None:
        """Opens the connections, before the first request finds the time limit too short for that. Blocks, at most for
        so long for each source, and never raises."""
        for table in self._tables:
            table.source.warm(seconds)

    def counts(self) -> dict[str, Counts]:
        """What became of the keys, by source."""
        return {table.source.name: table.source.counts for table in self._tables}

    def taken(self) -> dict[tuple[str, str], int]:
        """What came of keys since this was asked last: {(source, what): how often}, without what did not happen."""
        now = {(name, what): n for name, counts in self.counts().items() for what, n in asdict(counts).items()}
        new = {place: n - self._told.get(place, 0) for place, n in now.items() if n > self._told.get(place, 0)}
        self._told = now
        return new

    def problems(self) -> dict[str, str]:
        """What went wrong last, by source, without any secret; of those that are not answering at present."""
        return {table.source.name: table.source.problem for table in self._tables if table.source.is_away}

    def close(self) -> None:
        """Ends threads and connections."""
        for table in self._tables:
            table.source.close()


def _distinct(keys: Sequence[Key | None]) -> set[Key]:
    """What a source is asked for: no missing key."""
    return {key for key in keys if key is not None}


class _Table:
    """One live lookup: whose keys, and which inputs."""

    def __init__(self, told: Mapping[str, Any], key_input: str, now: Callable[[], float]) -> None:
        self._key_input = key_input
        self._key, self._is_text = told["key"], told["kind"] == "string"
        self._columns = [live_input(column) for column in told["columns"]]
        self._state = state_input(told["source"])
        live = LiveLookup.model_validate(told["live"])
        self.source = LiveSource(told["source"], live, told["columns"], now)

    def keys(self, tensors: Tensors) -> Sequence[Key | None]:
        """Each row's key; none where the key was not sent, or as what it is not."""
        values = tensors.get(self._key_input, tensors.get(self._key))
        if values is None or (values.dtype == object) is not self._is_text:
            return ()
        key = _text if self._is_text else _whole
        return [key(value) for value in values.ravel().tolist()]

    def inputs(self, keys: Sequence[Key | None], began: float) -> dict[str, npt.NDArray[Any]]:
        """The live inputs, [n, 1] each."""
        said: dict[Key | None, tuple[tuple[float, ...], int]] = {None: ((np.nan,) * len(self._columns), NOT_ASKED)}
        said |= {key: self.source.says(key, began) for key in _distinct(keys)}
        values = np.array([said[key][0] for key in keys], dtype=np.float64).reshape(len(keys), len(self._columns))
        found: dict[str, npt.NDArray[Any]] = {name: values[:, at : at + 1] for at, name in enumerate(self._columns)}
        found[self._state] = np.array([[said[key][1]] for key in keys], dtype=np.int64)
        return found


def _text(value: Any) -> Key | None:
    return value if isinstance(value, str) and 0 < len(value) <= LONGEST_KEY else None


def _whole(value: Any) -> Key | None:
    return int(value) if -MOST_WHOLE <= value <= MOST_WHOLE and value == int(value) else None
