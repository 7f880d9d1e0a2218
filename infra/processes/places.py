"""Where something listens, whether it is free, and what answers there."""

import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from types import MappingProxyType
from typing import IO, Any

from expectations.errors import CannotAsk

PATIENCE = 3.0


@dataclass(frozen=True)
class Place:
    """Where something listens."""

    host: str
    port: int

    @property
    def reached_at(self) -> str:
        """HOST:PORT as this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def is_free(self) -> bool:
        """Whether nobody listens there."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((self.host, self.port))
            except OSError:
                return False
            return True


def chosen(host: str, port: int, option: str) -> Place:
    """The place; for port 0 a free one. Raises CannotAsk where somebody is there, in words about `option`."""
    place = Place(host, port or free_port(host))
    if place.is_free():
        return place
    who = "a Prefect server answers there, and this did not start it" if is_prefect(place) else "another program"
    also = " Or use that server: set PREFECT_API_URL." if "Prefect" in who else ""
    raise CannotAsk(
        f"{place.reached_at}: expected a free port, found {who}. End it, or name another with {option}.{also}"
    )


def free_port(host: str) -> int:
    """One that nobody has now. Raises CannotAsk where the host is none of this machine's."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as free:
            free.bind((host, 0))
            return int(free.getsockname()[1])
    except OSError as error:
        raise CannotAsk(f"{host}: cannot listen there: {error.strerror or error}.") from None


def is_prefect(place: Place) -> bool:
    """Whether what listens there answers as a Prefect server does."""
    answer = asked(f"http://{place.reached_at}/api/health")
    return (answer.status, answer.said) == (200, "true")


@dataclass(frozen=True)
class Answer:
    """What something said: its status, 0 where it said nothing; the first of its body, or why; its clock."""

    status: int
    said: str
    time: datetime


def asked(url: str, headers: Mapping[str, str] = MappingProxyType({})) -> Answer:
    """The answer of what listens there, after a few seconds at most."""
    try:
        request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310
        with _answered(request) as answer:
            return Answer(answer.status, _text(answer), _clock(answer.headers.get("date")))
    except (OSError, ValueError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        return Answer(0, str(getattr(reason, "strerror", None) or reason), _clock(None))


def _answered(request: urllib.request.Request) -> Any:
    """The answer, whatever its status. Of this machine it is a sign of life, asked through no proxy: whose certificate
    it is does not matter."""
    parts: list[urllib.request.BaseHandler] = []
    if request.host.rpartition(":")[0].startswith(("127.", "[::1]", "localhost")):
        unchecked = ssl._create_unverified_context()  # noqa: S323
        parts = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=unchecked)]
    try:
        return urllib.request.build_opener(*parts).open(request, timeout=PATIENCE)
    except urllib.error.HTTPError as error:
        return error


def _text(answer: IO[bytes]) -> str:
    return answer.read(65_536).decode(errors="replace")


def _clock(date: str | None) -> datetime:
    return parsedate_to_datetime(date) if date else datetime.now(UTC)
