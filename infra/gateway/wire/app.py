"""The gateway as a plain ASGI callable: a request's path to its action, and its answer or refusal back.

Whoever may not ask is turned away before the body is read.
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from infra.gateway.contract import ANONYMOUS, Desk, Turned
from infra.gateway.wire.actions import KEY, Actions, Call
from infra.gateway.wire.bodies import Gone, Headers, Receive
from infra.gateway.wire.limits import Limits
from infra.gateway.wire.replies import JSON_LENGTH, Reply, compressed, refusal
from infra.gateway.wire.routes import Routes, WrongMethod
from infra.gateway.wire.tokens import Tokens

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

logger = logging.getLogger("seatrial.gateway")
# Said once or not at all: of two, different readers would believe different ones.
ONCE = (b"authorization", b"content-encoding", b"content-length", b"content-type", JSON_LENGTH, KEY)


class App:
    """Serves what the desk answers. One per process."""

    def __init__(self, desk: Desk, limits: Limits | None = None, tokens: Tokens | None = None) -> None:
        self.limits, self._tokens, self._routes = limits or Limits(), tokens, Routes()
        self.actions = Actions(desk, self.limits, tokens is not None)
        # Requests that were admitted and have no answer yet.
        self.waiting = 0

    async def admitted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request that was counted when it was admitted."""
        try:
            await self(scope, receive, send)
        finally:
            self.waiting -= 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, answered whatever it is."""
        headers: Headers = dict(scope["headers"])
        try:
            reply = await self._reply(scope, headers, receive)
        except Turned as turned:
            reply = refusal(turned)
        except Gone:
            return
        except Exception:
            logger.exception("A request could not be answered.")
            reply = refusal(Turned(500, "something went wrong here; the gateway's log says what."))
        if len(reply.body) >= self.limits.compress_from_bytes and (accepted := headers.get(b"accept-encoding")):
            reply = compressed(reply, accepted)
        length = (b"content-length", b"%d" % len(reply.body))
        await send({"type": "http.response.start", "status": reply.status, "headers": (*reply.headers, length)})
        await send({"type": "http.response.body", "body": reply.body})

    async def _reply(self, scope: Scope, headers: Headers, receive: Receive) -> Reply:
        if len(headers) != len(scope["headers"]):
            _refuse_repeated([name for name, _ in scope["headers"]])
        route = self._routes.find(scope["raw_path"])
        action, caller = route.action, ANONYMOUS
        if scope["method"] not in action.methods:
            raise WrongMethod(action.methods)
        if action.role and self._tokens is not None:
            caller = self._tokens.caller(headers.get(b"authorization", b""), action.role)
        peer = scope["client"][0] if scope.get("client") else ""
        reply: Reply = await getattr(self.actions, action.name)(Call(route, headers, receive, caller, peer))
        return reply


def _refuse_repeated(names: list[bytes]) -> None:
    for name in ONCE:
        if names.count(name) > 1:
            raise Turned(400, f"the header {name.decode()} is there twice.")
