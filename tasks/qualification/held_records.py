"""Does the trained model hold training records themselves, as nearest neighbours do?"""

from collections.abc import Iterator
from typing import Any

# What scikit-learn's estimators keep rows of their training in, and so do the files that they become.
HOLDERS = ("_fit_X", "X_train_", "X_fit_", "support_vectors_")


def held_records(estimator: Any) -> list[tuple[str, int]]:
    """(class, rows held) of each part of an estimator that keeps records of its training, however deep it lies.

    Nearest neighbours and Gaussian processes keep all, support vector machines and kernel ridge those that they need.
    """
    found = []
    for part in _parts(estimator, 0):
        for name in HOLDERS:
            shape = getattr(getattr(part, name, None), "shape", None)
            if shape:
                found.append((type(part).__name__, int(shape[0])))
                break
    return found


def _parts(estimator: Any, depth: int) -> Iterator[Any]:
    """The estimator and what it is made of: steps, members, what a search found best."""
    if depth > 6 or isinstance(estimator, str | bytes | int | float | type(None)):
        return
    if isinstance(estimator, list | tuple):
        for one in estimator:
            yield from _parts(one, depth + 1)
    elif hasattr(estimator, "get_params") and not isinstance(estimator, type):
        yield estimator
        for value in vars(estimator).values():
            if isinstance(value, list | tuple) or hasattr(value, "get_params"):
                yield from _parts(value, depth + 1)
