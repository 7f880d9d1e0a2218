"""The `seatrial` command, as the demonstrations type it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
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


def seatrial(*arguments: str, quiet: bool = False) -> tuple[int, dict[str, Any]]:
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
    for line in (told.get("outcome"), told.get("status")):
        if line:
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
def system(store: str, spec: str, every_s: float) -> Iterator[tuple[str, str]]:
    """`seatrial up` on free ports of loopback; gives the URLs of the gateway and of the Prefect UI once all is up."""
    arguments = ["up", "--store", store, "--spec", spec, "--port", "0", "--ui-port", "0"]
    arguments += ["--monitor-every", str(every_s)]
    print(f"\n$ seatrial {' '.join(arguments)}", flush=True)
    process = subprocess.Popen([SEATRIAL, *arguments, "--json"], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    try:
        told = next(line for line in map(json.loads, process.stdout) if "gateway" in line and "ui" in line)
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield told["gateway"], told["ui"]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=90)
