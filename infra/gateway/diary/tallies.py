"""Numbers that several processes count together: prometheus-client's multiprocess files, one set a process.

Each process holds a lock as long as it lives. What a dead one counted is added to the counts of all dead ones; what it
said of its own state is forgotten.
"""

import fcntl
import os
import secrets
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.utils import INF, floatToGoString

ALIVE, DEAD = ".alive", "dead"
# They only grow, so that a dead process's are still true.
LASTING = ("counter", "histogram")


class Cell:
    """One number: counted by one thread at a time, without a lock, and kept in the process's file now and then."""

    def __init__(self, file: MmapedDict, key: str) -> None:
        self._file, self._key = file, key
        self._value = self._kept = file.read_value(key)[0]

    def add(self, amount: float) -> None:
        """Counts."""
        self._value += amount

    def set(self, value: float) -> None:
        """Says how it is."""
        self._value = value

    def keep(self) -> None:
        """Into the file, where it is new."""
        if (value := self._value) != self._kept:
            self._kept = value
            self._file.write_value(self._key, value, 0.0)


class Buckets:
    """How many values were at most as large as each bound, and their sum."""

    def __init__(self, bounds: Sequence[float], cells: Sequence[Cell], total: Cell) -> None:
        self._bounds, self._cells, self._total = bounds, cells, total

    def observe(self, value: float) -> None:
        """Counts."""
        self._cells[bisect_left(self._bounds, value)].add(1)
        self._total.add(value)


class Tallies:
    """One process's numbers."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder, self._lock = folder, Lock()
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        with _alone(folder):
            self._alive = os.open(folder / (self._name + ALIVE), os.O_RDONLY | os.O_CREAT, 0o600)
            fcntl.flock(self._alive, fcntl.LOCK_EX)
        self._files: dict[str, MmapedDict] = {}
        self._cells: list[Cell] = []

    def counter(self, name: str, words: str, labels: Mapping[str, str]) -> Cell:
        """A number that only grows; its sample is `<name>_total`."""
        return self._cell("counter", name, f"{name}_total", words, labels)

    def gauge(self, name: str, words: str, mode: str, labels: Mapping[str, str]) -> Cell:
        """A state; `mode` says which of several processes' is told: livemin, livemax or livesum."""
        return self._cell(f"gauge_{mode}", name, name, words, labels)

    def histogram(self, name: str, words: str, bounds: Sequence[float], labels: Mapping[str, str]) -> Buckets:
        """Values in buckets up to each bound, and one for all above."""
        cells = [
            self._cell("histogram", name, f"{name}_bucket", words, {**labels, "le": floatToGoString(bound)})
            for bound in (*bounds, INF)
        ]
        return Buckets(bounds, cells, self._cell("histogram", name, f"{name}_sum", words, labels))

    def keep(self) -> None:
        """What was counted since is in the files, where every process sees it and a crash leaves it."""
        with self._lock:
            for cell in self._cells:
                cell.keep()

    def close(self) -> None:
        """As if the process had ended."""
        self.keep()
        with self._lock:
            self._cells = []
            for file in self._files.values():
                file.close()
            os.close(self._alive)

    def _cell(self, kind: str, name: str, sample: str, words: str, labels: Mapping[str, str]) -> Cell:
        key = mmap_key(name, sample, list(labels), list(labels.values()), words)
        with self._lock:
            if kind not in self._files:
                self._files[kind] = MmapedDict(str(self._folder / f"{kind}_{self._name}.db"))
            cell = Cell(self._files[kind], key)
            self._cells.append(cell)
            return cell


def collect(folder: Path) -> list[Metric]:
    """What all processes counted; those that died meanwhile are buried first."""
    with _alone(folder):
        for name in _dead(folder):
            _bury(folder, name)
        return list(MultiProcessCollector(None, str(folder)).collect())


def _dead(folder: Path) -> list[str]:
    found = []
    for path in sorted(folder.glob(f"*{ALIVE}")):
        descriptor = os.open(path, os.O_RDONLY)
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found.append(path.name.removesuffix(ALIVE))
        os.close(descriptor)
    return found


def _bury(folder: Path, name: str) -> None:
    """Its lasting numbers are those of the dead; its files are gone. A crash in between counts them twice."""
    for kind in LASTING:
        left = folder / f"{kind}_{name}.db"
        if left.exists():
            _add(left, folder / f"{kind}_{DEAD}.db")
    for path in [*folder.glob(f"*_{name}.db"), folder / (name + ALIVE)]:
        path.unlink()


def _add(left: Path, dead: Path) -> None:
    together = MmapedDict(str(dead))
    for key, value, _, _ in MmapedDict.read_all_values_from_file(str(left)):
        together.write_value(key, together.read_value(key)[0] + value, 0.0)
    together.close()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other process reads or buries inside."""
    descriptor = os.open(folder / "lock", os.O_RDONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
