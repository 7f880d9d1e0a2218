"""The package's graph: what makes inputs safe, the core, and what is said of its answer, as one file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, checker, compose, helper

from infra.runtime import SIGNATURE_KEY
from tasks.conversion.export import stamp
from tasks.conversion.tree_ensemble import write_trees
from tasks.guards.layers import (
    Layer,
    label_encoder,
    write_answers,
    write_nothing,
    write_numbers,
    write_oddity,
    write_texts,
)
from tasks.guards.looking_up import check_inputs, live_inputs, live_of, told_live, write_lookups
from tasks.guards.plan import INFINITE, KINDS, Plan
from tasks.guards.writer import GuardWriter

CORE = "core/"
# A score that lies on its limit is inside, also where another run-time adds in another order or 1 - (1 - p) is not p.
SLACK = 1e-6
TYPES = {"string": TensorProto.STRING, "float": TensorProto.FLOAT, "double": TensorProto.DOUBLE}
TYPES |= {"int64": TensorProto.INT64}


@dataclass(frozen=True)
class Core:
    """The converted model, and what is known of its inputs and outputs."""

    graph: bytes
    signature: Mapping[str, Any]
    has_probabilities: bool

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels as text; none of a regression."""
        return tuple(self.signature["classes"])

    @property
    def kinds(self) -> dict[str, str]:
        """Each column's kind: string, float or double."""
        return {item["column"]: item["type"] for item in self.signature["inputs"]}


def sent_columns(core: Core, plan: Plan) -> dict[str, str]:
    """What a caller sends: the core's columns but those that are looked up, the lookups' keys, and the group."""
    kinds = {name: "string" if kind == "string" else "double" for name, kind in core.kinds.items()}
    sent = {name: kind for name, kind in kinds.items() if name not in plan.looked_up}
    for table in plan.lookups:
        sent.setdefault(table.on, table.kind)
    if plan.group:
        sent.setdefault(plan.group, "string" if plan.group_is_text else "double")
    check_inputs(sent, plan.lookups)
    # Last, so that what a caller sends keeps its place.
    return sent | live_inputs(plan.lookups)


def assemble(core: Core, plan: Plan, told: Mapping[str, Any] | None = None, probe: bool = False) -> bytes:
    """The guarded graph. `told` is what the metadata say besides; with `probe` the features of the detectors are an
    output too, (n, features), for learning from what the graph itself computes."""
    inner = compose.add_prefix(_model(core.graph), CORE)
    sent = sent_columns(core, plan)
    names = {column: _input_name(column) for column in sent}
    w = GuardWriter("guard/")
    safe = _write_safe(w, core, plan, names, inner)
    after = GuardWriter("guard/after/")
    outputs = _write_judged(after, core, plan, safe, inner, names)
    if probe:
        outputs["features"] = after.add("Identity", safe.features[0], output="features")
    nodes = [*w.nodes, *inner.graph.node, *after.nodes]
    graph = helper.make_graph(
        nodes,
        inner.graph.name,
        [helper.make_tensor_value_info(names[column], TYPES[kind], [None, 1]) for column, kind in sent.items()],
        [helper.make_tensor_value_info(name, *_output_type(name, core, plan, inner)) for name in outputs],
        [*w.initializers, *inner.graph.initializer, *after.initializers],
    )
    return _finished(graph, inner, core, plan, names, sent, outputs, told or {})


def _output_type(name: str, core: Core, plan: Plan, inner: ModelProto) -> tuple[int, list[int | None]]:
    """Element type and shape of an output."""
    label = inner.graph.output[0].type.tensor_type.elem_type if core.classes else TensorProto.DOUBLE
    kinds = {"prediction": label, "reasons": TensorProto.INT64}
    kinds |= dict.fromkeys(
        ("conformal_set", "in_domain", "in_range", "confident", "trusted", "flags"), TensorProto.BOOL
    )
    classes, features = len(core.classes), len(plan.domain.numbers) + len(plan.domain.texts)
    widths = {"probabilities": classes, "conformal_set": classes, "flags": len(plan.flags())}
    widths |= {"looked_up": len(plan.looked_up), "features": features}
    return kinds.get(name, TensorProto.DOUBLE), [None, widths.get(name, 1)]


def _model(graph: bytes) -> ModelProto:
    model = ModelProto()
    model.ParseFromString(graph)
    return model


