"""Writes to S3 that happen once: small ones in one request, large ones in parts, all under `If-None-Match: *`."""

import base64
import hashlib
import io
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from expectations.errors import CannotAsk
from expectations.records import digest_of
from infra.s3_errors import status_of
from infra.s3_place import Place
from infra.store import Corrupt, blob_key

PART = 16 << 20
MOST_PARTS = 10_000
# Half of what `seatrial gc` takes for old. A server copies 5 GiB in one request.
YOUNG, MOST_COPIED = timedelta(hours=12), 5 << 30
PAUSES = (0.05, 0.2, 0.8, 3.2)


def write_once(write: Callable[[], Any], look: Callable[[], bool | None]) -> bool:
    """True for the one whose `write` made the object. An answer that was lost is not guessed: `look` decides.

    `look` says whether what lies there is what `write` writes; None where nothing does, and then the error is raised:
    the write may still arrive. Raises ClientError or BotoCoreError.
    """
    unsure = False
    for pause in (*PAUSES, 0.0):
        try:
            write()
            return True
        except ClientError as found:
            error: Exception = found
            # The client asked more than once: an earlier request may have been the one that wrote.
            unsure |= found.response["ResponseMetadata"].get("RetryAttempts", 0) > 0
            if status_of(found) == 412 and not unsure:
                return False
            if status_of(found) == 409:
                time.sleep(pause)
                continue
            if status_of(found) < 500 and status_of(found) != 412 and not unsure:
                raise
        except HTTPClientError as found:
            error = found
        break
    lies = look()
    if lies is None:
        raise error
    return lies


def put(client: Any, where: dict[str, Any], data: bytes, look: Callable[[], bool | None]) -> bool:
    """One request; the server refuses bytes that are not those of the checksum. True if this made the object."""
    checksum = _base64(hashlib.sha256(data).digest())
    return write_once(partial(client.put_object, **where, Body=data, IfNoneMatch="*", ChecksumSHA256=checksum), look)


def put_blob(client: Any, place: Place, data: bytes | Path) -> str:
    """The digest of bytes, or of a file's, that now lie where it says. Content that is there is not sent again."""
    with data.open("rb") if isinstance(data, Path) else io.BytesIO(data) as source:
        digest = f"sha256:{hashlib.file_digest(source, 'sha256').hexdigest()}"
        size = source.seek(0, io.SEEK_END)
        source.seek(0)
        where = {"Bucket": place.bucket, "Key": place.key(blob_key(digest))}
        look = partial(_lies, client, where, digest, size)
        if look() is None:
            send = _put_whole if size <= PART else _put_in_parts
            send(client, where, source, digest, size, look)
    return digest


def _lies(client: Any, where: dict[str, Any], digest: str, size: int) -> bool | None:
    """True where the blob lies already, None where it does not. Raises Corrupt where its size is another."""
    try:
        head = client.head_object(**where)
    except ClientError as error:
        if status_of(error) != 404:
            raise
        return None
    if (found := head["ContentLength"]) != size:
        raise Corrupt(f"blob {digest}: expected {size} bytes, found {found}. Bring it back from a copy.")
    if datetime.now(UTC) - head["LastModified"] > YOUNG and size <= MOST_COPIED:
        # Kept again: no collection of garbage that runs just now takes it for an old one.
        client.copy_object(**where, CopySource=where, MetadataDirective="REPLACE")
    return True


def _put_whole(
    client: Any, where: dict[str, Any], source: IO[bytes], digest: str, _size: int, look: Callable[[], bool | None]
) -> None:
    data = source.read()
    _unchanged(digest, digest_of(data))
    put(client, where, data, look)


def _put_in_parts(
    client: Any, where: dict[str, Any], source: IO[bytes], digest: str, size: int, look: Callable[[], bool | None]
) -> None:
    begun = client.create_multipart_upload(**where, ChecksumAlgorithm="SHA256")
    upload = {**where, "UploadId": begun["UploadId"]}
    try:
        parts = {"Parts": _send_parts(client, upload, source, digest, size)}
        complete = partial(client.complete_multipart_upload, **upload, MultipartUpload=parts, IfNoneMatch="*")
        write_once(complete, look)
    finally:
        # Of no use once it is complete, and else the parts would lie, and cost, for ever.
        with suppress(ClientError, BotoCoreError):
            client.abort_multipart_upload(**upload)


def _send_parts(client: Any, upload: dict[str, Any], source: IO[bytes], digest: str, size: int) -> list[dict[str, Any]]:
    sent = hashlib.sha256()
    parts: list[dict[str, Any]] = []
    while part := source.read(max(PART, -(-size // MOST_PARTS))):
        sent.update(part)
        checksum = _base64(hashlib.sha256(part).digest())
        number = len(parts) + 1
        answer = client.upload_part(**upload, PartNumber=number, Body=part, ChecksumSHA256=checksum)
        parts.append({"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum})
    _unchanged(digest, f"sha256:{sent.hexdigest()}")
    return parts


def _unchanged(digest: str, sent: str) -> None:
    if sent != digest:
        raise CannotAsk(f"expected a file with the digest {digest}, found {sent} a moment later: it is being changed.")


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
