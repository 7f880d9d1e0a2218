"""The programs that a team uses, on one machine: a Prefect server with its UI, a worker, a gateway."""

import json
import os
import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from infra.keys import home, place_name
from infra.processes.places import Answer, Place, asked
from infra.processes.program import Health, Program

# A worker looks for work every two seconds; on a busy machine a look can take ten.
LATEST_LOOK = 20.0
SERVER, WORKER, GATEWAY = "server", "worker", "gateway"
PYTHON = (sys.executable, "-P", "-m")
# The last of them: its log is read when it dies.
TELLING = {"PREFECT_LOGGING_LEVEL": "WARNING", "PREFECT_SERVER_LOGGING_LEVEL": "WARNING"}


@dataclass(frozen=True)
class Folders:
    """Where the account keeps what is of one store's processes: logs, and Prefect's own home."""

    root: Path

    @classmethod
    def of(cls, store: str) -> "Folders":
        """Those of a store."""
        return cls(home() / "up" / place_name(store))

    @property
    def running(self) -> Path:
        """What runs now, for whoever starts after all was killed."""
        return self.root / "running.json"

    @property
    def prefect(self) -> Path:
        """What the server keeps, its SQLite database too."""
        return self.root / "prefect"

    def log(self, name: str) -> Path:
        """The log of one of them."""
        return self.root / f"{name}.log"


def server(place: Place, database: str | None, folders: Folders) -> Program:
    """A Prefect server with its UI; its database is SQLite in the account's home where none is named."""
    url = f"http://{place.reached_at}"
    environment = {
        **os.environ,
        **TELLING,
        "PREFECT_HOME": str(folders.prefect),
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_UI_API_URL": f"{url}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # On disk: after a kill the slot of a run that is no more comes free, and a run that goes on keeps its own.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "DO_NOT_TRACK": "1",
    }
    if database:
        # Where nobody else can read it; a command line everybody can.
        environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database
    command = (*PYTHON, "prefect", "server", "start", "--host", place.host, "--port", str(place.port))
    ask = partial(_server_health, url)
    return Program(SERVER, command, environment, folders.log(SERVER), ask, is_free=place.is_free, stop_s=20)


def _server_health(url: str, _: float) -> Health:
    answer = asked(f"{url}/api/health")
    return Health(True, url) if answer.status == 200 else Health(False, _unwell(f"{url}/api/health", answer))


def _unwell(url: str, answer: Answer) -> str:
    return f"{url}: {answer.status or 'no answer'}, {answer.said[:200]}"


@dataclass(frozen=True)
class Api:
    """A Prefect server's API, and what it wants to be told of who asks."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, url: str) -> "Api":
        """With the credentials that Prefect's clients take from the environment."""
        basic, key = os.environ.get("PREFECT_API_AUTH_STRING"), os.environ.get("PREFECT_API_KEY")
        told = f"Basic {b64encode(basic.encode()).decode()}" if basic else f"Bearer {key}" if key else ""
        return cls(url, {"Authorization": told} if told else {})


def worker(options: Sequence[str], api: Api, deployment: str, needs: Sequence[str], folders: Folders) -> Program:
    """`seatrial work`, which is well as long as the server sees it look for runs of the deployment."""
    environment = {**os.environ, "PREFECT_API_URL": api.url}
    if needs:
        environment["PREFECT_HOME"] = str(folders.prefect)
    command = (*PYTHON, "flows.cli", "work", *options)
    ask = partial(_worker_health, api, deployment)
    return Program(WORKER, command, environment, folders.log(WORKER), ask, tuple(needs), stop_s=45)


def _worker_health(api: Api, deployment: str, seconds: float) -> Health:
    """Of a worker that was begun so many seconds ago. A server that cannot be asked says nothing of it."""
    answer = asked(f"{api.url}/deployments/name/{deployment}", api.headers)
    if answer.status not in (200, 404):
        return Health(None, _unwell(api.url, answer))
    try:
        last = json.loads(answer.said).get("last_polled") if answer.status == 200 else None
    except (ValueError, AttributeError):
        return Health(None, f"{api.url}: expected JSON of a Prefect server, found {answer.said[:100]!r}")
    ago = (answer.time - datetime.fromisoformat(last)).total_seconds() if last else seconds
    if ago >= seconds:
        return Health(False, "it has not looked for work yet")
    is_well = ago < LATEST_LOOK
    return Health(is_well, "looks for work" if is_well else f"last looked for work {ago:.0f} s ago")


def gateway(options: Sequence[str], place: Place, is_tls: bool, folders: Folders) -> Program:
    """`seatrial serve`; it is up while it waits for a first promotion, too."""
    url = f"http{'s' * is_tls}://{place.reached_at}"
    command = (*PYTHON, "flows.cli", "serve", "--host", place.host, "--port", str(place.port), *options)
    ask = partial(_gateway_health, url)
    log = folders.log(GATEWAY)
    return Program(GATEWAY, command, dict(os.environ), log, ask, is_free=place.is_free, start_s=120, stop_s=40)


def _gateway_health(url: str, _: float) -> Health:
    answer = asked(f"{url}/v2/health/live")
    if answer.status != 200:
        return Health(False, _unwell(f"{url}/v2/health/live", answer))
    ready = asked(f"{url}/v2/health/ready").status == 200
    return Health(True, url if ready else f"{url}, not ready: no model was promoted yet, or its log says what is wrong")
