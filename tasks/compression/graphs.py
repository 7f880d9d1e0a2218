"""What can be done to the graph itself: weights in 8 bits, and onnxruntime's own optimisation written down."""

import tempfile
from pathlib import Path
from typing import Any

PORTABLE = {"", "ai.onnx", "ai.onnx.ml"}
PRODUCTS = {"MatMul", "Gemm"}
IN_EIGHT_BITS = {"MatMulInteger", "DynamicQuantizeLinear", "QLinearMatMul", "DequantizeLinear"}


class NothingToDo(Exception):
    """This graph gains nothing from the idea; the sentence says why."""


def quantised(graph: bytes) -> bytes:
    """Weights of matrix products in int8, activations quantised as they come (onnxruntime's dynamic quantisation).

    Takes a graph in float. Raises NothingToDo where there is no matrix product, trees for instance.
    """
    import logging

    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    found = sorted({node.op_type for node in onnx.load_from_string(graph).graph.node})
    if not PRODUCTS & set(found):
        raise NothingToDo(f"the graph multiplies no matrices of floats ({', '.join(found)[:120]})")
    logging.disable(logging.WARNING)
    try:
        with tempfile.TemporaryDirectory() as folder:
            given, out = Path(folder, "given.onnx"), Path(folder, "out.onnx")
            given.write_bytes(graph)
            quantize_dynamic(given, out, weight_type=QuantType.QInt8)
            made = onnx.load(out)
    finally:
        logging.disable(logging.NOTSET)
    if not IN_EIGHT_BITS & {node.op_type for node in made.graph.node}:
        raise NothingToDo("onnxruntime changed nothing: no weights that are constant floats")
    return _finished(made, graph)


def optimised(graph: bytes) -> bytes:
    """What onnxruntime makes of the graph at load, written down; raises NothingToDo where it is no longer portable."""
    import onnx
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.onnx")
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(out)
        options.log_severity_level = 4
        onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        made = onnx.load(out)
    before = onnx.load_from_string(graph)
    if len(made.graph.node) == len(before.graph.node):
        raise NothingToDo(f"onnxruntime finds nothing to join or drop in its {len(before.graph.node)} nodes")
    return _finished(made, graph)


def _finished(made: Any, before: bytes) -> bytes:
    """Portable, checked, with the signature of the graph that it was made from."""
    import onnx

    strange = sorted({node.domain for node in made.graph.node} - PORTABLE)
    if strange:
        raise NothingToDo(f"the result has nodes of {', '.join(strange)}, which only onnxruntime knows")
    original = onnx.load_from_string(before)
    del made.metadata_props[:], made.opset_import[:]
    made.metadata_props.extend(original.metadata_props)
    made.opset_import.extend(original.opset_import)
    made.ir_version = original.ir_version
    onnx.checker.check_model(made, full_check=True)
    return bytes(made.SerializeToString(deterministic=True))
