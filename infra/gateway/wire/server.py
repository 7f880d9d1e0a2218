"""One process of the gateway: uvicorn on a socket of its own or an inherited one."""

import asyncio
import gc
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from select import select
from typing import Any

import uvicorn

from expectations.errors import CannotAsk
from infra.gateway.wire.app import App
from infra.gateway.wire.edges import Edges

BACKLOG = 2048
# uvloop takes one connection in each round. Of processes that are idle no one takes all that come at once; in one that
# is busy a round is many requests long, and so whatever still waits after so many seconds is taken many at a time.
WAITED_SECONDS, TAKEN_AT_ONCE = 0.02, 16


@dataclass(frozen=True)
class Tls:
    """PEM files: the certificate with its chain, and its key."""

    certificate: Path
    key: Path

    def check(self) -> None:
        """Raises CannotAsk where they cannot be used."""
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise CannotAsk(f"{self.certificate}, {self.key}: not a certificate and its key: {error}.") from None


def refuse_exposed(host: str, guarded: bool, exposed: bool) -> None:
    """Raises CannotAsk where others could reach a gateway that has no TLS or no tokens, and nobody said that they may.

    `guarded`: it has both.
    """
    if not (guarded or exposed or is_loopback(host)):
        raise CannotAsk(
            f"{host}: expected an address of this machine alone, such as 127.0.0.1, or TLS and tokens; found neither. "
            "Give --tls-certificate, --tls-key and --tokens, or say --exposed if something in front keeps others out."
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket, which processes may share. Raises CannotAsk."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        raise CannotAsk(f"{host}:{port}: cannot listen there: {error.strerror or error}.") from None
    listener.set_inheritable(True)
    return listener


class Server(uvicorn.Server):
    """uvicorn's, with a time for handshakes; connections are shared by processes, and wait for none that is busy."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens on the sockets, and on nothing else."""
        await self.lifespan.startup()
        config, loop = self.config, asyncio.get_running_loop()
        seconds = config.loaded_app.limits.header_seconds
        tls = {"ssl": config.ssl, "ssl_handshake_timeout": seconds, "ssl_shutdown_timeout": seconds}
        made, how = partial(Edges, config, self.server_state, {}), tls if config.ssl else {}
        self.servers = [await loop.create_server(made, sock=one.dup(), backlog=BACKLOG, **how) for one in sockets or []]
        self._taking = asyncio.create_task(take_waiting(sockets or [], made, how))
        # Nothing that was loaded until here is garbage: to look through it again would stop requests for long.
        gc.collect()
        gc.freeze()
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Takes nothing any more, and finishes what it has."""
        self._taking.cancel()
        await super().shutdown(sockets)


async def take_waiting(sockets: Sequence[socket.socket], made: Callable[[], Edges], how: dict[str, Any]) -> None:
    """Takes what has waited, again and again."""
    loop, begun = asyncio.get_running_loop(), set[asyncio.Task[Any]]()
    waited: set[socket.socket] = set()
    while True:
        await asyncio.sleep(WAITED_SECONDS)
        waiting = {*select(sockets, (), (), 0)[0]}
        # What came a moment ago is not taken: it may be another process's.
        for one in _accepted(waiting & waited):
            # A handshake takes its time, and may fail.
            task = loop.create_task(_begin(loop, made, one, how))
            begun.add(task)
            task.add_done_callback(begun.discard)
        waited = waiting


def _accepted(listeners: Iterable[socket.socket]) -> Iterator[socket.socket]:
    for listener in listeners:
        listener.setblocking(False)
        # Another process was faster, or there are too many open files: next time.
        with suppress(OSError):
            for _ in range(TAKEN_AT_ONCE):
                yield listener.accept()[0]


async def _begin(
    loop: asyncio.AbstractEventLoop, made: Callable[[], Edges], one: socket.socket, how: dict[str, Any]
) -> None:
    with suppress(OSError):
        await loop.connect_accepted_socket(made, one, **how)


def make_server(app: App, tls: Tls | None = None) -> Server:
    """A server that stops accepting on SIGTERM, finishes what it has, and ends within `stop_seconds`.

    It serves after `run(sockets=[...])`, or `await serve(sockets=[...])` on a loop that runs already.
    """
    limits = app.limits
    return Server(
        uvicorn.Config(
            app,
            http=Edges,
            ws="none",
            lifespan="off",
            interface="asgi3",
            loop="uvloop",
            proxy_headers=False,
            server_header=False,
            access_log=False,
            log_config=None,
            # What callers do wrong is theirs; it must not fill a disk here.
            log_level="error",
            backlog=BACKLOG,
            timeout_keep_alive=int(limits.idle_seconds),
            timeout_graceful_shutdown=limits.stop_seconds,
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
        )
    )
