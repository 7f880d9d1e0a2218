"""Scoring off the response path: beside the answers, never before them, and no more at once than a number."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

MOST = 32


class Shadow:
    """Work that nobody waits for. What comes while there is too much of it is dropped, and the caller is told."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        # Held here: the event loop itself forgets a task that nobody refers to.
        self._tasks: set[asyncio.Task[None]] = set()

    def offer(self, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Whether it is taken. It begins when this request has been answered, or waits for its answer."""
        if len(self._tasks) >= self._most:
            return False
        task = asyncio.get_running_loop().create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True