def _input_name(column: str) -> str:
    """The column's own name; but no input can be called like an output."""
    return f"{column}_in" if column in OUTPUTS else column


def _write_safe(w: GuardWriter, core: Core, plan: Plan, names: Mapping[str, str], inner: ModelProto) -> Layer:
    """Everything before the core; `features` is one tensor, or none."""
    domain = plan.domain
    flags: list[str] = []
    features: list[str] = []
    at = {item["column"]: CORE + item["input"] for item in core.signature["inputs"]}
    looked_up, unknown_keys = write_lookups(w, plan.lookups, names)
    if domain.numbers:
        columns = [looked_up.get(name) or names[name] for name in domain.numbers]
        matrix = w.add("Concat", *columns, axis=1) if len(columns) > 1 else columns[0]
        kind = TYPES[core.kinds[domain.numbers[0]]]
        taken = [at[name] for name in domain.numbers]
        whole = _taken_whole(inner, taken)
        layer = write_numbers(w, domain, matrix, [whole] if whole else taken, kind)
        flags, features = [*flags, *layer.flags], [*features, *layer.features]
    if domain.texts:
        replaced = {name: at[name] for name in plan.replaced if name in domain.texts}
        layer = write_texts(w, domain, [names[name] for name in domain.texts], replaced)
        flags, features = [*flags, *layer.flags], [*features, *layer.features]
    for name in (*domain.texts, *domain.free):
        if name not in plan.replaced or name in domain.free:
            w.add("Identity", names[name], output=at[name])
    if len(features) > 1:
        features = [w.add("Concat", *features, axis=1)]
    return Layer([*flags, *unknown_keys], features)


def _taken_whole(inner: ModelProto, columns: list[str]) -> str | None:
    """Where all that the core does with these columns is to put them together, that node goes, and they are handed on
    as the matrix that it would have written: its name. None where the core takes them otherwise.

    To take a matrix apart and put it together again costs as much as a small model.
    """
    nodes, wanted = inner.graph.node, set(columns)
    readers = [node for node in nodes if wanted & set(node.input)]
    inside = any(attribute.HasField("g") or attribute.graphs for node in nodes for attribute in node.attribute)
    if inside or len(columns) < 2 or len(readers) != 1 or list(readers[0].input) != columns:
        return None
    if readers[0].op_type != "Concat" or readers[0].attribute[0].i not in (1, -1):
        return None
    nodes.remove(readers[0])
    return str(readers[0].output[0])


def _write_judged(
    w: GuardWriter, core: Core, plan: Plan, safe: Layer, inner: ModelProto, names: Mapping[str, str]
) -> dict[str, str]:
    """Everything behind the core. Returns the outputs' names and what each of them says."""
    first, is_text = next((names[c], k == "string") for c, k in sent_columns(core, plan).items())
    nothing = write_nothing(w, first, is_text)
    outputs, said = ["prediction"], inner.graph.output[0].name
    shape = w.constant(np.array([-1, 1]))
    if core.classes:
        w.add("Reshape", said, shape, output="prediction")
    else:
        w.add("Reshape", w.add("Cast", said, to=TensorProto.DOUBLE), shape, output="prediction")
    odd = _write_odd(w, plan, safe, nothing)
    outputs.append("anomaly_score")
    quantile = _write_quantile(w, plan, names)
    if not core.classes:
        outputs += ["lower", "upper"]
        judged = _write_interval(w, plan, safe, quantile, nothing)
    elif core.has_probabilities:
        outputs += ["probabilities", "conformal_set"]
        w.add("Cast", inner.graph.output[1].name, to=TensorProto.DOUBLE, output="probabilities")
        judged = _write_set(w, plan, quantile)
    else:
        judged = [nothing, nothing]
    write_answers(w, plan, [*safe.flags, odd, *judged])
    outputs += ["in_domain", "in_range", "confident", "trusted", "reasons", "flags"]
    if plan.looked_up:
        tensors = [f"guard/looked_up/{column}" for column in plan.looked_up]
        w.add("Concat", *tensors, axis=1, output="looked_up")
        outputs.append("looked_up")
    return {name: OUTPUTS[name] for name in outputs}


