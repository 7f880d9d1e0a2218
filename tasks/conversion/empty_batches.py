"""A batch without records gets no answers, and no error: one operator of the graphs refuses to pick nothing."""

from typing import Any

import numpy as np

PICKS, ML = "ArrayFeatureExtractor", "ai.onnx.ml"


def answer_empty_batches(graph: Any) -> None:
    """Rewrites, in place, every ArrayFeatureExtractor as a Gather of the same elements, which may pick none.

    ArrayFeatureExtractor picks along the last axis and gives at least two axes; a constant of one axis gets two.
    """
    from onnx import helper, numpy_helper

    inner, nodes = graph.graph, []
    constants = {constant.name: constant for constant in inner.initializer}
    for node in inner.node:
        if node.op_type != PICKS or node.domain != ML:
            nodes.append(node)
            continue
        data, picked = node.input
        if data in constants and len(constants[data].dims) == 1:
            row = numpy_helper.to_array(constants[data]).reshape(1, -1)
            data = f"{node.output[0]}_row"
            inner.initializer.append(numpy_helper.from_array(row, data))
        flat, shape = f"{node.output[0]}_flat", f"{node.output[0]}_shape"
        inner.initializer.append(numpy_helper.from_array(np.array([-1]), shape))
        nodes.append(helper.make_node("Reshape", [picked, shape], [flat]))
        nodes.append(helper.make_node("Gather", [data, flat], [node.output[0]], axis=-1))
    del inner.node[:]
    inner.node.extend(nodes)
