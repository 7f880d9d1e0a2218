"""HTTP's edges, where uvicorn sets none: slow and endless headers and bodies, unread answers, and too many at once."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from infra.gateway.contract import Turned
from infra.gateway.wire.app import App
from infra.gateway.wire.replies import Header, Reply, refusal

HEALTH = "/v2/health/"
_offer = re.compile(rb"\r\nupgrade:", re.IGNORECASE)


def complete(turned: Turned, *more: Header) -> Reply:
    """A refusal with its length."""
    reply = refusal(turned)
    return Reply(reply.body, reply.status, (*reply.headers, (b"content-length", b"%d" % len(reply.body)), *more))


def closing(turned: Turned) -> Reply:
    """A refusal with which the connection ends."""
    return complete(turned, (b"connection", b"close"))


def whole(reply: Reply) -> bytes:
    """A reply as bytes."""
    lines = [name + b": " + value + b"\r\n" for name, value in reply.headers]
    return b"".join((STATUS_LINE[reply.status], *lines, b"\r\n", reply.body))


def answering(reply: Reply) -> Callable[..., Awaitable[None]]:
    """An application that says this without reading anything."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        await send({"type": "http.response.body", "body": reply.body})

    return answer


SLOW = closing(Turned(408, "the request took too long to arrive."))
LONG_BODY = closing(Turned(413, "the request's body is too long."))
LONG_HEADERS = closing(Turned(431, "the request's path and headers are too long."))
NOT_HTTP = closing(Turned(400, "this is not HTTP/1.1."))
CROWDED = closing(Turned(503, "too many connections. Try again.", after=1))
WAITING = complete(Turned(503, "too many requests wait already. Try again.", after=1))


def without_offers(data: bytes) -> bytes:
    """The bytes of a request with no offer of another protocol: the parser would take its body for that protocol."""
    head, end, rest = data.partition(b"\r\n\r\n")
    return _offer.sub(b"\r\nx-offered:", head) + end + rest


class Edges(HttpToolsProtocol):
    """uvicorn's protocol for one connection, with a time for each part of a request and a bound on what is kept."""

    served: App
    running: RequestResponseCycle | None = None
    # Where in a request the connection is, how many bytes of it came, and until when the rest must have come.
    in_headers, in_body, arrived = False, False, 0
    timer: asyncio.TimerHandle | None = None
    unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """From here on the first headers have their time."""
        super().connection_made(transport)
        self.served = cast(App, self.app)
        self.limits, self.bodies = self.served.limits, self.served.actions.bodies
        if len(self.connections) > self.limits.connections:
            self._end(CROWDED)
        else:
            self._expect_within(self.limits.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._came()
        if self.running is not None:
            self.running.disconnected = True
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """A request that does not end with these bytes has a time and a size to end in."""
        self.arrived += len(data)
        if not self.in_body and (b"pgrade" in data or b"PGRADE" in data):
            data = without_offers(data)
        super().data_received(data)
        if self.in_headers and self.arrived > self.limits.header_bytes:
            self._end(LONG_HEADERS)
        # Chunks of one byte each come as six, and what follows the last is no body; more than this is no honest one.
        elif self.in_body and self.arrived > 2 * self.limits.body_bytes + self.limits.header_bytes:
            self._end(LONG_BODY)
        elif self.timer is None and (self.in_headers or self.in_body):
            self._expect_within(self.limits.header_seconds if self.in_headers else self.limits.body_seconds)

    def on_message_begin(self) -> None:
        """A request begins."""
        self.in_headers = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Its headers are there: this decides whether it is served."""
        self.in_headers, self.in_body = False, True
        self._came()
        if len(self.pipeline) >= self.limits.pipelined:
            # The parser ends at an error only; uvicorn itself would queue requests without end.
            raise ValueError("too many requests without waiting")
        self.app = self._who_answers()
        super().on_headers_complete()
        # What comes after a chunked body looks like headers and is none: it goes nowhere.
        self.headers = []

    def on_message_complete(self) -> None:
        """A request ends."""
        self.in_body, self.arrived = False, 0
        self._came()
        super().on_message_complete()

    def _who_answers(self) -> Callable[..., Awaitable[None]]:
        if self.parser.should_upgrade():
            return _not_http
        if self.arrived > self.limits.header_bytes and self._header_bytes() > self.limits.header_bytes:
            return _long_headers
        return self.served

    def _header_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _expect_within(self, seconds: float) -> None:
        self.timer = self.loop.call_later(seconds, self._too_slow)

    def _came(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def _too_slow(self) -> None:
        self.timer = None
        # Where nothing was asked, nothing is answered.
        self._end(SLOW if self.in_headers or self.in_body else None)

    def _end(self, reply: Reply | None) -> None:
        """Ends the connection, with a reply where this is the turn of one."""
        cycle = self.cycle
        waits = self.in_body and cycle is not None and not cycle.response_started and not self.pipeline
        if reply is not None and (cycle is None or cycle.response_complete or waits):
            self.transport.write(whole(reply))
        self.transport.close()
        # Whoever does not read these words is not waited for; whoever does cancels this by being gone.
        self._came()
        self.timer = self.loop.call_later(self.limits.write_seconds, self.transport.abort)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        # Of requests that were sent without waiting, uvicorn would tell only the last that the caller is gone.
        self.running = cycle
        super()._start_asgi_task(cycle, self._admitted(cycle) if app is self.served else app)

    def _admitted(self, cycle: RequestResponseCycle) -> Callable[..., Awaitable[None]]:
        served = self.served
        # Bodies that are still on their way do not count: slow callers keep nobody out.
        if served.waiting - self.bodies.receiving < self.limits.waiting:
            served.waiting += 1
            return served.admitted
        return served if cycle.scope["path"].startswith(HEALTH) else _waiting

    def send_400_response(self, msg: str) -> None:
        """uvicorn's answer to what is not HTTP, in the words of this gateway."""
        self._end(NOT_HTTP)

    def pause_writing(self) -> None:
        """The caller does not read. It has a time to go on."""
        super().pause_writing()
        self.unread = self.loop.call_later(self.limits.write_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The caller reads again."""
        if self.unread is not None:
            self.unread.cancel()
            self.unread = None
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """A connection that is idle ends; one whose last answer nobody reads would never."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()


_long_headers, _waiting, _not_http = answering(LONG_HEADERS), answering(WAITING), answering(NOT_HTTP)
