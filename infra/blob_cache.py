"""This account's local copies of blobs that lie far away. The folder can be removed at any time."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from infra.keys import home
from infra.local_store import on_disk
from infra.store import WRITING, Store, blob_key, check_key, expect_digest


def copy_of(digest: str, fetch: Callable[[IO[bytes]], object]) -> Path:
    """A file with the blob's bytes, checked; `fetch` writes it where there is none yet, or none that is sound.

    Raises Corrupt where `fetch` brings something else.
    """
    path = home() / "cache" / check_key(blob_key(digest))
    if not path.is_file() or _digest_of(path) != digest:
        keep(path, digest, fetch)
    return path


def named_copy(store: Store, digest: str, name: str) -> Path:
    """A copy under a name that a person or a browser can open. Raises Missing or Corrupt."""
    path = home() / "cache" / name
    keep(path, digest, lambda file: file.write(store.get_blob(digest)))
    return path


def keep(path: Path, digest: str, fetch: Callable[[IO[bytes]], object]) -> None:
    """The fetched bytes at `path`, whole or not at all; readers of what was there keep what they have open."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (
        on_disk(f"keeping a copy in {path.parent}"),
        NamedTemporaryFile(dir=path.parent, prefix=WRITING, delete=False) as file,
    ):
        try:
            fetch(file)
            file.flush()
            expect_digest(digest, _digest_of(Path(file.name)))
            os.replace(file.name, path)
        finally:
            Path(file.name).unlink(missing_ok=True)


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
