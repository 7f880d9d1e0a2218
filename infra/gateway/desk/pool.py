"""Threads for one release that is too slow for the event loop: few, with a short queue; what is over it is shed."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Answer = TypeVar("Answer")
THREADS = min(4, os.cpu_count() or 1)
WAITING = 32


class Full(Exception):
    """More is asked at once than the queue takes."""


class Pool:
    """Each release has one of its own: threads that hang in one release are none of another's.

    `most` are asked and not answered yet. Threads start with the first question, and end when nothing refers to the
    pool any more: whoever has chosen a release that goes just then is still answered.
    """

    def __init__(self, threads: int = THREADS, most: int = THREADS + WAITING) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="seatrial-arm")
        self._places = threading.BoundedSemaphore(most)

    def submit(self, ask: Callable[[], Answer]) -> "Future[Answer]":
        """The answer to come. Raises Full."""
        if not self._places.acquire(blocking=False):
            raise Full
        try:
            future = self._threads.submit(ask)
        except BaseException:
            self._places.release()
            raise
        # Also of one that was cancelled before it began; one that has begun keeps its place until it ends.
        future.add_done_callback(lambda _: self._places.release())
        return future

    async def run(self, ask: Callable[[], Answer]) -> Answer:
        """The answer. Raises Full, and what `ask` raises."""
        return await asyncio.wrap_future(self.submit(ask))
