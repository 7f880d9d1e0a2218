"""The steps of a release without Prefect around them: `python -m benchmarks.release_work SPEC STORE AS_OF`.

Everything is imported before the clock starts. Prints a JSON object: seconds of each step.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import great_expectations  # noqa: F401

from flows import release, settings
from tasks import steps


def main() -> None:
    """Runs the flow's own function over the tasks' own functions."""
    settings.set_defaults()
    spent: Counter[str] = Counter()
    names = ("start", "access", "take_snapshot", "measure", "judged", "make_candidate")
    for name in (*names, "convert_and_package", "write_dossier", "record_verdict"):
        setattr(steps, name, _timed(name, getattr(steps, name).fn, spent))
    release.create_markdown_artifact = lambda *_, **__: None  # type: ignore[assignment]
    began = time.perf_counter()
    release.release.fn(*sys.argv[1:])
    told = {**spent, "all": time.perf_counter() - began}
    print(json.dumps(told))


def _timed(name: str, call: Callable[..., Any], spent: "Counter[str]") -> Callable[..., Any]:
    def timed(*args: Any) -> Any:
        began = time.perf_counter()
        try:
            return call(*args)
        finally:
            # One task measures every check: the check's own name tells more.
            spent[args[0].step if name == "measure" else name] += time.perf_counter() - began  # type: ignore[assignment]

    return timed


if __name__ == "__main__":
    main()
