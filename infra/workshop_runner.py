"""Runs a user's function in a process of its own, from the user's own folder. Imports nothing of Seatrial.

Started by path; its job comes as one line of JSON, and the answer is a JSON file. The user's folder comes first on the
path, so that their `tasks` or `infra` is theirs. Started with `ahead`, it imports what training needs before its job
comes; without a job it ends. A job with a `room` is done in a closed one.
"""

import importlib
import json
import os
import random
import sys
import traceback

from closed_room import NotClosed, close


def main():
    # Not this file's own folder: what lies beside it has names that others have too.
    del sys.path[0]
    if "ahead" in sys.argv:
        import_ahead()
    told = sys.stdin.readline()
    if not told:
        return
    job = json.loads(told)
    try:
        if "room" in job:
            close(job["room"], job["hidden"])
        sys.path.insert(0, job["root"])
        os.chdir(job["root"])
        answer = {"train": train, "table": table, "unpickle": unpickle, "costs": costs}[job["kind"]](job)
    except NotClosed as error:
        answer = {"not_closed": str(error)}
    except BaseException as error:  # noqa: BLE001  User code may raise anything, SystemExit too.
        answer = {"error": f"{type(error).__name__}: {error}"[:2000], "where": where(error, job["root"])}
    with open(job["answer"], "w", encoding="utf-8") as file:
        json.dump(answer, file)


def import_ahead():
    for name in ("pandas", "pyarrow.parquet", "skops.io", "sklearn.compose", "sklearn.ensemble", "sklearn.pipeline"):
        importlib.import_module(name)


def where(error, root):
    """The deepest line of the user's own code."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(root)]
    return f"{os.path.relpath(frames[-1].filename, root)}:{frames[-1].lineno}" if frames else ""


def load(function):
    module, name = function.split(":")
    return getattr(importlib.import_module(module), name)


def train(job):
    import numpy
    import pandas

    random.seed(job["seed"])
    numpy.random.seed(job["seed"])
    frame = pandas.read_parquet(job["frame"])
    target = frame.pop(job["target"])
    estimator = load(job["function"])(frame, target)
    if not callable(getattr(estimator, "predict", None)):
        raise TypeError(f"{job['function']} returned {type(estimator).__name__}; expected an estimator with predict()")
    return keep(estimator, job["out"])


def unpickle(job):
    import joblib

    return keep(joblib.load(job["pickle"]), job["out"])


def keep(estimator, out):
    import skops.io

    skops.io.dump(estimator, out)
    return {"type": type(estimator).__name__}


def costs(job):
    import pandas

    found = pandas.Series(load(job["function"])(pandas.read_parquet(job["frame"])), dtype="float64")
    found.reset_index(drop=True).to_frame("cost").to_parquet(job["out"], index=False)
    return {"rows": len(found)}


def table(job):
    frame = load(job["function"])()
    if type(frame).__name__ != "DataFrame":
        raise TypeError(f"{job['function']} returned {type(frame).__name__}; expected a pandas DataFrame")
    frame.to_parquet(job["out"], index=False)
    return {"rows": len(frame)}


if __name__ == "__main__":
    main()
