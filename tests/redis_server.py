"""A Redis server of one's own, from the program that is installed."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

INSTALL = "no Redis server is installed: apt-get install -y redis-server"
# The account `reading` may do no more than a lookup does.
USERS = (
    "user default off",
    "user reading on >{0} resetkeys ~incomes:* -@all +exists +hmget +ping +hello",
    "user writing on >{0} ~* +@all",
)


@contextlib.contextmanager
def own_redis(folder, password: str) -> Iterator[int]:
    """The port on loopback of a new, empty server that ends with the block. Raises FileNotFoundError without one."""
    program = shutil.which("redis-server")
    if program is None:
        raise FileNotFoundError(INSTALL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = [f"port {port}", "bind 127.0.0.1", 'save ""', f"dir {folder}", *(u.format(password) for u in USERS)]
    (folder / "redis.conf").write_text("\n".join(settings))
    server = subprocess.Popen([program, folder / "redis.conf"], stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            assert server.poll() is None, "the Redis server did not start"
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait(30)
