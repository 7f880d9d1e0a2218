"""Straight lines between points."""

from typing import Any

import numpy as np

from tasks.conversion.ops import Ops


def interpolate(ops: Ops, x: str, xs: Any, ys: Any) -> str:
    """`numpy.interp` of (n, 1) at increasing `xs`, flat outside."""
    xs, ys = np.asarray(xs, dtype=np.float64).ravel(), np.asarray(ys, dtype=np.float64).ravel()
    if len(xs) == 1:
        return ops("Add", ops("Mul", x, 0.0), float(ys[0]))
    slopes = np.diff(ys) / np.diff(xs)
    inside = ops("Min", ops("Max", x, float(xs[0])), float(xs[-1]))
    passed = ops("Cast", ops("GreaterOrEqual", inside, xs[None, 1:-1]), to=7)
    place = ops("ReduceSum", passed, [1], keepdims=1) if len(xs) > 2 else ops("Cast", ops("Mul", x, 0.0), to=7)
    start, height, slope = (ops("Gather", values, place, axis=0) for values in (xs[:-1], ys[:-1], slopes))
    return ops("Add", ops("Mul", ops("Sub", inside, start), slope), height)
