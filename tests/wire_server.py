"""The gateway's wire for tests: a real uvicorn process on loopback, or the application called in this process."""

import asyncio
import contextlib
import functools
import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import SimpleNamespace

import msgspec
from guarded import cars, encoded, guarded_files, labelled, three
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from wire_desk import SmallDesk

from infra.gateway.wire.app import App
from infra.gateway.wire.limits import Limits
from infra.gateway.wire.server import make_server, open_socket
from infra.runtime import Scorer

DESK = Path(__file__).parent / "wire_desk.py"
YEAR, WEIGHT, MAKE = [2000.0, 1995.0], [1600.0, 1825.0], ["Saab", "Fiat"]


@functools.cache
def packages():
    """The bytes of two guarded packages: cars is a regression with texts, wine has classes."""
    wine = make_pipeline(StandardScaler(), LogisticRegression())
    return {
        "cars": guarded_files(encoded(Ridge()), three(cars()), "price")[0],
        "wine": guarded_files(wine, three(labelled(load_wine)), "class")[0],
    }


@functools.cache
def scorers():
    return {name: Scorer(graph) for name, graph in packages().items()}


@contextlib.contextmanager
def serving(**options):
    """`.url`, `.host` and `.port` of a gateway with these options, and its `.process`."""
    with tempfile.TemporaryDirectory() as folder:
        for name, graph in packages().items():
            (Path(folder) / f"{name}.onnx").write_bytes(graph)
        told = Path(folder) / "options.json"
        told.write_text(json.dumps(options))
        command = [sys.executable, DESK, told, folder]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            port = int(process.stdout.readline())
            scheme = "https" if "tls" in options else "http"
            host = f"127.0.0.1:{port}"
            yield SimpleNamespace(url=f"{scheme}://{host}", host=host, port=port, process=process)
        finally:
            process.terminate()
            _, errors = process.communicate(timeout=20)
    assert "Traceback" not in errors, errors


@contextlib.contextmanager
def serving_here(seconds=0.0, tls=None, **limits):
    """The same in a thread of this process, which starts at once. Its `.port`."""
    server = make_server(App(SmallDesk(scorers(), seconds), Limits(**limits)), tls)
    listener = open_socket("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    port = listener.getsockname()[1]
    thread.start()
    try:
        yield SimpleNamespace(port=port)
    finally:
        server.should_exit = True
        thread.join()


def call(app, method, path, body=b"", headers=(), chunks=None):
    """(status, headers, body) of an application that is called in this process."""
    return asyncio.run(_call(app, method, path, body, headers, chunks))


async def _call(app, method, path, body, headers, chunks):
    parts = chunks or [body]
    messages = [
        {"type": "http.request", "body": part, "more_body": at + 1 < len(parts)} for at, part in enumerate(parts)
    ]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    listed = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    scope = {"type": "http", "method": method, "raw_path": path.encode("latin-1"), "headers": listed}
    await app(scope, receive, send)
    start, end = sent
    told = {name.decode(): value.decode() for name, value in start["headers"]}
    assert int(told["content-length"]) == len(end["body"])
    return start["status"], told, end["body"]


def car_request(**more):
    """Two cars, as JSON."""
    inputs = [
        {"name": "year", "shape": [2], "datatype": "FP64", "data": YEAR},
        {"name": "weight kg", "shape": [2, 1], "datatype": "FP64", "data": [[value] for value in WEIGHT]},
        {"name": "make", "shape": [2], "datatype": "BYTES", "data": MAKE},
    ]
    return {"inputs": inputs, **more}


def json_of(reply):
    return msgspec.json.decode(reply[2])
