"""What is said of the core's answer: how odd the record is, where the truth lies, and all that is against it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, TensorProto

from tasks.conversion.tree_ensemble import write_trees
from tasks.guards.core import CORE, Core, sent_columns
from tasks.guards.layers import Layer, label_encoder, write_answers, write_nothing, write_oddity
from tasks.guards.plan import INFINITE, Plan
from tasks.guards.writer import GuardWriter

# A score that lies on its limit is inside, also where another run-time adds in another order or 1 - (1 - p) is not p.
SLACK = 1e-6


@dataclass(frozen=True)
class Behind:
    """What is known behind the core: the graph inside, the inputs' names by column, what was found of the inputs, and
    the flags of each table, [n, 1] or more."""

    inner: ModelProto
    names: Mapping[str, str]
    safe: Layer
    unknown_keys: list[str]


def write_judged(w: GuardWriter, core: Core, plan: Plan, behind: Behind) -> list[str]:
    """Everything behind the core. Returns the outputs' names."""
    first, is_text = next((behind.names[c], k == "string") for c, k in sent_columns(core, plan).items())

    def nothing() -> str:
        return write_nothing(w, first, is_text)

    _write_prediction(w, core, behind.inner)
    odd = _write_odd(w, plan, behind.safe, nothing)
    quantile = _write_quantile(w, plan, behind.names)
    outputs = ["prediction", "anomaly_score"]
    if not core.classes:
        outputs += ["lower", "upper"]
        judged = _write_interval(w, plan, behind.safe, quantile, nothing)
    elif core.has_probabilities:
        outputs += ["probabilities", "conformal_set"]
        _hand_out(w, behind.inner, 1, "probabilities")
        judged = _write_set(w, plan, quantile)
    else:
        judged = [nothing()] * 2
        w.add("Not", judged[0], output="in_range")
        w.add("Not", judged[1], output="confident")
    if plan.is_ensemble:
        judged.append(_write_apart(w, core, plan, behind.inner))
        outputs.append("disagreement")
    write_answers(w, plan, behind.safe.flags, [*behind.unknown_keys, odd, *judged])
    outputs += ["in_domain", "in_range", "confident", "trusted", "reasons", "flags"]
    if plan.looked_up:
        w.add("Concat", *(f"guard/looked_up/{column}" for column in plan.looked_up), axis=1, output="looked_up")
        outputs.append("looked_up")
    return outputs


def _write_prediction(w: GuardWriter, core: Core, inner: ModelProto) -> None:
    """`prediction` [n, 1], the label or a double."""
    if core.classes:
        w.add("Reshape", inner.graph.output[0].name, w.constant(np.array([-1, 1])), output="prediction")
    else:
        _hand_out(w, inner, 0, "prediction", width=1)


def _hand_out(w: GuardWriter, inner: ModelProto, at: int, name: str, width: int | None = None) -> None:
    """The core's output as double, [n, width] where that is asked, under another name. Where it is so already, the
    core writes it under that name: each node costs a single record as much as a small layer."""
    told = inner.graph.output[at].type.tensor_type
    flat = width is None or [one.dim_value for one in told.shape.dim][1:] == [width]
    said = inner.graph.output[at].name
    if told.elem_type == TensorProto.DOUBLE and flat:
        for node in inner.graph.node:
            node.input[:] = [name if one == said else one for one in node.input]
            node.output[:] = [name if one == said else one for one in node.output]
    elif flat:
        w.add("Cast", said, to=TensorProto.DOUBLE, output=name)
    else:
        w.add("Reshape", w.add("Cast", said, to=TensorProto.DOUBLE), w.constant(np.array([-1, 1])), output=name)


def _write_odd(w: GuardWriter, plan: Plan, safe: Layer, nothing: Callable[[], str]) -> str:
    if plan.oddity is None:
        never = nothing()
        w.add("Cast", never, to=TensorProto.DOUBLE, output="anomaly_score")
        return never
    score = write_oddity(w, plan.oddity, safe.features[0])
    return w.add("Greater", score, w.constant(np.array([[plan.limits.odd_above + SLACK]])))


def _write_apart(w: GuardWriter, core: Core, plan: Plan, inner: ModelProto) -> str:
    """disagreement; are the members too far apart? A NaN is no distance, and so they are."""
    at = [output.name for output in inner.graph.output].index(f"{CORE}{core.members['disagreement']}")
    _hand_out(w, inner, at, "disagreement", width=1)
    # As a share of the limit: it is in the target's unit.
    most = w.constant(np.array([[plan.limits.apart_above * (1 + SLACK)]]))
    return w.add("Not", w.add("LessOrEqual", "disagreement", most))


def _write_quantile(w: GuardWriter, plan: Plan, names: Mapping[str, str]) -> str:
    limits = plan.limits
    if not plan.group or not limits.by_group:
        return w.constant(np.array([[limits.quantile]]))
    table = {key if isinstance(key, str) else float(key): float(value) for key, value in limits.by_group.items()}
    return label_encoder(w, names[plan.group], table, limits.quantile)


def _write_interval(w: GuardWriter, plan: Plan, safe: Layer, quantile: str, nothing: Callable[[], str]) -> list[str]:
    """lower, upper, in_range and confident; [is it out of range?, is it too wide?]."""
    limits, half = plan.limits, quantile
    if plan.spread:
        given = w.add("Concat", w.rows(safe.features[0]), "prediction", axis=1)
        half = w.add("Mul", quantile, w.add("Exp", write_trees(w, plan.spread, given)))
    w.add("Sub", "prediction", half, output="lower")
    w.add("Add", "prediction", half, output="upper")
    strange, wide = _write_range(w, "prediction", limits.low, limits.high), ""
    if limits.wider_than < INFINITE:
        wide = w.add("Greater", half, w.constant(np.array([[limits.wider_than / 2]])))
    # Where all intervals are of one width, one answer is for all records.
    if not wide or not plan.spread:
        wide = w.add("Or", nothing(), wide) if wide else nothing()
    w.add("Not", wide, output="confident")
    return [strange, wide]


def _write_range(w: GuardWriter, x: str, low: float, high: float) -> str:
    """in_range; is x outside [low, high]? A NaN equals nothing, and so is."""
    held = w.add("Clip", x, *(w.constant(np.array(end)) for end in (low, high)))
    return w.add("Not", w.add("Equal", held, x, output="in_range"))


def _write_set(w: GuardWriter, plan: Plan, quantile: str) -> list[str]:
    """conformal_set, in_range and confident; [are these no probabilities?, is the first too improbable?]."""
    least = w.add("Sub", w.constant(np.array([[1.0 - SLACK]])), quantile)
    w.add("GreaterOrEqual", "probabilities", least, output="conformal_set")
    axes = w.constant(np.array([1]))
    strange = _write_range(w, w.add("ReduceSum", "probabilities", axes), 1 - 1e-3, 1 + 1e-3)
    enough = w.constant(np.array([[plan.limits.probability_below - SLACK]]))
    w.add("GreaterOrEqual", w.add("ReduceMax", "probabilities", axes), enough, output="confident")
    return [strange, w.add("Not", "confident")]
