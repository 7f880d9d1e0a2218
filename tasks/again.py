"""How a task of Prefect's is asked again: what was away may pass."""

import logging
from collections.abc import Callable
from textwrap import shorten
from typing import Any, TypedDict

from expectations.errors import Away

PROGRESS = logging.getLogger("seatrial.progress")


def may_pass(_task: Any, _run: Any, state: Any) -> bool:
    """Only what was away is asked again; a sentence about bad input stays true."""
    found = state.result(raise_on_failure=False)
    if not isinstance(found, Away | ConnectionError | TimeoutError):
        return False
    PROGRESS.info("%-12s %s", "away", f"asked again in a while: {shorten(str(found), 160, placeholder=' …')}")
    return True


class Again(TypedDict):
    """How a task is asked again."""

    retries: int
    retry_delay_seconds: list[float]
    retry_condition_fn: Callable[[Any, Any, Any], bool]


# Every step needs the store, which can be away; none does anything twice that it finished.
AGAIN: Again = {"retries": 4, "retry_delay_seconds": [1, 4, 16, 32], "retry_condition_fn": may_pass}