def _write_odd(w: GuardWriter, plan: Plan, safe: Layer, nothing: str) -> str:
    if plan.oddity is None:
        w.add("Cast", nothing, to=TensorProto.DOUBLE, output="anomaly_score")
        return nothing
    score = write_oddity(w, plan.oddity, safe.features[0])
    return w.add("Greater", score, w.constant(np.array([plan.limits.odd_above + SLACK])))


def _write_quantile(w: GuardWriter, plan: Plan, names: Mapping[str, str]) -> str:
    limits = plan.limits
    if not plan.group or not limits.by_group:
        return w.constant(np.array([[limits.quantile]]))
    table = {key if isinstance(key, str) else float(key): float(value) for key, value in limits.by_group.items()}
    return label_encoder(w, names[plan.group], table, limits.quantile)


def _write_interval(w: GuardWriter, plan: Plan, safe: Layer, quantile: str, nothing: str) -> list[str]:
    """lower and upper; [is it out of range?, is it too wide?]."""
    limits, half = plan.limits, quantile
    if plan.spread:
        given = w.add("Concat", *safe.features, "prediction", axis=1)
        half = w.add("Mul", quantile, w.add("Exp", write_trees(w, plan.spread, given)))
    w.add("Sub", "prediction", half, output="lower")
    w.add("Add", "prediction", half, output="upper")
    ends = (w.constant(np.array(value)) for value in (limits.low, limits.high))
    # A NaN equals nothing, and so is out of range.
    strange = w.add("Not", w.add("Equal", w.add("Clip", "prediction", *ends), "prediction"))
    if limits.wider_than == INFINITE:
        return [strange, nothing]
    return [strange, w.add("Or", nothing, w.add("Greater", half, w.constant(np.array([[limits.wider_than / 2]]))))]


def _write_set(w: GuardWriter, plan: Plan, quantile: str) -> list[str]:
    """conformal_set; [are these no probabilities?, is the first too improbable?]."""
    one = w.constant(np.array([[1.0]]))
    least = w.add("Sub", w.constant(np.array([[1.0 - SLACK]])), quantile)
    w.add("GreaterOrEqual", "probabilities", least, output="conformal_set")
    axes = w.constant(np.array([1]))
    far = w.add("Abs", w.add("Sub", w.add("ReduceSum", "probabilities", axes), one))
    strange = w.add("Not", w.add("LessOrEqual", far, w.constant(np.array([[1e-3]]))))
    top = w.add("ReduceMax", "probabilities", axes)
    return [strange, w.add("Less", top, w.constant(np.array([[plan.limits.probability_below - SLACK]])))]


OUTPUTS = {
    "prediction": "[n, 1] the answer: double, or the label",
    "probabilities": "[n, classes] double",
    "lower": "[n, 1] double: lower end of the conformal interval",
    "upper": "[n, 1] double: upper end of the conformal interval",
    "conformal_set": "[n, classes] bool: the classes that the stated coverage needs",
    "anomaly_score": "[n, 1] double: the higher, the odder the combination",
    "in_domain": "[n, 1] bool: every column is known: nothing missing, outside or unknown",
    "in_range": "[n, 1] bool: the answer is plausible",
    "confident": "[n, 1] bool: probable, or narrow, enough",
    "trusted": "[n, 1] bool: no reason against it",
    "reasons": "[n, 1] int64: bit mask, 0 where trusted",
    "flags": "[n, flags] bool: each reason, column by column",
    "looked_up": "[n, looked-up columns] double: what the frozen tables say",
    "features": "[n, features] double: what the detectors are given",
}


def _finished(
    graph: Any,
    inner: ModelProto,
    core: Core,
    plan: Plan,
    names: Mapping[str, str],
    sent: Mapping[str, str],
    outputs: Mapping[str, str],
    told: Mapping[str, Any],
) -> bytes:
    model = helper.make_model(graph, producer_name="seatrial", functions=list(inner.functions))
    stamp(model)
    signature = {
        "inputs": [
            {"column": column, "input": names[column], "type": kind, **live_of(column, plan.lookups)}
            for column, kind in sent.items()
        ],
        "outputs": dict(outputs),
        "classes": list(core.classes),
        "reasons": {"bits": list(KINDS), "flags": [words for _, words in plan.flags()]},
        **({"live_lookups": live} if (live := told_live(plan.lookups)) else {}),
        **told,
    }
    helper.set_model_props(model, {SIGNATURE_KEY: json.dumps(signature, sort_keys=True, allow_nan=False)})
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))
