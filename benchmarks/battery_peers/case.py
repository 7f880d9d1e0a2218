"""What every peer is given: the same rows, and a model of the same kind trained on them; what it says, as JSON."""

import importlib.util
import json
import os
import resource
import sys
import time
import warnings
from pathlib import Path

import pandas as pd


class Case:
    """`train` and `test` with their target, and the trained `model`, of a folder that the benchmark wrote."""

    def __init__(self, folder):
        told = json.loads((folder / "case.json").read_text())
        self.target, self.positive = told["target"], told["positive"]
        self.train, self.test = (pd.read_csv(folder / f"{name}.csv") for name in ("train", "test"))
        spec = importlib.util.spec_from_file_location("train", folder / "train.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.features = [name for name in self.train.columns if name not in (self.target, *told["ignore"])]
        self.categories = [name for name in self.features if not pd.api.types.is_numeric_dtype(self.train[name])]
        self.model = getattr(module, told["train"])(self.train[self.features], self.train[self.target])


def answer(find):
    """Reads folders from the command line, calls `find(case)` for each, and prints one line of JSON for each."""
    warnings.simplefilter("ignore")
    out = os.fdopen(os.dup(1), "w")
    # Peers talk on standard output.
    os.dup2(2, 1)
    for folder in sys.argv[1:]:
        case = Case(Path(folder))
        wall, cpu = time.monotonic(), time.process_time()
        try:
            found, error = sorted(set(find(case))), None
        except Exception as problem:  # noqa: BLE001  A peer may raise anything; it is told.
            found, error = [], f"{type(problem).__name__}: {problem}"[:300]
        told = {
            "folder": folder,
            "issues": found,
            "error": error,
            "wall_s": time.monotonic() - wall,
            "cpu_s": time.process_time() - cpu,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps(told), file=out, flush=True)
