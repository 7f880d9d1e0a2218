"""Where the time of the Ames release goes: `make bench-release`.

Each step's own work, apart from imports, Prefect and the judging by Great Expectations; and how much longer the command
takes than that, with a Prefect server running, without one, and again on a release that is done.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.results import Claim, write_results

SPEC, AS_OF = "examples/ames/release.yaml", "2010-07-31"
BIN = Path(sys.executable).parent
ROUNDS = 3
PACKAGES = ("prefect", "great-expectations", "onnxruntime", "scikit-learn")


def main() -> None:
    """Runs everything `ROUNDS` times in turn and writes the medians."""
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", "MPLBACKEND": "Agg"}
        environment = {**os.environ, **quiet, "SEATRIAL_HOME": f"{folder}/home", "PREFECT_HOME": f"{folder}/prefect"}
        with _server(environment) as url:
            _release(f"{folder}/warm", {**environment, "PREFECT_API_URL": url})
            rounds = [_round(Path(folder, str(at)), environment, url) for at in range(ROUNDS)]
    steps = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    _print(steps)
    own = steps["own work"]
    claims: list[Claim] = [
        {"name": "overhead_s", "value": round(steps["with a server"] - own, 2), "unit": "s", "goal": "<= 8"},
        {"name": "cold_start_s", "value": round(steps["without"] - own, 2), "unit": "s", "goal": "<= 20"},
        {"name": "rerun_s", "value": round(steps["again"], 2), "unit": "s", "goal": "<= 5"},
        {"name": "own_work_s", "value": round(own, 2), "unit": "s", "goal": "stated"},
    ]
    print(*(f"{claim['name']:14} {claim['value']:6.2f} s   ({claim['goal']})" for claim in claims), sep="\n")
    print(write_results("release", PACKAGES, claims))


def _round(folder: Path, environment: dict[str, str], url: str) -> dict[str, float]:
    """Seconds of each step's own work, and of the command in its three situations."""
    command = [sys.executable, "-m", "benchmarks.release_work", SPEC, str(folder / "work"), AS_OF]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    spent: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    own = sum(seconds for name, seconds in spent.items() if name not in ("all", "judged"))
    served = {**environment, "PREFECT_API_URL": url}
    return {
        **spent,
        "own work": own,
        "with a server": _release(str(folder / "served"), served),
        "without": _release(str(folder / "alone"), environment),
        "again": _release(str(folder / "served"), served),
    }


def _release(store: str, environment: dict[str, str]) -> float:
    began = time.perf_counter()
    command = [BIN / "seatrial", "release", SPEC, "--store", store]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


def _print(steps: dict[str, float]) -> None:
    for name, seconds in steps.items():
        bar = "█" * round(seconds * 2)
        print(f"{name:20} {seconds:7.2f} s  {bar}")


@contextmanager
def _server(environment: dict[str, str]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [BIN / "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}/api"
    try:
        _wait(f"{url}/health", server)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait(url: str, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(1200):
        if server.poll() is not None:
            sys.exit("the Prefect server did not start")
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit("the Prefect server did not answer within two minutes")


if __name__ == "__main__":
    main()
