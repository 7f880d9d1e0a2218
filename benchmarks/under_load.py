"""A gateway under full load, and what is done to it meanwhile: the parts of `make bench-under-load`."""

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families
from served import GOOD, Written, price_graph
from serving import Gateway, serve, until

from benchmarks.log_account import Kill
from benchmarks.wrk import Load, during

MODEL, PATH = "cars", "/v2/models/cars/records"
AWAY_S = 30.0
# By then a process has written what it answered under the load before, also on a busy machine.
SETTLED_S = 5.0
DROPPED = "seatrial_gateway_log_dropped_rows"
# Whatever way it is lost, the request goes to the other gateway: to score is to change nothing.
PROXY = """\
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    option http-buffer-request
    option redispatch 1
    retries 3
    retry-on conn-failure empty-response junk-response
frontend callers
    bind 127.0.0.1:{port}
    default_backend gateways
backend gateways
    option httpchk GET /v2/health/ready
    default-server check inter 500ms on-marked-down shutdown-sessions
    server one 127.0.0.1:{one}
    server two 127.0.0.1:{two}
"""


@dataclass
class Stand:
    """The store, what stands before it, and what was found so far."""

    written: Written
    folder: Path
    url: str = ""
    loads: dict[str, Load] = field(default_factory=dict)
    kills: list[Kill] = field(default_factory=list)
    followed_s: list[float] = field(default_factory=list)
    # Requests that were on their way in a process when it was killed, at most: its connections.
    held: dict[str, int] = field(default_factory=dict)
    dropped: int = 0

    def under_load(self, name: str, act: Callable[[], None]) -> Load:
        """Does it under load, and prints what became of the load."""
        key = name.replace(" ", "_")
        load = self.loads[key] = during(self.url + PATH, GOOD, key, self.folder, act)
        per_second = load.answered / load.seconds
        print(f"{name:<34}{load.seconds:>7.1f}{load.answered:>10,}{per_second:>10,.0f}{load.failed:>8}", flush=True)
        return load


@contextmanager
def gateway(stand: Stand, processes: int) -> Iterator[Gateway]:
    """`seatrial serve` with so many processes that all serve; afterwards its log is in the store, and what it dropped
    is counted."""
    with serve(stand.written.url, stand.written.home, "--model", MODEL, "--processes", processes) as running:
        until(lambda: len(running.workers()) == processes, "all processes", 60)
        running.until_all_say(stand.written.ledger.state().models[MODEL])
        stand.url = running.url
        yield running
        if running.process.poll() is None:
            # Its processes tell one another every two seconds what they counted.
            time.sleep(3)
            stand.dropped += counted(running, DROPPED)


def counted(running: Gateway, name: str) -> int:
    """The sum of a counter over its labels."""
    with urllib.request.urlopen(f"{running.url}/metrics", timeout=30) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return int(sum(sample.value for family in families if family.name == name for sample in family.samples))


def promote(stand: Stand, running: Gateway, graphs: Sequence[bytes]) -> None:
    """One release after the other, each as soon as all processes follow the one before."""
    for number, graph in enumerate(graphs, start=1):
        stand.written.promoted(f"r{number}", graph)
        stand.followed_s.append(running.until_all_say(f"r{number}"))


def roll_back(stand: Stand, running: Gateway, graph: bytes) -> None:
    """A release that serves is taken back."""
    before = stand.written.ledger.state().models[MODEL]
    stand.written.promoted("back", graph)
    running.until_all_say("back")
    stand.written.rolled_back("back")
    stand.followed_s.append(running.until_all_say(before))


def kill_one(stand: Stand, running: Gateway, name: str) -> None:
    """`kill -9` of the process with the most connections, until another one is in its place and serves."""
    workers = running.workers()
    time.sleep(SETTLED_S)
    # Stopped for a moment, so that what is counted is what is killed.
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    held = {pid: connections(pid, running.port) for pid in workers}
    victim = max(workers, key=held.__getitem__)
    stand.held[name] = held[victim]
    os.kill(victim, signal.SIGKILL)
    for pid in {*workers} - {victim}:
        os.kill(pid, signal.SIGCONT)
    stand.kills.append(Kill(victim, time.time()))
    until(lambda: victim not in running.workers() and len(running.workers()) == len(workers), "a new process")
    time.sleep(5)


def connections(pid: int, port: int) -> int:
    """How many connections of callers a process holds."""
    held = {os.readlink(path)[8:-1] for path in Path(f"/proc/{pid}/fd").iterdir()}
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    # 01: established.
    return sum(one[9] in held and one[1].endswith(f":{port:04X}") and one[3] == "01" for one in lines)


def take_away(stand: Stand, running: Gateway) -> None:
    """The store's folder is elsewhere for a while."""
    os.rename(stand.written.url, f"{stand.written.url}.away")
    try:
        running.until_words("the ledger cannot be read")
        time.sleep(AWAY_S)
    finally:
        os.rename(f"{stand.written.url}.away", stand.written.url)
    stand.written.promoted("after", price_graph(factor=3.0))
    running.until_all_say("after")


def damage(stand: Stand, running: Gateway, graph: bytes) -> None:
    """A release is promoted whose package was damaged since it was approved: it is told, and the one before serves."""
    before = stand.written.ledger.state().models[MODEL]
    package = stand.written.approved("damaged", graph)
    stand.written.store.blob_path(package).write_bytes(b"other bytes")
    stand.written.append("promoted", release="damaged", without_rollout="a benchmark")
    running.until_words(f"damaged is not served: blob {package}")
    running.until_all_say(before)
    time.sleep(5)
    stand.written.rolled_back("damaged")


@contextmanager
def haproxy(folder: Path, one: int, two: int) -> Iterator[str]:
    """The URL of a HAProxy before two gateways."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = folder / "haproxy.cfg"
    settings.write_text(PROXY.format(port=port, one=one, two=two))
    running = subprocess.Popen(["haproxy", "-f", settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listens(port), "HAProxy")
        yield f"http://127.0.0.1:{port}"
    finally:
        running.kill()
        running.wait()


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def kill_all(stand: Stand, gone: Gateway) -> None:
    """`kill -9` of a gateway: who would begin it anew first, then its process."""
    [victim] = gone.workers()
    time.sleep(SETTLED_S)
    gone.process.kill()
    os.kill(victim, signal.SIGKILL)
    stand.kills.append(Kill(victim, time.time(), behind_proxy=True))
    time.sleep(5)
