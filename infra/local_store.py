"""A store in a directory."""

import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, cast

from expectations.errors import Away, CannotAsk
from expectations.records import digest_of
from infra.store import AGAIN, CHUNK, WRITING, Missing, blob_key, check_key, expect_digest

# What a file system says instead of keeping or giving bytes, and what to do next.
REFUSALS = {
    errno.ENOSPC: "no space left on the disk. Make room",
    errno.EDQUOT: "this account's share of the disk used up. Make room",
    errno.EFBIG: "a file larger than this account or disk takes. Raise the limit",
    errno.EROFS: "a file system that is only to be read. Mount it for writing",
    errno.EACCES: "that this account may not. Grant it the right",
    errno.EPERM: "that this account may not. Grant it the right",
    errno.EIO: "a disk that fails. Look at the system's log, and bring the store to another disk",
}
# A file server that does not answer may do so in a while; so may a folder come back that was there a moment ago.
PASSING = (
    errno.ENOENT,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ENOTCONN,
    errno.EAGAIN,
)


@contextmanager
def on_disk(what: str) -> Iterator[None]:
    """Whatever the file system refuses inside becomes a CannotAsk; Away where it can pass by itself."""
    try:
        yield
    except OSError as error:
        if error.errno in PASSING:
            raise Away(f"{what}: expected a disk, found that it is away ({error.strerror}). {AGAIN}") from None
        if error.errno in REFUSALS:
            raise CannotAsk(f"{what}: expected it done, found {REFUSALS[error.errno]}. {AGAIN}") from None
        raise


class LocalStore:
    """A directory. A write is a temporary file, fsync, link, fsync of the folder: a link never replaces anything.

    It stays with the folder that it found first: what is written while a disk is away lies below the place where the
    disk comes back to, and is not taken for written. With `make` false nothing is written there at all. Files and
    folders are this account's alone (0600, 0700): what is in them can be as sensitive as the data.
    """

    def __init__(self, root: Path, make: bool = True) -> None:
        self.url, self._root, self._may_make = str(root), root, make
        self._found = _folder(root)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """See Store."""
        path = self._path(key)
        self._expect_folder()
        with on_disk(f"writing {path}"):
            if path.exists():
                sync_folder(path.parent)
                return False
            with temporary(path.parent) as file:
                file.write(data)
                return self._link(file, key)

    def get(self, key: str) -> bytes:
        """See Store."""
        with self._open(key) as file, on_disk(f"reading {self._path(key)}"):
            return file.read()

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """See Store."""
        with self._open(key) as file, on_disk(f"reading {self._path(key)}"):
            file.seek(start)
            return file.read(end - start)

    def keys(self, prefix: str, after: str = "") -> list[str]:
        """See Store."""
        # Only the folder that the prefix names is walked: a read of the ledger does not list every blob.
        folder = prefix.rpartition("/")[0]
        with on_disk(f"listing {self._root}/{folder}"):
            found = list(_walk(self._path(folder) if folder else self._root, f"{folder}/" if folder else ""))
        return sorted(key for key in found if key.startswith(prefix) and key > after)

    def put_blob(self, data: bytes | Path) -> str:
        """See Store. A file is read once, in chunks: the digest is of what was written, even if the file changes."""
        source = data.open("rb") if isinstance(data, Path) else BytesIO(data)
        digest = hashlib.sha256()
        self._expect_folder()
        with source, on_disk(f"writing a blob to {self._root}"), temporary(self._root / "blobs") as file:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                file.write(chunk)
            name = f"sha256:{digest.hexdigest()}"
            path = self._path(blob_key(name))
            if not self._link(file, blob_key(name)):
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
        with self._open(blob_key(digest)) as file, on_disk(f"reading {self._path(blob_key(digest))}"):
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
        with on_disk(f"removing {path}"):
            path.unlink(missing_ok=True)
            sync_folder(path.parent)

    def place(self, key: str) -> str:
        """See Store."""
        return str(self._path(key))

    def _expect_folder(self) -> None:
        """Raises Away where the folder is not there, and is not to be made."""
        if not self._may_make and not self._root.is_dir():
            raise Away(f"{self._root}: expected a folder, found none. {AGAIN}")

    def _link(self, file: IO[bytes], key: str) -> bool:
        """As `link`; raises Away where the file is not below the folder that this store found first."""
        if not link(file, self._path(key)):
            return False
        # The folder is resolved once, and the rest from there: a disk can come and go between two looks at a path.
        folder = os.open(self._root, os.O_RDONLY)
        try:
            self._found = self._found or os.fstat(folder)
            same_folder = os.path.samestat(os.fstat(folder), self._found)
            if not same_folder or not os.path.samestat(os.stat(key, dir_fd=folder), os.fstat(file.fileno())):
                raise Away(f"{self._root}: expected the folder that was there before, found another one. {AGAIN}")
        finally:
            os.close(folder)
        return True

    def _open(self, key: str) -> BufferedReader:
        path = self._path(key)
        with on_disk(f"reading {path}"):
            try:
                return path.open("rb")
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise Missing(key) from None

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)


def _folder(root: Path) -> os.stat_result | None:
    """Which folder lies there; None where none does. One look: a disk can go between two."""
    try:
        found = root.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found if stat.S_ISDIR(found.st_mode) else None


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
        return True
    except FileExistsError:
        return False
    finally:
        # Also of who came second: what the first has linked may not be safe yet, and both say that it is there.
        sync_folder(path.parent)


def _make(folder: Path) -> None:
    """The folder and those above it, each safe on disk: a file is only as durable as the folders that name it."""
    if not folder.is_dir():
        _make(folder.parent)
        try:
            folder.mkdir(exist_ok=True, mode=0o700)
        except FileExistsError:
            raise CannotAsk(f"{folder}: expected a folder, found a file. Name another place.") from None
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Makes what a folder names survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
