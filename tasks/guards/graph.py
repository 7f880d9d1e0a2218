"""The package's graph: what makes inputs safe, the core, and what is said of its answer, as one file."""

import json
from collections.abc import Mapping
from typing import Any

from onnx import ModelProto, TensorProto, checker, compose, helper

from infra.runtime import SIGNATURE_KEY
from tasks.conversion.export import stamp
from tasks.guards.core import CORE, Core, sent_columns
from tasks.guards.judged import Behind, write_judged
from tasks.guards.layers import Layer, write_numbers, write_texts
from tasks.guards.looking_up import live_of, told_live, write_lookups
from tasks.guards.plan import Plan
from tasks.guards.writer import GuardWriter

TYPES = {"string": TensorProto.STRING, "float": TensorProto.FLOAT, "double": TensorProto.DOUBLE}
TYPES |= {"int64": TensorProto.INT64}


def assemble(core: Core, plan: Plan, told: Mapping[str, Any] | None = None, probe: bool = False) -> bytes:
    """The guarded graph. `told` is what the metadata say besides; with `probe` the features of the detectors are an
    output too, (n, features), for learning from what the graph itself computes."""
    inner = compose.add_prefix(_model(core.graph), CORE)
    sent = sent_columns(core, plan)
    names = {column: _input_name(column) for column in sent}
    w = GuardWriter("guard/")
    safe, unknown_keys = _write_safe(w, core, plan, names, inner)
    after = GuardWriter("guard/after/")
    outputs = write_judged(after, core, plan, Behind(inner, names, safe, unknown_keys))
    if probe:
        outputs.append(after.rows(safe.features[0], output="features"))
    nodes = [*w.nodes, *inner.graph.node, *after.nodes]
    graph = helper.make_graph(
        nodes,
        inner.graph.name,
        [helper.make_tensor_value_info(names[column], TYPES[kind], [None, 1]) for column, kind in sent.items()],
        [helper.make_tensor_value_info(name, *_output_type(name, core, plan, inner)) for name in outputs],
        [*w.initializers, *inner.graph.initializer, *after.initializers],
    )
    return _finished(graph, inner, core, plan, names, sent, {name: OUTPUTS[name] for name in outputs}, told or {})


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


def _write_safe(
    w: GuardWriter, core: Core, plan: Plan, names: Mapping[str, str], inner: ModelProto
) -> tuple[Layer, list[str]]:
    """Everything before the core; `features` is one tensor, or none. Besides, the flags of
    each table, in the order of `Lookup.flags`."""
    domain = plan.domain
    flags: list[str] = []
    features: list[str] = []
    at = {item["column"]: CORE + item["input"] for item in core.signature["inputs"]}
    looked_up, unknown_keys = write_lookups(w, plan.lookups, names)
    if domain.numbers:
        columns = [looked_up.get(name) or names[name] for name in domain.numbers]
        kind = TYPES[core.kinds[domain.numbers[0]]]
        taken = [at[name] for name in domain.numbers]
        whole = _taken_whole(inner, taken)
        layer = write_numbers(w, domain, columns, [whole] if whole else taken, kind)
        flags, features = [*flags, *layer.flags], [*features, *layer.features]
    if domain.texts:
        replaced = {name: at[name] for name in plan.replaced if name in domain.texts}
        layer = write_texts(w, domain, [names[name] for name in domain.texts], replaced)
        flags, features = [*flags, *layer.flags], [*features, *layer.features]
    for name in (*domain.texts, *domain.free):
        if name not in plan.replaced or name in domain.free:
            w.add("Identity", names[name], output=at[name])
    if len(features) > 1:
        features = [w.add("Concat", *features, axis=0)]
    return Layer(flags, features), unknown_keys


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
    "disagreement": "[n, 1] double: how far apart an ensemble's members are",
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
        "reasons": {"bits": list(plan.kinds), "flags": [words for _, words in plan.flags()]},
        **({"live_lookups": live} if (live := told_live(plan.lookups)) else {}),
        **({"members": {**core.members, **_prefixed(core.members)}} if plan.is_ensemble else {}),
        **told,
    }
    helper.set_model_props(model, {SIGNATURE_KEY: json.dumps(signature, sort_keys=True, allow_nan=False)})
    checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _prefixed(members: Mapping[str, Any]) -> dict[str, str]:
    """What the members say is no output of the package, and a tensor inside it."""
    return {"answers": CORE + members["answers"], "disagreement": "disagreement"}
