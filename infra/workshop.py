"""The workshop: where a user's own code runs, in a process of its own, with all that its account has: a function beside
the spec is the team's own code. A pickle is a file from elsewhere: it is opened in a closed room.

`prepare` starts such a process ahead of its job: importing what training needs takes longer than many a training.
"""

import json
import logging
import os
import re
import site
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pandas as pd

from expectations.errors import CannotAsk
from infra.keys import home

RUNNER = Path(__file__).with_name("workshop_runner.py")
# One thread in the linear algebra: sums split over threads differ in their last bits from machine to machine.
REPEATABLE = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# What a closed room keeps of the environment. All else may be a credential: nobody can list the names of those.
KEPT = re.compile(r"PATH|LD_LIBRARY_PATH|LANG|LANGUAGE|LC_\w+|TZ|PYTHON[A-Z]+|(OMP|OPENBLAS|MKL|NUMEXPR)_NUM_THREADS")
SECRETS = (
    *(".aws", ".azure", ".config/gcloud", ".config/gh", ".kube", ".docker", ".ssh", ".gnupg", ".prefect"),
    *(".netrc", ".pgpass", ".pypirc", ".git-credentials"),
)
NOT_CLOSED = (
    "a pickle runs code, so it needs a process without network, and this system refuses one ({}). Allow user "
    "namespaces to this account (docs/candidates.md), or save the model with skops, which runs nothing."
)
LOG = logging.getLogger("seatrial.progress")


_prepared: list["subprocess.Popen[str]"] = []


def prepare() -> None:
    """Starts a process that imports what training needs and waits for its job: the next training is done there.

    It ends with this process, if no job comes.
    """
    _prepared.append(_started("ahead"))


def train(root: Path, function: str, frame: Path, target: str, out: Path, seed: int, timeout_minutes: float) -> None:
    """Calls `function(features, target)` on the Parquet `frame`; the estimator is written to `out` as skops."""
    job = {"kind": "train", "function": function, "frame": str(frame), "target": target, "out": str(out), "seed": seed}
    _run(job, root, function, timeout_minutes)


def unpickle(pickle: Path, out: Path, timeout_minutes: float) -> None:
    """Opens a scanned and trusted pickle and writes it to `out` as skops.

    The process has no network, no credentials, and no disk to write on but a folder that is gone afterwards. Raises
    CannotAsk where this system closes no such room.
    """
    with tempfile.TemporaryDirectory(prefix="seatrial-room-") as name:
        room = Path(name).resolve()
        job = {"kind": "unpickle", "pickle": str(pickle.resolve()), "out": str(room / "candidate.skops")}
        _run({**job, **_closed(room, pickle)}, pickle.parent, pickle.name, timeout_minutes, room)
        # Copied: what the pickle may have left running knows the room's file, and not this one.
        out.write_bytes(_regular(room / "candidate.skops", pickle.name))


def _closed(room: Path, pickle: Path) -> dict[str, Any]:
    """What closes the room; nothing but a warning on systems that have no means to."""
    if sys.platform != "linux":
        LOG.warning("%-11s %s", "pickle", f"{pickle.name}: this system closes no network; it has no credentials only")
        return {}
    hidden = [str(path.resolve()) for path in credential_places() if path.exists()]
    needed = [pickle.resolve(), room, Path(sys.prefix).resolve(), Path(sys.base_prefix).resolve()]
    for path in hidden:
        if any(one.is_relative_to(path) for one in needed):
            raise CannotAsk(f"{pickle.name}: {path} holds credentials and is closed to pickles. Move the pickle.")
    return {"room": str(room), "hidden": hidden}


def credential_places() -> tuple[Path, ...]:
    """Files and folders of this account in which keys, passwords and tokens lie."""
    return (home(), *(Path.home() / name for name in SECRETS), Path("/run/secrets"), Path("/var/run/secrets"))


def _regular(path: Path, what: str) -> bytes:
    if path.is_symlink() or not path.is_file():
        raise CannotAsk(f"{what}: expected that it comes out as a file, found none. Save the model with skops.")
    return path.read_bytes()


def costs(root: Path, function: str, records: pd.DataFrame, timeout_minutes: float = 10) -> list[float]:
    """What `function(records)` says that each record costs; records hold the features, `actual` and `predicted`."""
    with tempfile.TemporaryDirectory() as folder:
        frame, out = Path(folder, "records.parquet"), Path(folder, "costs.parquet")
        records.to_parquet(frame, index=False)
        job = {"kind": "costs", "function": function, "frame": str(frame), "out": str(out)}
        _run(job, root, function, timeout_minutes)
        found: list[float] = pd.read_parquet(out)["cost"].tolist()
        return found


def table_reader(timeout_minutes: float = 60) -> Any:
    """A function (name, root, out) that writes the DataFrame that a user's function returns as Parquet."""

    def read(function: str, root: Path, out: Path) -> Path:
        _run({"kind": "table", "function": function, "out": str(out)}, root, function, timeout_minutes)
        return out

    return read


def _run(job: dict[str, Any], root: Path, what: str, timeout_minutes: float, room: Path | None = None) -> None:
    """With a `room`, that folder is all that the process has."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(room or folder, "answer.json")
        argument = json.dumps({**job, "root": str(root.resolve()), "answer": str(answer)})
        process = _prepared.pop() if _prepared and job["kind"] == "train" else _started(room=room)
        try:
            said = _said(process, argument, timeout_minutes * 60)
        except subprocess.TimeoutExpired:
            raise CannotAsk(
                f"{what}: took longer than {timeout_minutes:g} minutes; a release gives it candidate.timeout_minutes."
            ) from None
        if not answer.exists():
            last = (said.strip().splitlines() or ["no message"])[-1]
            raise CannotAsk(f"{what}: its process ended with code {process.returncode}: {last}")
        told = json.loads(answer.read_text())
    if "not_closed" in told:
        raise CannotAsk(f"{what}: was not opened: {NOT_CLOSED.format(told['not_closed'])}")
    if "error" in told:
        raise CannotAsk(
            f"{what}: {told['error']}{' at ' + told['where'] if told['where'] else ''}. Mend it and run again."
        )


def _said(process: "subprocess.Popen[str]", argument: str, timeout_s: float) -> str:
    """Its stderr, when it ended; it does not outlive whoever waits for it."""
    try:
        return process.communicate(argument, timeout=timeout_s)[1]
    except BaseException:
        process.kill()
        process.wait()
        raise


def _started(*how: str, room: Path | None = None) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "ignore", str(RUNNER), *how]
    environment = {**(scrubbed(os.environ, room) if room else os.environ), **REPEATABLE}
    return subprocess.Popen(command, env=environment, text=True, stdin=PIPE, stdout=PIPE, stderr=PIPE)


def scrubbed(environment: Mapping[str, str], room: Path) -> dict[str, str]:
    """Of an environment what holds no credentials, with the room as home and for temporary files."""
    kept = {name: value for name, value in environment.items() if KEPT.fullmatch(name)}
    # Packages of this account's own are found from its home, which is another one there.
    return {"PYTHONUSERBASE": site.getuserbase(), **kept, "HOME": str(room), "TMPDIR": str(room)}
