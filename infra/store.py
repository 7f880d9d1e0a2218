"""Where everything is kept: a few primitives, and what is built from them."""

from pathlib import Path
from typing import Protocol

from expectations.errors import CannotAsk

CHUNK = 1 << 20
WRITING = ".writing-"
AGAIN = "Run the command again: what is finished is not done again."


class Missing(CannotAsk):
    """Nothing is kept under this key."""

    def __init__(self, key: str) -> None:
        super().__init__(
            f"{key}: expected it in the store, found nothing. Bring it back from a copy; `seatrial verify` tells more."
        )


class Corrupt(CannotAsk):
    """A blob is not what its digest says."""


class Blobs(Protocol):
    """Whatever blobs can be got from: a store, or this account's copies."""

    def get_blob(self, digest: str) -> bytes:
        """The bytes of a digest, checked. Raises Missing or Corrupt."""

    def blob_path(self, digest: str) -> Path:
        """A local file with the blob's bytes, checked. Raises Missing or Corrupt."""


class Store(Protocol):
    """One directory or bucket. Nothing is changed in place: keys are written once, blobs lie by their content.

    Every method that takes a key raises CannotAsk for what is no key (`check_key`). No key is also the folder of
    another. A store that is away, or that refuses, is a CannotAsk too.
    """

    url: str

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Writes `data`, whole or not at all; True for the one writer who was first."""

    def get(self, key: str) -> bytes:
        """The bytes under a key. Raises Missing."""

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """The bytes from `start` up to `end`, 0 ≤ start < end, as far as there are any. Raises Missing."""

    def keys(self, prefix: str, after: str = "") -> list[str]:
        """All keys that begin so and come after `after`, sorted."""

    def put_blob(self, data: bytes | Path) -> str:
        """Keeps bytes, or a file's, under their `sha256:` digest, which it returns; the same content is kept once."""

    def get_blob(self, digest: str) -> bytes:
        """The bytes of a digest, checked. Raises Missing or Corrupt."""

    def blob_path(self, digest: str) -> Path:
        """A local file with the blob's bytes, checked. Raises Missing or Corrupt."""

    def check_blob(self, digest: str) -> None:
        """Reads what the store itself has, never a local copy of it. Raises Missing or Corrupt."""

    def age_seconds(self, key: str) -> float:
        """Since it was written, or a blob was last kept again. Raises Missing."""

    def remove(self, key: str) -> None:
        """Takes away what nothing refers to: a blob that no record names. Nothing else is ever removed."""

    def place(self, key: str) -> str:
        """Where a person finds a key: a path, or a URL without the rest that says how to reach it."""


def check_key(key: str) -> str:
    """The same key, if every store can keep it; else CannotAsk.

    It is names with slashes between: none is empty, `.` or `..`, or over 255 bytes; together they are at most 900
    bytes, so that a bucket's prefix has room. Nothing in it is a control character, or a backslash, which some S3
    servers take for a slash.
    """
    parts = key.split("/")
    odd = any(ord(character) < 32 or character in "\\\x7f" or "\ud800" <= character <= "\udfff" for character in key)
    if odd or any(part in ("", ".", "..") or part.startswith(WRITING) for part in parts):
        raise CannotAsk(f"{key!r} is no key of a store.")
    if len(key.encode()) > 900 or any(len(part.encode()) > 255 for part in parts):
        raise CannotAsk(f"{key[:40]!r}… is no key of a store: a name is at most 255 bytes long, all of them 900.")
    return key


def expect_digest(digest: str, found: str) -> None:
    """Raises Corrupt where a blob's content has another digest than its name says."""
    if found != digest:
        raise Corrupt(f"blob {digest}: expected that content, found {found}. Bring it back from a copy.")


def blob_key(digest: str) -> str:
    """Where a blob lies."""
    kind, _, text = digest.partition(":")
    return f"blobs/{kind}/{text[:2]}/{text}"


def open_store(url: str, make: bool = True) -> Store:
    """The store at a URL: a local directory, or `s3://bucket/prefix`. Raises CannotAsk for anything else.

    With `make` false no directory is made where there is none: whoever writes there is told that it is away.
    """
    # Imported when asked for: the kinds of store know the protocol, and boto3 is slow to import.
    if url.startswith("s3://"):
        from infra.s3_store import S3Store

        return S3Store.at(url)
    if "://" in url:
        # The rest is not repeated: it may hold a password.
        raise CannotAsk(f"{url.split('://')[0]}://…: expected a local directory or s3://bucket/prefix.")
    from infra.local_store import LocalStore

    path = Path(url)
    if path.exists() and not path.is_dir():
        raise CannotAsk(f"{url}: expected a directory, found a file. Name another place with --store.")
    return LocalStore(path, make)
