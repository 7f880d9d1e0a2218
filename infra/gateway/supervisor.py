"""Several processes on one listening socket: begun, begun again where one dies, ended together.

The socket is bound once, here, and every worker accepts from it. What one of them has not accepted when it dies waits
for the others; a socket of each worker's own (SO_REUSEPORT) would take it into the grave.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket
from tempfile import TemporaryDirectory
from typing import Any

from expectations.errors import CannotAsk
from infra.gateway.desk.buckets import shared_memory
from infra.gateway.wire.server import Tls, open_socket, refuse_exposed
from infra.gateway.wire.tokens import read_tokens
from infra.trust import read_public_key

# Until a worker that died is begun again: doubled each time, forgotten once one has lived so long.
PAUSE, LONGEST_PAUSE, LIVED = 0.1, 10.0, 10.0
# So many deaths before any worker ever served mean that none will.
HOPELESS = 4
LOOK = 0.05
# The same words of several workers are told once in so many seconds.
SAME = 10.0

Tell = Callable[[str, str], None]


@dataclass
class Worker:
    """One process, and how often it was begun again."""

    number: int
    process: subprocess.Popen[str] | None = None
    begun: float = 0.0
    deaths: int = 0
    again_at: float = 0.0


@dataclass
class Supervisor:
    """Runs `processes` workers with `plan` (JSON values; see the worker) on `listener` until it is told to stop.

    `tell(level, words)` gets what they have to say; `up` is called once, when the first of them serves.
    """

    plan: dict[str, Any]
    listener: socket
    shared: int
    processes: int
    tell: Tell
    up: Callable[[], None]
    stop_seconds: float = 30.0
    _workers: list[Worker] = field(default_factory=list)
    _there: set[int] = field(default_factory=set)
    _stops: int = 0
    _said: dict[str, tuple[float, int]] = field(default_factory=dict)
    _saying: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        """Until SIGINT, SIGTERM or SIGHUP. Raises CannotAsk where no worker ever comes up."""
        before = {
            number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        }
        self._workers = [Worker(number) for number in range(self.processes)]
        try:
            told = False
            while not self._stops:
                for worker in self._workers:
                    self._look_after(worker)
                if self._there and not told:
                    self.up()
                    told = True
                time.sleep(LOOK)
        finally:
            self._end()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, *_: object) -> None:
        self._stops += 1

    def _look_after(self, worker: Worker) -> None:
        now = time.monotonic()
        if worker.process is not None and worker.process.poll() is None:
            return
        if worker.process is not None:
            self._mourn(worker, worker.process, now)
        if now >= worker.again_at:
            self._begin(worker)

    def _mourn(self, worker: Worker, process: subprocess.Popen[str], now: float) -> None:
        worker.deaths = 1 if now - worker.begun > LIVED else worker.deaths + 1
        pause = min(PAUSE * 2 ** (worker.deaths - 1), LONGEST_PAUSE)
        worker.again_at, worker.process = now + pause, None
        if not self._there and worker.deaths >= HOPELESS:
            raise CannotAsk("The gateway did not come up: its workers ended each time. What they said stands above.")
        how = f"by signal {-process.returncode}" if process.returncode < 0 else f"with code {process.returncode}"
        self.tell("warning", f"worker {process.pid} ended {how}; begun again in {pause:g} s")

    def _begin(self, worker: Worker) -> None:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.gateway.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=(self.listener.fileno(), self.shared),
            # Ctrl-C is for the supervisor alone: it lets them finish what they have.
            start_new_session=True,
        )
        plan = {**self.plan, "listener": self.listener.fileno(), "shared": self.shared}
        if process.stdin:
            # It stays open as long as this process lives: its end tells the worker to stop.
            process.stdin.write(json.dumps(plan) + "\n")
            process.stdin.flush()
        worker.process, worker.begun = process, time.monotonic()
        threading.Thread(target=self._listen, args=(worker.number, process), daemon=True).start()

    def _listen(self, number: int, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            try:
                said = json.loads(line)
                level, words = said["level"], said["words"]
            except (ValueError, KeyError, TypeError):
                level, words = "info", line.rstrip()
            if level == "up":
                self._there.add(number)
            elif self._is_new(words, process.pid):
                self.tell(level, words)

    def _is_new(self, words: str, pid: int) -> bool:
        with self._saying:
            now = time.monotonic()
            said, by = self._said.get(words, (-SAME, pid))
            if now - said < SAME and by != pid:
                return False
            self._said = {text: last for text, last in self._said.items() if now - last[0] < SAME}
            self._said[words] = (now, pid)
            return True

    def _end(self) -> None:
        """All of them: what they have is finished, within `stop_seconds`, or until somebody is impatient."""
        self.listener.close()
        living = [worker.process for worker in self._workers if worker.process and worker.process.poll() is None]
        for process in living:
            process.send_signal(signal.SIGTERM)
        until, stops = time.monotonic() + self.stop_seconds, self._stops
        while any(process.poll() is None for process in living):
            if time.monotonic() > until or self._stops > stops:
                for process in living:
                    process.kill()
            time.sleep(LOOK)
        os.close(self.shared)


@dataclass(frozen=True)
class Gateway:
    """What `seatrial serve` is asked for. No models: all that have a champion. No keys to trust: this account's own."""

    store_url: str
    models: tuple[str, ...]
    host: str = "127.0.0.1"
    port: int = 8080
    processes: int = 1
    tokens: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    exposed: bool = False
    log_every_s: float = 10.0
    trust: tuple[Path, ...] = ()


def run_gateway(gateway: Gateway, tell: Tell, up: Callable[[str], None]) -> None:
    """Serves until SIGINT or SIGTERM. `up` is told the URL. Raises CannotAsk for what can be told before."""
    tls = _checked(gateway)
    listener = open_socket(gateway.host, gateway.port)
    host, port = gateway.host, listener.getsockname()[1]
    url = f"http{'s' * bool(tls)}://{f'[{host}]' if ':' in host else host}:{port}"
    plan = {
        "store": gateway.store_url,
        "models": list(gateway.models),
        "log_every_s": gateway.log_every_s,
        # Read once: a worker that is begun again trusts what the others trust.
        "trust": [read_public_key(path) for path in gateway.trust],
        **{name: str(path) if path else "" for name, path in _files(gateway).items()},
    }
    with TemporaryDirectory(prefix="seatrial-metrics-") as metrics:
        plan |= {"metrics": metrics}
        Supervisor(plan, listener, shared_memory(), gateway.processes, tell, lambda: up(url)).run()


def _files(gateway: Gateway) -> dict[str, Path | None]:
    return {"tokens": gateway.tokens, "certificate": gateway.certificate, "key": gateway.key}


def _checked(gateway: Gateway) -> bool:
    """Whether it is served over TLS."""
    if bool(gateway.certificate) != bool(gateway.key):
        raise CannotAsk("--tls-cert and --tls-key go together: expected both or none, found one.")
    if gateway.certificate and gateway.key:
        Tls(gateway.certificate, gateway.key).check()
    if gateway.tokens:
        read_tokens(gateway.tokens)
    tls = bool(gateway.certificate)
    refuse_exposed(gateway.host, tls and bool(gateway.tokens), gateway.exposed)
    return tls
