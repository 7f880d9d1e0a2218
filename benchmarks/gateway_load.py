"""Load for the gateway benchmark, and what it cost the server: CPU time of its process and all that it started.

Linux only: both are read from /proc. The generator asks over kept-alive connections, each with one request under way,
and finishes after a stated number.
"""

import gc
import os
import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
LONGEST_S = 60.0


@dataclass(frozen=True)
class Load:
    """Of so many requests: CPU microseconds of the server, requests a second, each one's milliseconds, sorted."""

    cpu_us: float
    per_second: float
    latencies_ms: Sequence[float]

    def latency_ms(self, share: float) -> float:
        """What this share of the requests took at most."""
        return self.latencies_ms[min(int(share * len(self.latencies_ms)), len(self.latencies_ms) - 1)]


class _Line:
    """One kept-alive connection and the answer that it waits for."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=LONGEST_S)
        if self.socket.getsockname() == self.socket.getpeername():
            # Where nobody listens yet, a socket may reach itself.
            self.socket.close()
            raise ConnectionRefusedError(f"nobody listens on port {port}")
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received, self._expected, self.asked = b"", 0, 0.0

    def ask(self, request: bytes) -> None:
        self._received, self._expected = b"", 0
        self.asked = time.perf_counter()
        self.socket.sendall(request)

    def answer(self) -> bytes | None:
        """Reads what has come: the body once it is whole. Raises SystemExit where the answer is not a 200."""
        part = self.socket.recv(1 << 18)
        self._received += part
        if not part:
            raise SystemExit(f"a server hung up after {self._received[:300]!r}")
        if not self._expected and (end := self._received.find(b"\r\n\r\n")) >= 0:
            self._expected = end + 4 + _length(self._received)
        if not self._expected or len(self._received) < self._expected:
            return None
        return self._received[self._received.find(b"\r\n\r\n") + 4 :]


def _length(received: bytes) -> int:
    head = received[: received.find(b"\r\n\r\n")]
    first, *lines = head.lower().split(b"\r\n")
    if b" 200 " not in first + b" ":
        raise SystemExit(f"expected 200 of a server, found {received[:2000]!r}")
    said = next((line for line in lines if line.startswith(b"content-length:")), None)
    if said is None:
        raise SystemExit(f"expected a Content-Length of a server, found {head[:300]!r}")
    return int(said.split(b":")[1])


def http_request(path: str, body: bytes, headers: Sequence[str] = ("Content-Type: application/json",)) -> bytes:
    """A POST as it goes over the wire."""
    lines = (f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def ask_once(port: int, request: bytes) -> bytes:
    """The body of one answer."""
    line = _Line(port)
    with line.socket:
        line.ask(request)
        while (body := line.answer()) is None:
            pass
    return body


def load(pid: int, port: int, requests: Sequence[bytes], total: int, connections: int = 16) -> Load:
    """Asks `total` times, in turn the requests given, and measures."""
    turns = cycle(requests)
    with _connected(port, min(connections, total)) as lines, select.epoll() as waiting, _no_collection():
        for line in lines.values():
            waiting.register(line.socket, select.EPOLLIN)
        cpu, began, took = cpu_s(pid), time.perf_counter(), []
        for line in lines.values():
            line.ask(next(turns))
        left = total - len(lines)
        while len(took) < total:
            for number, _ in _events(waiting):
                line = lines[number]
                if line.answer() is None:
                    continue
                took.append((time.perf_counter() - line.asked) * 1000)
                if left > 0:
                    left -= 1
                    line.ask(next(turns))
        wall, spent = time.perf_counter() - began, cpu_s(pid) - cpu
    return Load(spent / total * 1e6, total / wall, sorted(took))


def _events(waiting: select.epoll) -> list[tuple[int, int]]:
    if not (events := waiting.poll(LONGEST_S)):
        raise SystemExit(f"a server did not answer within {LONGEST_S:.0f} s.")
    return events


@contextmanager
def _connected(port: int, count: int) -> Iterator[dict[int, _Line]]:
    lines = [_Line(port) for _ in range(count)]
    try:
        yield {line.socket.fileno(): line for line in lines}
    finally:
        for line in lines:
            line.socket.close()


@contextmanager
def _no_collection() -> Iterator[None]:
    # Its pauses would be in the latencies.
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def cpu_s(pid: int) -> float:
    """User and system seconds of a process and all below it, ended ones that were waited for among them."""
    return sum(_own_s(one) for one in family(pid))


def _own_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(int(fields[at]) for at in (11, 12, 13, 14)) * TICK_S


def family(pid: int) -> list[int]:
    """A process and all that came from it."""
    children = [
        int(child) for told in Path(f"/proc/{pid}/task").glob("*/children") for child in told.read_text().split()
    ]
    return [pid, *(one for child in children for one in family(child))]


def memory_mb(pid: int) -> float:
    """Proportional share of memory of a process and all below it."""
    told = (Path(f"/proc/{one}/smaps_rollup").read_text() for one in family(pid))
    kb = (line.split()[1] for text in told for line in text.splitlines() if line.startswith("Pss:"))
    return sum(map(int, kb)) / 1024
