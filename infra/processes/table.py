"""The machine's processes: who is whose child, and which of them are left over from a start that was killed."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LOOK = 0.05


@dataclass(frozen=True)
class Process:
    """A process, and when it was begun: numbers are given again, both together are not."""

    name: str
    pid: int
    begun: str


def children(parent: int) -> list[int]:
    """The processes that are its children now, dead ones that nobody has asked about among them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError):
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(path.parent.name))
    return sorted(found)


def begun(pid: int) -> str:
    """When a process that lives was begun, in the system's own words; "" where none lives."""
    try:
        told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _asked_of_ps(pid)
    return "" if told[0] == "Z" else told[19]


def _asked_of_ps(pid: int) -> str:
    if Path("/proc/self").exists():
        return ""
    asked = ["ps", "-o", "lstart=", "-p", str(pid)]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()


def write_down(path: Path, processes: Iterable[Process]) -> None:
    """What runs, for whoever starts after this process was killed."""
    written = path.with_suffix(".new")
    written.write_text(json.dumps([one.__dict__ for one in processes]))
    written.replace(path)


def left_over(path: Path) -> list[Process]:
    """Those that were written down there and live on."""
    try:
        told = [Process(**one) for one in json.loads(path.read_text())]
    except (OSError, ValueError, TypeError):
        return []
    return [one for one in told if one.begun and begun(one.pid) == one.begun]


def end_groups(processes: Iterable[Process], seconds: float) -> None:
    """Ends processes, and the groups that they lead: asked at first, killed after so many seconds."""
    living = [one for one in processes if begun(one.pid) == one.begun]
    leading = [one for one in living if _leads(one.pid)]
    alone = [one for one in living if one not in leading]
    until = time.monotonic() + seconds
    for number in (signal.SIGTERM, signal.SIGKILL):
        for one in leading:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(one.pid, number)
        for one in alone:
            with suppress(ProcessLookupError, PermissionError):
                # The number may be another's by now.
                if begun(one.pid) == one.begun:
                    os.kill(one.pid, number)
        while time.monotonic() < until and any(begun(one.pid) == one.begun for one in living):
            time.sleep(LOOK)


def _leads(pid: int) -> bool:
    with suppress(ProcessLookupError):
        return os.getpgid(pid) == pid
    # It is gone by now.
    return False


def reap(parent: int, spared: Iterable[int]) -> Iterator[int]:
    """The children of this process that live and are none of those; of the dead ones nothing is left."""
    mine = {*spared}
    for pid in children(parent):
        if pid not in mine:
            with suppress(ChildProcessError):
                if os.waitpid(pid, os.WNOHANG) == (0, 0):
                    yield pid
