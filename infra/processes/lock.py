"""One at a time: a lock that ends with its process, however that ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from expectations.errors import CannotAsk


@contextmanager
def only_one(folder: Path, what: str) -> Iterator[None]:
    """Holds the folder, made if it is not there. Raises CannotAsk where another process holds it, and says which."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise CannotAsk(
                f"{what} runs already, as process {lock.read().strip() or '?'}. End that one first."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
