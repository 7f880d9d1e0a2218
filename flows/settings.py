"""The environment that a release runs in: libraries quiet, their telemetry off."""

import gc
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

DEFAULTS = {
    "DO_NOT_TRACK": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_EXTRA_LOGGERS": "seatrial",
    "PREFECT_TASKS_REFRESH_CACHE": "true",
    "MPLBACKEND": "Agg",
}


def set_defaults() -> None:
    """What the environment does not say yet. Called before the libraries are imported, since they read it then."""
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


@contextmanager
def heavy_imports() -> Iterator[None]:
    """What is imported stays for good: the collector need not walk over a million objects again and again meanwhile,
    nor at the end of the process.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def start_server_beside_imports() -> Callable[[], None]:
    """Starts Prefect's ephemeral server, unless PREFECT_API_URL names one, while this process imports the rest.

    Returns a function that waits until the server answers.
    """
    import threading

    from prefect.settings import get_current_settings

    if get_current_settings().api.url is not None:
        return lambda: None
    from prefect.server.api.server import SubprocessASGIServer

    starting = threading.Thread(target=SubprocessASGIServer().start, daemon=True)
    starting.start()
    return starting.join


class Progress(logging.Handler):
    """Shows each step that ended, with the seconds since the one before."""

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self._show, self._last = show, time.monotonic()

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        now = time.monotonic()
        self._show(f"  {record.getMessage():<76} {now - self._last:6.1f} s")
        self._last = now


def show_progress(show: Callable[[str], None]) -> None:
    """Hands the progress of flows to `show`, and keeps the libraries' own words out of it."""
    # By its full name: Great Expectations sets the levels above it anew.
    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.CRITICAL)
    logger = logging.getLogger("seatrial.progress")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(Progress(show))


def tell_runs() -> None:
    """What runs say is kept in Prefect and read there, for whoever serves them. Called before Prefect is imported."""
    if os.environ.get("PREFECT_LOGGING_LEVEL") == DEFAULTS["PREFECT_LOGGING_LEVEL"]:
        os.environ["PREFECT_LOGGING_LEVEL"] = "INFO"
