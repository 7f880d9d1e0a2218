"""The `seatrial` command, as the demonstrations type it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SEATRIAL = Path(sys.executable).with_name("seatrial")


def fresh(folder: Path) -> None:
    """An empty folder, with a home and a Prefect database of its own: nothing is left elsewhere."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    os.environ |= {
        "SEATRIAL_HOME": str(folder / "home"),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_PROFILE": "ephemeral",
    }
    os.environ.pop("PREFECT_API_URL", None)


def seatrial(*arguments: str, quiet: bool = False) -> tuple[int, Any]:
    """Runs one command as a user would, shows it, and returns its exit code and its answer."""
    print(f"$ seatrial {' '.join(arguments)}", flush=True)
    done = subprocess.run(
        [SEATRIAL, *arguments, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if quiet else None,
        text=True,
        cwd=ROOT,
        check=False,
    )
    told = json.loads(done.stdout or "{}")
    for one in told if isinstance(told, list) else [told]:
        for line in filter(None, (one.get("outcome"), one.get("status"))):
            print(f"  → {line}", flush=True)
    return done.returncode, told


@contextmanager
def gateway(store: str, model: str, processes: int = 1) -> Iterator[str]:
    """`seatrial serve` on a free port of loopback; gives its URL once it listens."""
    arguments = ["serve", "--store", store, "--model", model, "--port", "0", "--processes", str(processes)]
    # Sooner than by default, for a rollout at a demonstration's pace.
    arguments += ["--log-every", "2"]
    print(f"$ seatrial {' '.join(arguments)}", flush=True)
    process = subprocess.Popen([SEATRIAL, *arguments, "--json"], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        url = next(told["listening"] for told in map(json.loads, process.stdout) if "listening" in told)
        print(f"  → {url}", flush=True)
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)


@contextmanager
def system(store: str, spec: str, every_s: float) -> Iterator[Callable[[], tuple[str, str]]]:
    """`seatrial up` on free ports of loopback; gives what waits until all is up and has the URLs of gateway and UI."""
    arguments = ["up", "--store", store, "--spec", spec, "--port", "0", "--ui-port", "0"]
    arguments += ["--monitor-every", str(every_s)]
    print(f"\n$ seatrial {' '.join(arguments)}", flush=True)
    process = subprocess.Popen([SEATRIAL, *arguments, "--json"], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    said = process.stdout

    def places() -> tuple[str, str]:
        told = next(line for line in map(json.loads, said) if "gateway" in line and "ui" in line)
        threading.Thread(target=said.read, daemon=True).start()
        print(f"  The gateway: {told['gateway']}   The Prefect UI: {told['ui']}", flush=True)
        return told["gateway"], told["ui"]

    try:
        yield places
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=90)


def ready(url: str, model: str) -> None:
    """Waits until the gateway at that URL answers for the model: it follows the ledger within two seconds."""
    while True:
        with suppress(OSError), urllib.request.urlopen(f"{url}/v2/models/{model}/ready", timeout=5):  # noqa: S310
            return
        time.sleep(0.2)
