"""Peers in environments of their own, each made from its lock of pinned versions."""

import shutil
import subprocess
import sys
from pathlib import Path

BUILD = Path(__file__).parent.parent / "build"


def python_of(locks: Path, peer: str) -> str:
    """The interpreter of a peer's environment, which is made first where it is not there or the lock is another.

    `locks` is the folder with `<peer>.txt`; the environment lies in a folder of its name under build/.
    """
    folder, lock = BUILD / locks.name / peer, locks / f"{peer}.txt"
    stamp, python = folder / "lock.txt", str(folder / "bin" / "python")
    if not stamp.exists() or stamp.read_text() != lock.read_text():
        print(f"Installing {peer} into {folder}.", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        install = ("-m", "pip", "install", "-qq", "--no-deps", "--require-hashes", "--requirement", lock)
        subprocess.run([python, *install], check=True)
        shutil.copy(lock, stamp)
    return python


def version_of(locks: Path, peer: str) -> str:
    """The version that its lock names."""
    lines = (locks / f"{peer}.txt").read_text().splitlines()
    return next(line.split("==")[1].split()[0] for line in lines if line.startswith(f"{peer}=="))
