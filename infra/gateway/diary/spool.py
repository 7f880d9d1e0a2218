"""What is on its way to the store: files in this account's home, safe on disk, that outlive a store that is away.

Each process has a folder and holds its lock as long as it lives. Pages are appended to an open file as Arrow messages;
a closed file becomes one Parquet object under the key that the file itself names, so that whoever brings it there,
twice or after a crash, brings it once. What a dead process left is brought by whoever gets its lock.
"""

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from threading import Lock

import pyarrow as pa
import pyarrow.parquet as pq

from infra.local_store import sync_folder
from infra.store import Store

OPEN, CLOSED, KEY = ".open", ".arrow", b"seatrial.key"
# All rows of a file are of one such stretch of time, by which it is named: whoever looks for rows since a moment knows
# where they can be. It divides a day.
STRETCH_SECONDS = 600
LARGEST = 16 << 20


class Full(Exception):
    """The spool holds what it may."""


@dataclass
class _File:
    """An open file. Up to `size` bytes it can be read, whatever happens to a write after them."""

    path: Path
    descriptor: int
    size: int = 0
    since: float = field(default_factory=time.monotonic)

    def append(self, data: bytes) -> None:
        """Safe on disk afterwards, or taken back. Raises OSError."""
        try:
            _write(self.descriptor, data)
            os.fsync(self.descriptor)
        except OSError:
            os.ftruncate(self.descriptor, self.size)
            os.lseek(self.descriptor, self.size, os.SEEK_SET)
            raise
        self.size += len(data)


class Spool:
    """One process's folder below `root`, of at most `most_bytes`. `append` and `close` are for one thread."""

    def __init__(self, root: Path, most_bytes: int) -> None:
        self._root, self._most = root, most_bytes
        self.folder, self._lock = _own_folder(root)
        self._files: dict[tuple[str, int, pa.Schema], _File] = {}
        self._made = self._bytes = 0
        self._counting = Lock()

    @property
    def bytes(self) -> int:
        """What waits in this process's folder."""
        return self._bytes

    def append(self, prefix: str, stretch: int, pages: Sequence[pa.RecordBatch]) -> None:
        """Safe on disk afterwards; rows of the stretch that begins `stretch` × 600 s after 1970, of one schema.

        Raises Full or OSError, and then nothing of it is kept.
        """
        data = b"".join(page.serialize() for page in pages)
        if self._bytes + len(data) > self._most:
            raise Full
        file = self._files.get((prefix, stretch, pages[0].schema)) or self._begin(prefix, stretch, pages[0].schema)
        file.append(data)
        self._count(len(data))

    def close(self, seconds: float = 0.0) -> None:
        """Closes files that are so old, or large: they go to the store now."""
        for name, file in list(self._files.items()):
            if file.size > LARGEST or time.monotonic() - file.since >= seconds:
                os.close(file.descriptor)
                file.path.rename(file.path.with_suffix(CLOSED))
                del self._files[name]

    def bring(self, store: Store) -> int:
        """Brings closed files to the store; how many. Raises CannotAsk as the store does; what is left stays."""
        paths = sorted(self.folder.glob(f"*{CLOSED}"))
        for path in paths:
            size = path.stat().st_size
            bring(path, store)
            self._count(-size)
        return len(paths)

    def bring_left(self, store: Store) -> int:
        """Brings what dead processes left, also in files that they had open; how many files."""
        brought = 0
        for folder in sorted(self._root.iterdir()):
            with _taken(folder) as dead:
                for path in sorted([*folder.glob(f"*{CLOSED}"), *folder.glob(f"*{OPEN}")]) if dead else ():
                    bring(path, store)
                    brought += 1
                if dead:
                    shutil.rmtree(folder, ignore_errors=True)
        return brought

    def leave(self) -> None:
        """Gives the folder up: what is in it is anybody's."""
        self.close()
        os.close(self._lock)

    def _begin(self, prefix: str, stretch: int, schema: pa.Schema) -> _File:
        self._made += 1
        begin = time.strftime("%Y-%m-%d/%H%M%S", time.gmtime(stretch * STRETCH_SECONDS))
        key = f"{prefix}/{begin}-{self.folder.name}-{self._made:06d}.parquet"
        path = self.folder / f"{self._made:06d}{OPEN}"
        file = _File(path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            file.append(schema.with_metadata({KEY: key.encode()}).serialize())
            sync_folder(self.folder)
        except OSError:
            os.close(file.descriptor)
            path.unlink()
            raise
        self._files[prefix, stretch, schema] = file
        self._count(file.size)
        return file

    def _count(self, size: int) -> None:
        with self._counting:
            self._bytes += size


def bring(path: Path, store: Store) -> None:
    """A file's rows are in the store, once, and the file is gone. A message that a crash cut off was never safe."""
    found = read(path.read_bytes())
    if found is not None:
        key, table = found
        store.put_if_absent(key, parquet(table))
    path.unlink(missing_ok=True)


def read(data: bytes) -> tuple[str, pa.Table] | None:
    """(key, rows) of a file as far as it is whole; None where no row is."""
    batches = []
    # Every error here is the end of what is whole: the bytes are all there.
    with suppress(pa.ArrowException, OSError, EOFError, StopIteration):
        reader = pa.ipc.open_stream(data)
        while True:
            batches.append(reader.read_next_batch())
    if not batches:
        return None
    table = pa.Table.from_batches(batches, reader.schema)
    return reader.schema.metadata[KEY].decode(), table.replace_schema_metadata(None)


def parquet(table: pa.Table) -> bytes:
    """The same table gives the same bytes."""
    out = BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()


def _own_folder(root: Path) -> tuple[Path, int]:
    """A new folder, and the descriptor that holds its lock."""
    while True:
        folder = root / f"{os.getpid()}-{secrets.token_hex(6)}"
        folder.mkdir(parents=True, mode=0o700)
        # Between its making and its lock another may take it for a dead one's, and away.
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY)
            if _lock(lock) and folder.exists():
                sync_folder(root)
                return folder, lock
            os.close(lock)


@contextmanager
def _taken(folder: Path) -> Iterator[bool]:
    """Whether nobody held the folder's lock; it is held inside."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield False
        return
    try:
        yield _lock(lock)
    finally:
        os.close(lock)


def _lock(descriptor: int) -> bool:
    """Whether nobody else holds it; until the descriptor is closed or the process ends, however it ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
