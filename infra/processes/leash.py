"""Starts a program that ends with its parent: `python -P -m infra.processes.leash PID PROGRAM ...`.

Linux tells a process when its parent is gone, however it went, and goes on doing so through exec: no process is left
in between. Elsewhere nothing tells it, and what is left over is ended at the next start.
"""

import ctypes
import os
import signal
import sys

PARENT_DEATH, ADOPT_ORPHANS = 1, 36


def main() -> None:
    """Becomes the program, unless the parent is gone already."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    _tell_linux(PARENT_DEATH, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606


def adopt_orphans() -> None:
    """From now on what descendants of this process leave behind are its children."""
    _tell_linux(ADOPT_ORPHANS, 1)


def _tell_linux(what: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(what, value, 0, 0, 0)


if __name__ == "__main__":
    main()
