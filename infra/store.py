"""Where everything is kept: a few primitives, and what is built from them."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from expectations.errors import CannotAsk
from expectations.records import canonical_json, digest_of

CHUNK = 1 << 20


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
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=".writing-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            return self._link(Path(name), path)
        finally:
            os.unlink(name)

    def get(self, key: str) -> bytes:
        """See Store."""
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise Missing(key) from None

    def keys(self, prefix: str) -> list[str]:
        """See Store."""
        found = (path for path in self._root.rglob("*") if path.is_file() and not path.name.startswith(".writing-"))
        return sorted(key for path in found if (key := path.relative_to(self._root).as_posix()).startswith(prefix))

    def put_blob(self, data: bytes | Path) -> str:
        """See Store."""
        content = data.read_bytes() if isinstance(data, Path) else data
        digest = digest_of(content)
        self.put_if_absent(blob_key(digest), content)
        return digest

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

    @staticmethod
    def _link(written: Path, path: Path) -> bool:
        try:
            os.link(written, path)
        except FileExistsError:
            return False
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return True


def blob_key(digest: str) -> str:
    """Where a blob lies."""
    kind, _, text = digest.partition(":")
    return f"blobs/{kind}/{text[:2]}/{text}"


def open_store(url: str) -> Store:
    """The store at a URL: a local directory. Raises CannotAsk for anything else."""
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
        kept: dict[str, Any] = json.loads(store.get(key))
    except Missing:
        answer = canonical_json(compute())
        store.put_if_absent(key, answer)
        kept = json.loads(store.get(key))
    return kept
