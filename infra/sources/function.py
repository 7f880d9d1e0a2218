"""A user's function as a source: it runs once, in a process of its own, and leaves a Parquet file."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from expectations.spec import Source

RunFunction = Callable[[str, Path, Path], Path]


@contextlib.contextmanager
def at_hand(source: Source, root: Path, run_function: RunFunction) -> Iterator[Source]:
    """The source itself, or for a function, the Parquet file that it wrote: a user's function runs once."""
    if not source.function:
        yield source
        return
    with tempfile.TemporaryDirectory() as folder:
        path = run_function(source.function, root, Path(folder, "table.parquet"))
        yield source.model_copy(update={"function": None, "path": str(path.resolve())})
