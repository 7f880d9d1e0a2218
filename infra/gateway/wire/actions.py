"""What is done for each route: read, ask the desk, write."""

import asyncio
import secrets
from contextlib import suppress
from typing import NamedTuple, Protocol

from infra.gateway.contract import Answered, Asked, Desk, Tensors, Turned
from infra.gateway.wire.bodies import Bodies, Headers, Receive
from infra.gateway.wire.feedback import read_report, read_truths
from infra.gateway.wire.limits import Limits
from infra.gateway.wire.metadata import Known, about_model, about_server
from infra.gateway.wire.openapi import document
from infra.gateway.wire.records import read_records, write_records
from infra.gateway.wire.replies import JSON_LENGTH, PAGE, Reply, inference
from infra.gateway.wire.routes import Route
from infra.gateway.wire.v2 import checked_key, encode, read_inference, write_answer

KEY = b"x-seatrial-key"


class Call(NamedTuple):
    """A request whose caller may ask for it."""

    route: Route
    headers: Headers
    receive: Receive
    caller: str
    peer: str = ""


class Rows(Protocol):
    """What any way of asking for predictions comes down to."""

    @property
    def tensors(self) -> Tensors:
        """By name."""

    @property
    def rows(self) -> int:
        """How many records."""

    @property
    def key(self) -> str | None:
        """What the split goes by."""


class Actions:
    """One method for each action of the routes, by its name."""

    def __init__(self, desk: Desk, limits: Limits, guarded: bool) -> None:
        self.desk, self.limits = desk, limits
        self.bodies = Bodies(limits)
        self._known, self._server, self._guarded = Known(desk), encode(about_server()), guarded

    async def live(self, call: Call) -> Reply:
        """This process answers."""
        return Reply(b'{"live":true}')

    async def ready(self, call: Call) -> Reply:
        """Every model has a package loaded."""
        return Reply(b'{"ready":true}') if self.desk.ready() else Reply(b'{"ready":false}', 503)

    async def health(self, call: Call) -> Reply:
        """What is served, up to which record, and what is wrong, for people who look after it."""
        return Reply(encode(self.desk.health()))

    async def server(self, call: Call) -> Reply:
        """Metadata of the server."""
        return Reply(self._server)

    async def models(self, call: Call) -> Reply:
        """The models that are served here."""
        return Reply(encode({"models": list(self.desk.models())}))

    async def metrics(self, call: Call) -> Reply:
        """OpenMetrics. To add up several processes takes milliseconds, in which others are answered."""
        body, kind = await asyncio.to_thread(self.desk.metrics)
        return Reply(body, headers=((b"content-type", kind.encode()),))

    async def rollout(self, call: Call) -> Reply:
        """How far the rollout of a model is, for a browser."""
        return Reply(self.desk.rollout(call.route.model), headers=(PAGE,))

    async def openapi(self, call: Call) -> Reply:
        """This interface, described, with the models that have a package."""
        abouts = []
        for model in self.desk.models():
            with suppress(Turned):
                abouts.append(self.desk.about(model))
        return Reply(encode(document(abouts, self.limits, self._guarded)))

    async def metadata(self, call: Call) -> Reply:
        """Metadata of a model, or of one version."""
        return Reply(encode(about_model(self.desk.about(call.route.model, call.route.version))))

    async def versions(self, call: Call) -> Reply:
        """The releases of a model that are at hand, and which serves."""
        about = self.desk.about(call.route.model)
        return Reply(encode({"name": about.name, "serving": about.release, "versions": about.versions}))

    async def model_ready(self, call: Call) -> Reply:
        """A model, or one version, is at hand: where it is not, the desk says so."""
        return Reply(encode({"name": self.desk.about(call.route.model, call.route.version).name, "ready": True}))

    async def infer(self, call: Call) -> Reply:
        """Tensors, answered with tensors."""
        model = call.route.model
        names, length = self._known.names(model), json_length(call.headers.get(JSON_LENGTH))
        asked, size = await self.bodies.read(
            call.headers, call.receive, lambda body: read_inference(body, length, names, self.limits)
        )
        request_id = asked.request_id or secrets.token_hex(8)
        answered = await self._ask(call, asked, request_id, size)
        return inference(*write_answer(model, request_id, asked, answered), request_id)

    async def records(self, call: Call) -> Reply:
        """Records, answered in words."""
        names = self._known.names(call.route.model)
        asked, size = await self.bodies.read(
            call.headers, call.receive, lambda body: read_records(body, names, self.limits)
        )
        request_id = asked.request_id or secrets.token_hex(8)
        answered = await self._ask(call, asked, request_id, size)
        words = self._known.words(call.route.model, answered.release)
        return inference(write_records(call.route.model, request_id, answered, words), None, request_id)

    async def feedback(self, call: Call) -> Reply:
        """Ground truth for answers of before."""
        self.desk.about(call.route.model)
        truths, _ = await self.bodies.read(call.headers, call.receive, lambda body: read_truths(body, self.limits))
        return Reply(encode({"taken": self.desk.feedback(call.route.model, truths, call.caller)}))

    async def report(self, call: Call) -> Reply:
        """Somebody saw the model misbehave."""
        self.desk.about(call.route.model)
        (words, request_id), _ = await self.bodies.read(call.headers, call.receive, read_report)
        self.desk.report(call.route.model, words, request_id, call.caller)
        return Reply(b'{"taken":true}', 202)

    async def _ask(self, call: Call, asked: Rows, request_id: str, size: int) -> Answered:
        route, key = call.route, asked.key or header_key(call.headers)
        whose = (call.caller, route.version, size, call.peer)
        sent = Asked(route.model, asked.tensors, asked.rows, request_id, key, *whose)
        return await self.desk.answer(sent)


def json_length(header: bytes | None) -> int | None:
    """How long the JSON is before binary tensors. Raises Turned (400)."""
    if header is None:
        return None
    if not header.isdigit() or len(header) > 12:
        raise Turned(400, "Inference-Header-Content-Length: expected a number of bytes.")
    return int(header)


def header_key(headers: Headers) -> str | None:
    """The key of the split, where its header gives one. Raises Turned (400)."""
    sent = headers.get(KEY)
    if sent is None:
        return None
    try:
        return checked_key(sent.decode())
    except UnicodeDecodeError:
        raise Turned(400, "x-seatrial-key is not UTF-8.") from None
