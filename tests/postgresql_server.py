"""A PostgreSQL server of one's own, from the programs that are installed."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

INSTALL = "no PostgreSQL server is installed: apt-get install -y postgresql"


def binaries() -> Path | None:
    """The folder of initdb and pg_ctl, or None; Debian keeps them off the path."""
    found = shutil.which("initdb") or max(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=None)
    return None if found is None else Path(found).resolve().parent


@contextlib.contextmanager
def own_server(password: str) -> Iterator[int]:
    """The port on loopback of a new, empty server that ends with the block; its superuser is postgres.

    Raises FileNotFoundError where none is installed.
    """
    where = binaries()
    if where is None:
        raise FileNotFoundError(INSTALL)
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), _free_port()
        (folder / "password").write_text(password)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
            shutil.chown(folder / "password", "postgres")
        about = ("-A", "scram-sha-256", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync")
        _as_server(where / "initdb", "-D", folder / "data", *about, f"--pwfile={folder / 'password'}")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        control = (where / "pg_ctl", "-D", folder / "data")
        _as_server(*control, "-w", "-o", options, "-l", folder / "log", "start")
        try:
            yield port
        finally:
            _as_server(*control, "-m", "immediate", "stop")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _as_server(*command: object) -> None:
    """PostgreSQL refuses to run as root; Debian's package makes it an account."""
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*user, *map(str, command)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
