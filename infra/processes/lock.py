"""One at a time: a lock that ends with its process, however that ends."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def only_one(path: Path, taken: Callable[[str], Exception]) -> Iterator[None]:
    """Holds a file, made with its folder if it is not there. Where another process holds it, raises what `taken` makes
    of that one's number, which is empty for a moment after it began.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise taken(lock.read().strip()) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
