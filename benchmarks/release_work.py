"""The steps of a release without Prefect around them: `python -m benchmarks.release_work SPEC STORE AS_OF`.

Everything is imported before the clock starts, in the training process too. Prints a JSON object: seconds of each step.
"""

import importlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from prefect import Task

from flows import release, settings
from infra import workshop
from tasks import steps

# What the steps import only when they need it: what a start costs is no work of theirs.
LATE = ("great_expectations", "expectations.fast_metrics", "skops.io", "skl2onnx", "onnxruntime.quantization")
LATE = (*LATE, "onnxruntime.transformers.onnx_model", "onnxruntime.transformers.float16", "matplotlib.pyplot")
PREPARED_S = 5.0


def main() -> None:
    """Runs the flow's own function over the tasks' own functions."""
    settings.set_defaults()
    spent: Counter[str] = Counter()
    # Every task there is, so that none is taken for Prefect's own time.
    for name, task in [(name, found) for name, found in vars(steps).items() if isinstance(found, Task)]:
        setattr(steps, name, _timed(name, task.fn, spent))
    release.create_markdown_artifact = lambda *_, **__: None  # type: ignore[assignment]
    workshop.prepare()
    for module in LATE:
        importlib.import_module(module)
    time.sleep(PREPARED_S)
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
