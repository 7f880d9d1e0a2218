"""HTTP answers as values: body, status, headers."""

import re
from typing import NamedTuple
from urllib.parse import quote

from infra.gateway.contract import Turned
from infra.gateway.wire.bodies import compression, deflated
from infra.gateway.wire.routes import WrongMethod
from infra.gateway.wire.v2 import encode

Header = tuple[bytes, bytes]

JSON: Header = (b"content-type", b"application/json")
BINARY: Header = (b"content-type", b"application/octet-stream")
PAGE: Header = (b"content-type", b"text/html; charset=utf-8")
JSON_LENGTH = b"inference-header-content-length"
REQUEST_ID = b"x-request-id"
_plain_id = re.compile(r"[A-Za-z0-9._~:/+=-]+")


class Reply(NamedTuple):
    """An HTTP answer. Its length is added when it is sent."""

    body: bytes
    status: int = 200
    headers: tuple[Header, ...] = (JSON,)


def inference(body: bytes, json_length: int | None, request_id: str) -> Reply:
    """An answer to a request with this id; `json_length` where binary tensors follow the JSON."""
    told = (REQUEST_ID, header_id(request_id))
    if json_length is None:
        return Reply(body, headers=(JSON, told))
    return Reply(body, headers=(BINARY, told, (JSON_LENGTH, b"%d" % json_length)))


def header_id(request_id: str) -> bytes:
    """A request's id as a header can hold it: percent-encoded where it must be."""
    return (request_id if _plain_id.fullmatch(request_id) else quote(request_id)).encode()


def refusal(turned: Turned) -> Reply:
    """The protocol's error object, with the headers that its status asks for."""
    headers: list[Header] = [JSON]
    if turned.after is not None:
        headers.append((b"retry-after", b"%d" % turned.after))
    if turned.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if isinstance(turned, WrongMethod):
        headers.append((b"allow", ", ".join(turned.methods).encode()))
    return Reply(encode({"error": turned.words}), turned.status, tuple(headers))


def compressed(reply: Reply, accepted: bytes) -> Reply:
    """The answer as an Accept-Encoding likes it best."""
    encoding = compression(accepted)
    if not encoding:
        return reply
    return Reply(deflated(reply.body, encoding), reply.status, (*reply.headers, (b"content-encoding", encoding)))
