"""The servers of the gateway benchmark: how each is installed, started, asked and stopped.

Each peer has an environment of its own, made from its lock of pinned versions, and runs as its
documentation says for production with one worker and one thread. Access logs and telemetry are off; metrics stay as
they are. Every peer serves the estimator, as its own docs show it, and the bare graph through onnxruntime.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks import gateway_case as case
from benchmarks.gateway_load import ask_once, http_request
from benchmarks.peers import python_of

HERE = Path(__file__).parent
PEERS = HERE / "gateway_peers"
PEER_NAMES = ("mlserver", "kserve", "bentoml", "mlflow")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
QUIET = {
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "UVICORN_ACCESS_LOG": "false",
}
START_S = 120.0
Read = Callable[[bytes], npt.NDArray[np.float64]]
Write = Callable[[pd.DataFrame], bytes]


@dataclass(frozen=True)
class Server:
    """A command with `{port}` in it, and how it is asked for predictions."""

    name: str
    command: Sequence[str]
    path: str
    write: Write = case.v2_json
    read: Read = case.v2_prediction
    environment: Mapping[str, str] = field(default_factory=dict)
    predicts: bool = True

    def request(self, rows: pd.DataFrame) -> bytes:
        """A whole HTTP request for these rows."""
        return http_request(self.path, self.write(rows))


@dataclass(frozen=True)
class Running:
    """A server that answers: its first process and its port."""

    server: Server
    pid: int
    port: int

    def predict(self, rows: pd.DataFrame) -> npt.NDArray[np.float64]:
        """What it says of these rows."""
        return self.server.read(ask_once(self.port, self.server.request(rows)))


def peers(folder: Path) -> list[Server]:
    """Every peer, with the estimator and with the graph; their models are laid ready under the case's folder."""
    pythons = {name: python_of(PEERS, name) for name in PEER_NAMES}
    _save_for_mlflow(pythons["mlflow"], folder)
    return [
        server
        for kind in ("sklearn", "onnx")
        for server in (
            _mlserver(pythons["mlserver"], folder, kind),
            _kserve(pythons["kserve"], folder, kind),
            _bentoml(pythons["bentoml"], folder, kind),
            _mlflow(pythons["mlflow"], folder, kind),
        )
    ]


