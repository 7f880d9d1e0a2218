"""A store in a directory."""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, cast

from expectations.errors import CannotAsk
from expectations.records import digest_of
from infra.store import CHUNK, WRITING, Missing, blob_key, check_key, expect_digest


class LocalStore:
    """A directory. A write is a temporary file, fsync, link, fsync of the folder: a link never replaces anything."""

    def __init__(self, root: Path) -> None:
        self.url, self._root = str(root), root

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """See Store."""
        path = self._path(key)
        if path.exists():
            return False
        with temporary(path.parent) as file:
            file.write(data)
            return link(file, path)

    def get(self, key: str) -> bytes:
        """See Store."""
        with self._open(key) as file:
            return file.read()

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """See Store."""
        with self._open(key) as file:
            file.seek(start)
            return file.read(end - start)

    def keys(self, prefix: str, after: str = "") -> list[str]:
        """See Store."""
        # Only the folder that the prefix names is walked: a read of the ledger does not list every blob.
        folder = prefix.rpartition("/")[0]
        found = _walk(self._path(folder) if folder else self._root, f"{folder}/" if folder else "")
        return sorted(key for key in found if key.startswith(prefix) and key > after)

    def put_blob(self, data: bytes | Path) -> str:
        """See Store. A file is read once, in chunks: the digest is of what was written, even if the file changes."""
        source = data.open("rb") if isinstance(data, Path) else BytesIO(data)
        digest = hashlib.sha256()
        with source, temporary(self._root / "blobs") as file:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                file.write(chunk)
            name = f"sha256:{digest.hexdigest()}"
            path = self._path(blob_key(name))
            if not link(file, path):
                # Kept again: no collection of garbage that runs just now takes it for an old one.
                os.utime(path)
        return name

    def get_blob(self, digest: str) -> bytes:
        """See Store."""
        data = self.get(blob_key(digest))
        expect_digest(digest, digest_of(data))
        return data

    def blob_path(self, digest: str) -> Path:
        """See Store."""
        with self._open(blob_key(digest)) as file:
            expect_digest(digest, f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")
        return self._path(blob_key(digest))

    def check_blob(self, digest: str) -> None:
        """See Store."""
        self.blob_path(digest)

    def age_seconds(self, key: str) -> float:
        """See Store."""
        with self._open(key) as file:
            return time.time() - os.fstat(file.fileno()).st_mtime

    def remove(self, key: str) -> None:
        """See Store."""
        path = self._path(key)
        path.unlink(missing_ok=True)
        _sync(path.parent)

    def place(self, key: str) -> str:
        """See Store."""
        return str(self._path(key))

    def _open(self, key: str) -> BufferedReader:
        try:
            return self._path(key).open("rb")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise Missing(key) from None

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)


def _walk(folder: Path, before: str) -> Iterator[str]:
    """The keys of all files below, `before` first; a hundred thousand of them in a tenth of a second."""
    try:
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir():
            yield from _walk(Path(entry.path), f"{before}{entry.name}/")
        elif not entry.name.startswith(WRITING):
            yield before + entry.name


@contextmanager
def temporary(folder: Path) -> Iterator[IO[bytes]]:
    """A file that no one else sees and that is gone afterwards; `link` keeps its content."""
    _make(folder)
    with NamedTemporaryFile(prefix=WRITING, dir=folder) as file:
        yield cast(IO[bytes], file)


def link(file: IO[bytes], path: Path) -> bool:
    """The file's bytes at `path`, safe on disk; False where something is there already."""
    file.flush()
    os.fsync(file.fileno())
    _make(path.parent)
    try:
        os.link(file.name, path)
    except FileExistsError:
        return False
    _sync(path.parent)
    return True


def _make(folder: Path) -> None:
    """The folder and those above it, each safe on disk: a file is only as durable as the folders that name it."""
    if not folder.is_dir():
        _make(folder.parent)
        try:
            folder.mkdir(exist_ok=True)
        except FileExistsError:
            raise CannotAsk(f"{folder}: expected a folder, found a file. Name another place.") from None
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
