"""Where everything is kept: a few primitives, and what is built from them."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any, Protocol, cast

from expectations.errors import CannotAsk
from expectations.records import canonical_json, digest_of

CHUNK = 1 << 20
WRITING = ".writing-"


class Missing(KeyError):
    """Nothing is kept under this key."""


class Corrupt(CannotAsk):
    """A blob is not what its digest says."""


class Store(Protocol):
    """One directory or bucket. Nothing is changed in place: keys are written once, blobs lie by their content."""

    url: str

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Writes `data`, whole or not at all; True for the one writer who was first."""

    def get(self, key: str) -> bytes:
        """The bytes under a key. Raises Missing."""

    def keys(self, prefix: str) -> list[str]:
        """All keys that begin so, sorted."""

    def put_blob(self, data: bytes | Path) -> str:
        """Keeps bytes, or a file's, under their `sha256:` digest, which it returns; the same content is kept once."""

    def get_blob(self, digest: str) -> bytes:
        """The bytes of a digest, checked. Raises Missing or Corrupt."""

    def blob_path(self, digest: str) -> Path:
        """A local file with the blob's bytes, checked."""


class LocalStore:
    """A directory. A write is a temporary file, fsync, link, fsync of the folder: a link never replaces anything."""

    def __init__(self, root: Path) -> None:
        self.url, self._root = str(root), root

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """See Store."""
        path = self._path(key)
        if path.exists():
            return False
        with _temporary(path.parent) as file:
            file.write(data)
            return _link(file, path)

    def get(self, key: str) -> bytes:
        """See Store."""
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise Missing(key) from None

    def keys(self, prefix: str) -> list[str]:
        """See Store."""
        # Only the folder that the prefix names is walked: a read of the ledger does not list every blob.
        paths = self._path(prefix.rpartition("/")[0]).rglob("*")
        found = (path for path in paths if path.is_file() and not path.name.startswith(WRITING))
        return sorted(key for path in found if (key := path.relative_to(self._root).as_posix()).startswith(prefix))

    def put_blob(self, data: bytes | Path) -> str:
        """See Store. A file is read once, in chunks: the digest is of what was written, even if the file changes."""
        source = data.open("rb") if isinstance(data, Path) else BytesIO(data)
        digest = hashlib.sha256()
        with source, _temporary(self._root / "blobs") as file:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                file.write(chunk)
            name = f"sha256:{digest.hexdigest()}"
            _link(file, self._path(blob_key(name)))
        return name

    def get_blob(self, digest: str) -> bytes:
        """See Store."""
        data = self.get(blob_key(digest))
        if digest_of(data) != digest:
            raise Corrupt(f"blob {digest}: expected that content, found {digest_of(data)}. Bring it back from a copy.")
        return data

    def blob_path(self, digest: str) -> Path:
        """See Store."""
        path = self._path(blob_key(digest))
        if not path.is_file():
            raise Missing(digest)
        with path.open("rb") as file:
            found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        if found != digest:
            raise Corrupt(f"blob {digest}: expected that content, found {found}. Bring it back from a copy.")
        return path

    def _path(self, key: str) -> Path:
        path = self._root / key
        if ".." in Path(key).parts or Path(key).is_absolute():
            raise CannotAsk(f"{key!r} is no key of a store.")
        return path


@contextmanager
def _temporary(folder: Path) -> Iterator[IO[bytes]]:
    """A file that no one else sees and that is gone afterwards; `_link` keeps its content."""
    _make(folder)
    with NamedTemporaryFile(prefix=WRITING, dir=folder) as file:
        yield cast(IO[bytes], file)


def _link(file: IO[bytes], path: Path) -> bool:
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
        folder.mkdir(exist_ok=True)
        _sync(folder.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def blob_key(digest: str) -> str:
    """Where a blob lies."""
    kind, _, text = digest.partition(":")
    return f"blobs/{kind}/{text[:2]}/{text}"


def open_store(url: str) -> Store:
    """The store at a URL: a local directory. Raises CannotAsk for anything else."""
    if url.startswith("s3://"):
        raise CannotAsk(f"{url}: S3 stores are not available yet. Name a local directory with --store.")
    if "://" in url:
        raise CannotAsk(f"{url}: expected a local directory; stores of this kind are not there yet.")
    path = Path(url)
    if path.exists() and not path.is_dir():
        raise CannotAsk(f"{url}: expected a directory, found a file. Name another place with --store.")
    return LocalStore(path)


def once(store: Store, step: str, inputs: dict[str, Any], compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a step answered for these inputs: from the store if it ever finished, else computed and kept.

    Of two that finish at once the first to write counts, for both.
    """
    key = f"steps/{digest_of({'step': step, 'inputs': inputs})[7:]}.json"
    try:
        return step_answer(store, key)
    except Missing:
        store.put_if_absent(key, canonical_json(compute()))
        return step_answer(store, key)


def step_answer(store: Store, key: str) -> dict[str, Any]:
    """What a finished step answered. Raises Missing, or Corrupt where the file is not the JSON that was written."""
    try:
        answer = json.loads(store.get(key))
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Corrupt(f"{key}: expected a JSON object, found something else. Remove it: the step runs again.")
    return answer