def _save_for_mlflow(python: str, folder: Path) -> None:
    done = subprocess.run(
        [python, PEERS / "mlflow_save.py", folder],
        env=_environment(python, {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"mlflow did not save the model: {done.stdout[-2000:]}")


def _mlserver(python: str, folder: Path, kind: str) -> Server:
    """`mlserver start` on a folder with its two settings files; ports come by environment."""
    home = folder / f"mlserver-{kind}"
    home.mkdir(exist_ok=True)
    (home / "settings.json").write_text(json.dumps({"debug": False, "parallel_workers": 0, "host": "127.0.0.1"}))
    runtime, file = {
        "sklearn": ("mlserver_sklearn.SKLearnModel", "model.joblib"),
        "onnx": ("mlserver_onnx.OnnxModel", "core.onnx"),
    }[kind]
    about = {"name": case.MODEL, "implementation": runtime, "parameters": {"uri": str(folder / file)}}
    (home / "model-settings.json").write_text(json.dumps(about))
    ports = {"MLSERVER_HTTP_PORT": "{port}", "MLSERVER_GRPC_PORT": "{other}", "MLSERVER_METRICS_PORT": "{third}"}
    command = (str(Path(python).with_name("mlserver")), "start", str(home))
    return Server(f"mlserver {kind}", command, f"/v2/models/{case.MODEL}/infer", environment=ports)


def _kserve(python: str, folder: Path, kind: str) -> Server:
    switches = ("--enable_grpc", "false", "--configure_logging", "false", "--enable_latency_logging", "false")
    command = (python, str(PEERS / "kserve_server.py"), "--http_port", "{port}", *switches)
    told = {"BENCH_CASE": str(folder), "BENCH_KIND": kind}
    return Server(f"kserve {kind}", command, f"/v2/models/{case.MODEL}/infer", environment=told)


def _bentoml(python: str, folder: Path, kind: str) -> Server:
    service, write = {"sklearn": ("Estimator", case.records_json), "onnx": ("Graph", case.columns_json)}[kind]
    serve = (
        "serve",
        f"bento_service:{service}",
        "--working-dir",
        str(PEERS),
        "--host",
        "127.0.0.1",
        "--port",
        "{port}",
    )
    command = (str(Path(python).with_name("bentoml")), *serve)
    told = {"BENCH_CASE": str(folder), "BENTOML_HOME": str(folder / "bentoml")}
    return Server(f"bentoml {kind}", command, "/predict", write, case.plain_prediction, told)


def _mlflow(python: str, folder: Path, kind: str) -> Server:
    serve = ("models", "serve", "--env-manager", "local", "--workers", "1", "--host", "127.0.0.1", "--port", "{port}")
    command = (str(Path(python).with_name("mlflow")), *serve, "--model-uri", str(folder / f"mlflow-{kind}"))
    return Server(f"mlflow {kind}", command, "/invocations", case.split_json, case.mlflow_prediction)


def ours(store: Path) -> Server:
    """`seatrial serve` with all that it does by default: guards, split, prediction log, metrics."""
    command = (str(Path(sys.executable).with_name("seatrial")), "serve", "--store", str(store), "--port", "{port}")
    # What is measured is this checkout, wherever the command was installed from.
    told = {"SEATRIAL_HOME": str(store.with_name("home")), "PYTHONPATH": str(HERE.parent)}
    return Server("seatrial", command, f"/v2/models/{case.MODEL}/infer", environment=told)


def hello() -> Server:
    """A fixed answer on uvicorn[standard], as our gateway runs on it."""
    serve = ("hello:app", "--app-dir", str(PEERS), "--host", "127.0.0.1", "--port", "{port}", "--no-access-log")
    return Server("hello", (sys.executable, "-m", "uvicorn", *serve), "/", predicts=False)


@contextmanager
def running(server: Server, folder: Path, row: pd.DataFrame) -> Iterator[Running]:
    """Starts it, waits until it predicts, and ends all that it started. What it prints is in `folder`."""
    ports = _free_ports(3)
    with (folder / f"{server.name.replace(' ', '-')}.log").open("wb") as log:
        process = subprocess.Popen(
            [part.format(port=ports["port"]) for part in server.command],
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=_environment(
                server.command[0], {key: told.format(**ports) for key, told in server.environment.items()}
            ),
            start_new_session=True,
        )
        try:
            _wait(process, ports["port"], server.request(row), Path(log.name))
            yield Running(server, process.pid, ports["port"])
        finally:
            _end(process)


def _environment(program: str, more: Mapping[str, str]) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    # mlflow starts whatever uvicorn is first on the path.
    path = os.pathsep.join((str(Path(program).parent), kept.get("PATH", "")))
    return {**kept, **ONE_THREAD, **QUIET, "PYTHONPATH": str(PEERS), "PATH": path, **more}


def _free_ports(count: int) -> dict[str, int]:
    with_names = zip(("port", "other", "third")[:count], [socket.socket() for _ in range(count)], strict=True)
    found = {}
    for name, one in with_names:
        one.bind(("127.0.0.1", 0))
        found[name] = one.getsockname()[1]
    return found


def _wait(process: "subprocess.Popen[bytes]", port: int, request: bytes, log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        try:
            ask_once(port, request)
        except OSError:
            time.sleep(0.3)
        else:
            return
    raise SystemExit(f"{log.stem} did not start within {START_S:.0f} s: {log.read_text()[-2000:]}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(20)
    # What a supervisor left behind is of the same session.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)
