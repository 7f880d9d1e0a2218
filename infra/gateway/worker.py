"""One process of the gateway: `python -m infra.gateway.worker`, begun by the supervisor.

The first line of its input is its plan, as JSON; the end of its input tells it that the supervisor is gone. What it has
to say are lines of JSON, `{"level": ..., "words": ...}`.
"""

import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn

from expectations.errors import CannotAsk
from infra.gateway.desk.buckets import Buckets
from infra.gateway.desk.desk import LedgerDesk
from infra.gateway.desk.following import Following
from infra.gateway.desk.loading import Loaded
from infra.gateway.diary.columns import columns_of
from infra.gateway.diary.diary import Diary, Limits
from infra.gateway.diary.metrics import Metrics
from infra.gateway.diary.reports import Reports
from infra.gateway.wire.app import App
from infra.gateway.wire.server import Tls, make_server
from infra.gateway.wire.tokens import read_tokens
from infra.keys import home
from infra.ledger import Ledger
from infra.store import open_store
from infra.trust import Trust

# While a package is loaded beside it, the event loop gets the interpreter back after this many seconds, not after 5 ms.
SWITCH_SECONDS = 0.0005


class Lines(logging.Handler):
    """Hands the log on to the supervisor."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        say(record.levelname.lower(), self.format(record))


def say(level: str, words: str) -> None:
    """To the supervisor; to nobody, if it is gone."""
    try:
        os.write(1, (json.dumps({"level": level, "words": words}) + "\n").encode())
    except OSError:
        return


class Ending:
    """What SIGTERM does: before there is a server the process ends at once, afterwards the server finishes first.

    uvicorn takes the signals while it serves and hands them on when it has finished, when there is more to finish.
    """

    def __init__(self) -> None:
        self.server: uvicorn.Server | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def _end(self, *_: object) -> None:
        if self.server is None:
            os._exit(0)
        self.server.should_exit = True


def main() -> None:
    """Serves until SIGTERM, or until the supervisor is gone."""
    ending, plan = Ending(), json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    log = logging.getLogger("seatrial.gateway")
    log.addHandler(Lines())
    log.setLevel(logging.INFO)
    log.propagate = False
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        _serve(plan, ending)
    except (CannotAsk, OSError) as error:
        say("error", str(error))
        os._exit(2)
    # Threads that hang in a release hold nobody up.
    os._exit(0)


def _end_with_supervisor() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _serve(plan: dict[str, Any], ending: Ending) -> None:
    tokens = read_tokens(Path(plan["tokens"])) if plan["tokens"] else None
    tls = Tls(Path(plan["certificate"]), Path(plan["key"])) if plan["certificate"] else None
    # A store that is away now comes back, and is not to find another in its place.
    store, metrics = open_store(plan["store"], make=False), Metrics(Path(plan["metrics"]))
    diary = Diary(store, home(), metrics, Limits(upload_seconds=plan["log_every_s"])).start()
    reports = Reports(_appending(Ledger(store, home())), metrics).start()
    trust = Trust(home(), plan["trust"])
    following = Following(store, home(), tuple(plan["models"]), metrics, _knowing(diary), trust)
    following.start()
    desk = LedgerDesk(following, diary, reports, metrics, Buckets(plan["shared"]))
    ending.server = make_server(App(desk, tokens=tokens), tls)
    say("up", "")
    ending.server.run(sockets=[socket.socket(fileno=plan["listener"])])
    # What callers were answered is written down before the process ends.
    reports.stop()
    diary.stop()
    metrics.close()


def _appending(ledger: Ledger) -> Callable[[str, dict[str, Any]], object]:
    return lambda model, body: ledger.decide_and_append(lambda _: ("misbehaviour reported", model, body))


def _knowing(diary: Diary) -> Callable[[Loaded], None]:
    def know(loaded: Loaded) -> None:
        diary.know(loaded.release, columns_of(loaded.signature, loaded.spec.get("data") or {}, loaded.rules.log))

    return know


if __name__ == "__main__":
    main()
