import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
import seaweed
from fault_proxy import between
from hypothesis import HealthCheck, settings

from infra.store import open_store

# The first text that hypothesis draws builds its tables for seconds: slow is no finding on a busy machine.
settings.register_profile("seatrial", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("seatrial")

BIN = Path(sys.executable).parent


@pytest.fixture(scope="session")
def prefect_url(tmp_path_factory):
    """A real Prefect server on a free port of loopback, with an empty SQLite database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    quiet = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    # The UI asks the address that it was given, 4200 by default.
    ui = {"PREFECT_UI_API_URL": f"http://127.0.0.1:{port}/api"}
    environment = {**os.environ, **quiet, **ui, "PREFECT_HOME": str(tmp_path_factory.mktemp("prefect"))}
    command = [BIN / "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/api"
    _wait_until_healthy(f"{url}/health", server)
    yield url
    server.terminate()
    server.wait(timeout=30)


def _wait_until_healthy(url, server):
    for _ in range(1200):
        assert server.poll() is None, "the Prefect server did not start"
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    pytest.fail("the Prefect server did not answer within two minutes")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """A real S3 server with the buckets `plain` and `locked`. Tests that use it are of the xdist group `s3`."""
    with seaweed.serve(tmp_path_factory.mktemp("seaweed")) as url:
        yield url


@pytest.fixture
def s3_account(tmp_path, monkeypatch):
    """This test is an account of its own, with the right credentials and nothing else of AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    home = {"SEATRIAL_HOME": str(tmp_path / "home")}
    for name, value in {**seaweed.CREDENTIALS, **seaweed.NOTHING_ELSE, **home}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def s3_url(s3_server, s3_account):
    """A store URL in which nothing is yet."""
    return f"s3://plain/{uuid.uuid4()}?endpoint={s3_server}"


@pytest.fixture
def proxy(s3_server):
    """A way to the S3 server on which things go wrong as ordered."""
    with between(s3_server) as way:
        yield way


@pytest.fixture
def faulty_store(proxy, s3_account, monkeypatch):
    """An S3 store behind the proxy; nothing is waited for long."""
    monkeypatch.setattr("infra.s3_write.PAUSES", (0.01, 0.01, 0.01))
    monkeypatch.setattr("infra.s3_store.PAUSES", (0.01, 0.01, 0.01))
    monkeypatch.setattr("infra.s3_place.READ_SECONDS", 1)
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0.01)
    return open_store(f"s3://plain/{uuid.uuid4()}?endpoint={proxy.url}")


@pytest.fixture
def seatrial(tmp_path, monkeypatch):
    """Runs the command as a user does; `.code`, `.out`, `.err`, `.json` of its end. No traceback is ever allowed."""
    monkeypatch.setenv("SEATRIAL_HOME", str(tmp_path / "home"))

    def run(*arguments, cwd=tmp_path):
        done = subprocess.run(
            [BIN / "seatrial", *map(str, arguments)], capture_output=True, text=True, cwd=cwd, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        told = json.loads(done.stdout) if "--json" in arguments and done.stdout else None
        return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr, json=told)

    return run
