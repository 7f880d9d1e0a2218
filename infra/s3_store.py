"""A store in an S3 bucket. What makes a write happen once is a condition that the server checks: `If-None-Match: *`."""

import hashlib
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from pathlib import Path
from typing import IO, Any, TypeVar

from botocore.exceptions import ClientError, FlexibleChecksumError, HTTPClientError, IncompleteReadError

from expectations.records import digest_of
from infra.blob_cache import copy_of
from infra.s3_errors import asking, code_of, status_of
from infra.s3_lock import LOCKED, lock_days, retention
from infra.s3_place import Place, read_place
from infra.s3_write import PAUSES, put, put_blob
from infra.store import CHUNK, Missing, blob_key, check_key, expect_digest

T = TypeVar("T")
ABSENT = ("NoSuchKey", "404")
CUT = (HTTPClientError, IncompleteReadError, FlexibleChecksumError)


class OutOfRange(Exception):
    """The object ends before the range begins."""


class S3Store:
    """A bucket, or the part of it under a prefix. See Store; docs/store.md says what is promised."""

    def __init__(self, place: Place) -> None:
        self.url, self._place, self._client = place.url, place, place.client()

    @classmethod
    def at(cls, url: str) -> "S3Store":
        """The store that a URL names; nothing is asked of the server yet."""
        return cls(read_place(url))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """See Store.

        Where an answer was lost, the one whose bytes lie there has won. For the ledger that cannot be two: a record
        holds its time and a signature, and two that are the same byte for byte say the same of the same moment.
        """
        where = {**self._at(key), **(retention(self._lock_days) if key.startswith(LOCKED) else {})}
        with asking(self._place, f"writing {key}"):
            return put(self._client, where, data, partial(self._lies, key, data))

    def get(self, key: str) -> bytes:
        """See Store."""
        return self._read(key, lambda body: bytes(body.read()))

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """See Store."""
        try:
            return self._read(key, lambda body: bytes(body.read()), Range=f"bytes={start}-{end - 1}")
        except OutOfRange:
            return b""

    def keys(self, prefix: str, after: str = "") -> list[str]:
        """See Store. A request for each thousand keys."""
        with asking(self._place, f"listing {prefix}*"):
            return sorted(self._listed(prefix, after))

    def put_blob(self, data: bytes | Path) -> str:
        """See Store. A file is read twice, for its digest and to be sent. Raises CannotAsk if it changes between."""
        with asking(self._place, "writing a blob"):
            return put_blob(self._client, self._place, data)

    def get_blob(self, digest: str) -> bytes:
        """See Store."""
        data = self.get(blob_key(digest))
        expect_digest(digest, digest_of(data))
        return data

    def blob_path(self, digest: str) -> Path:
        """See Store. A copy in this account's home, fetched once and checked each time."""
        return copy_of(digest, lambda file: self._read(blob_key(digest), partial(_copy, file)))

    def check_blob(self, digest: str) -> None:
        """See Store."""
        expect_digest(digest, self._read(blob_key(digest), _digest_of))

    def age_seconds(self, key: str) -> float:
        """See Store. By the server's clock on both sides."""
        with asking(self._place, f"asking for the age of {key}"):
            try:
                found = self._client.head_object(**self._at(key))
            except ClientError as error:
                if status_of(error) == 404:
                    raise Missing(key) from None
                raise
        now = parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])
        return float((now - found["LastModified"]).total_seconds())

    def remove(self, key: str) -> None:
        """See Store."""
        with asking(self._place, f"removing {key}"):
            self._client.delete_object(**self._at(key))

    def place(self, key: str) -> str:
        """See Store."""
        return self._place.shown(check_key(key))

    @cached_property
    def _lock_days(self) -> int:
        with asking(self._place, "asking whether the bucket has an object lock"):
            return lock_days(self._client, self._place)

    def _lies(self, key: str, data: bytes) -> bool | None:
        """Whether these bytes lie under the key; None where nothing does."""
        try:
            return self.get(key) == data
        except Missing:
            return None

    def _at(self, key: str) -> dict[str, str]:
        return {"Bucket": self._place.bucket, "Key": self._place.key(check_key(key))}

    def _listed(self, prefix: str, after: str) -> Iterator[str]:
        own = self._place.key("")
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._place.bucket, Prefix=own + prefix, StartAfter=own + after):
            found = (item["Key"][len(own) :] for item in page.get("Contents", []))
            yield from (key for key in found if key > after)

    def _read(self, key: str, take: Callable[[Any], T], **more: str) -> T:
        """What `take` makes of the object's body; anew, from the first byte, where it is cut or damaged on its way."""
        with asking(self._place, f"reading {key}"):
            for pause in PAUSES[:-1]:
                # Outside: the client itself asks again until there is a body, but not once it has begun.
                body = self._body(key, more)
                with suppress(*CUT), body:
                    return take(body)
                time.sleep(pause)
            return take(self._body(key, more))

    def _body(self, key: str, more: dict[str, str]) -> Any:
        try:
            return self._client.get_object(**self._at(key), **more)["Body"]
        except ClientError as error:
            if code_of(error) in ABSENT:
                raise Missing(key) from None
            if status_of(error) == 416:
                raise OutOfRange(key) from None
            raise


def _copy(file: IO[bytes], body: Any) -> None:
    file.seek(0)
    file.truncate()
    shutil.copyfileobj(body, file, CHUNK)


def _digest_of(body: Any) -> str:
    digest = hashlib.sha256()
    while chunk := body.read(CHUNK):
        digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"
