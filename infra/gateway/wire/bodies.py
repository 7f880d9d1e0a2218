"""The body of a request: received up to a size, decompressed up to another; and answers compressed where asked."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, TypeVar

from infra.gateway.contract import Turned
from infra.gateway.wire.limits import Limits

Headers = Mapping[bytes, bytes]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Read = TypeVar("Read")

GZIP = 16 + zlib.MAX_WBITS
FASTEST = 1
# So many bodies are decoded beside the event loop at once.
AT_ONCE = 2
TYPES = (b"", b"application/json", b"application/octet-stream")


class Gone(Exception):
    """The caller hung up before the end of the request."""


class Bodies:
    """Receives bodies and has them decoded; knows how much all of them hold together."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.receiving, self.held, self.beside = limits, 0, 0, 0
        self._at_once = asyncio.Semaphore(AT_ONCE)

    async def read(self, headers: Headers, receive: Receive, decode: Callable[[bytes], Read]) -> tuple[Read, int]:
        """The body, decompressed and decoded, and its length before it was decoded.

        Raises Turned: 400, 413, 415, or 503 where there is too much at once.
        """
        refuse_type(headers)
        encoding = _encoding(headers)
        self._refuse_size(int(headers.get(b"content-length", b"0")))
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body: bytes = message["body"]
        if message["more_body"]:
            body = await self._rest(body, receive)
        self._refuse_size(len(body))
        if not encoding and len(body) < self.limits.aside_from_bytes:
            return decode(body), len(body)
        return await self._decoded(body, encoding, decode)

    async def _decoded(self, body: bytes, encoding: bytes, decode: Callable[[bytes], Read]) -> tuple[Read, int]:
        def work() -> tuple[Read, int]:
            plain = inflated(body, encoding, self.limits.decompressed_bytes) if encoding else body
            return decode(plain), len(plain)

        if len(body) < (self.limits.aside_from_compressed_bytes if encoding else self.limits.aside_from_bytes):
            return work()
        if self.beside >= self.limits.aside:
            raise too_many_large()
        self.beside += 1
        try:
            async with self._at_once:
                return await asyncio.to_thread(work)
        finally:
            self.beside -= 1

    def _refuse_size(self, size: int) -> None:
        if size > self.limits.body_bytes:
            raise Turned(413, f"the body has over {self.limits.body_bytes} bytes. Send it in parts, or compressed.")

    async def _rest(self, first: bytes, receive: Receive) -> bytes:
        body, counted = bytearray(first), 0
        self.receiving += 1
        try:
            while True:
                self.held, counted = self.held + len(body) - counted, len(body)
                self._refuse_size(counted)
                if self.held > self.limits.buffered_bytes:
                    raise too_many_large()
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                body += message["body"]
                if not message["more_body"]:
                    return bytes(body)
        finally:
            self.receiving, self.held = self.receiving - 1, self.held - counted


def too_many_large() -> Turned:
    """What whoever sends a large body is told while there are enough of them."""
    return Turned(503, "too many large requests at once. Try again.", after=1)


def refuse_type(headers: Headers) -> None:
    """Raises Turned (415) where a body is not said to be JSON or bytes in UTF-8. No type at all is taken as JSON."""
    kind, _, rest = headers.get(b"content-type", b"").partition(b";")
    charset = rest.strip().lower().removeprefix(b"charset=").strip(b'"') if rest else b"utf-8"
    if kind.strip().lower() not in TYPES or charset not in (b"utf-8", b"utf8"):
        words = headers[b"content-type"][:80].decode("latin-1")
        raise Turned(415, f"Content-Type: expected application/json or application/octet-stream, found {words}.")


def _encoding(headers: Headers) -> bytes:
    encoding = headers.get(b"content-encoding", b"").strip().lower()
    if encoding not in (b"", b"identity", b"gzip", b"deflate"):
        raise Turned(415, f"Content-Encoding: expected gzip or deflate, found {encoding[:40].decode('latin-1')}.")
    return b"" if encoding == b"identity" else encoding


def inflated(body: bytes, encoding: bytes, limit: int) -> bytes:
    """A gzip or deflate (with or without zlib's header) body of at most `limit` bytes. Raises Turned (400, 413)."""
    raw = encoding == b"deflate" and (len(body) < 2 or body[0] & 15 != 8 or (body[0] << 8 | body[1]) % 31)
    stream = zlib.decompressobj(GZIP if encoding == b"gzip" else -zlib.MAX_WBITS if raw else zlib.MAX_WBITS)
    try:
        found = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise Turned(400, f"Content-Encoding: the body is not {encoding.decode()}: {error}.") from None
    if len(found) > limit:
        raise Turned(413, f"the body is over {limit} bytes when it is decompressed. Send it in parts.")
    if not stream.eof or stream.unused_data:
        raise Turned(400, f"Content-Encoding: the body is not one whole {encoding.decode()} stream.")
    return found


def compression(accepted: bytes) -> bytes:
    """gzip, deflate, or nothing: what an Accept-Encoding likes best of these; gzip where it likes both alike."""
    liked = {b"gzip": 0.0, b"deflate": 0.0}
    for item in accepted.lower().split(b","):
        name, _, weight = item.partition(b";")
        if (name := name.strip()) in liked:
            liked[name] = _weight(weight)
    best = max(liked, key=lambda name: liked[name])
    return best if liked[best] > 0 else b""


def _weight(text: bytes) -> float:
    try:
        return float(text.strip().removeprefix(b"q=") or 1)
    except ValueError:
        return 0.0


def deflated(body: bytes, encoding: bytes) -> bytes:
    """The body, compressed quickly."""
    stream = zlib.compressobj(FASTEST, zlib.DEFLATED, GZIP if encoding == b"gzip" else zlib.MAX_WBITS)
    return stream.compress(body) + stream.flush()
