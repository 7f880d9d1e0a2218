"""Trees of any family as ai.onnx.ml 5 `TreeEnsemble`: one node, or a few where that is much faster.

A family is read into `Tree`s, and only this file knows the node. The sums are those of a loop over the trees in
their order, bit for bit (onnxruntime, one thread): where two classes tie in the estimator they tie in the graph.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper

from tasks.conversion.writer import ML, Writer

Integers = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

LESS_OR_EQUAL, LESS, EQUAL, MEMBER = 0, 1, 4, 6  # BRANCH_LEQ, BRANCH_LT, BRANCH_EQ, BRANCH_MEMBER
SUM = 1
# Nodes that are there only since a leaf of the operator adds to one target: from so many on, and so many for each tree,
# leaves are looked up. Of less, and where nearly all numbers of that table would be 0, it costs more than it saves.
MOST_COPIED, MOST_OF_A_TREE, MOST_ZEROS = 10_000, 100, 3
# Of the trees that one node holds then: what a core's own cache keeps while the rows go by.
NODES_AT_ONCE = 100_000


@dataclass(frozen=True)
class Tree:
    """Arrays over the nodes, of which the first is the root; a node with `feature` -1 is a leaf.

    A record goes to `true` where `x[feature] <= threshold` (`mode` LESS_OR_EQUAL; also LESS), or where `x[feature]`
    is one of `members[node]` (MEMBER); where x is NaN it goes to `true` if `missing_true`. `values`, (nodes,
    targets), holds what a leaf adds to each target.
    """

    feature: Integers
    threshold: Doubles
    true: Integers
    false: Integers
    missing_true: Flags
    values: Doubles
    mode: Integers
    members: Mapping[int, tuple[float, ...]] = field(default_factory=dict)

    def on_columns(self, columns: Integers) -> "Tree":
        """The same tree for the matrix of which it was given these columns."""
        return replace(self, feature=np.where(self.feature < 0, -1, columns[self.feature]))


def constant_tree(values: Doubles) -> Tree:
    """One leaf: what a sum begins with. `values` (targets,)."""
    minus, no = np.array([-1]), np.array([False])
    return Tree(minus, np.zeros(1), minus, minus, no, values.reshape(1, -1), np.array([LESS_OR_EQUAL]))


def write_trees(writer: Writer, trees: Sequence[Tree], x: str, single: bool = False, output: str = "") -> str:
    """The sum of what the trees say, (n, targets) double, for `x`, a double tensor (n, features).

    `single`: x, thresholds, leaves and sums are float32, for families that compute so.
    """
    each = [_single_target_parts(tree) for tree in trees]
    if not single and _is_better_looked_up(trees, each):
        return _looked_up(writer, trees, x, output)
    kind = TensorProto.FLOAT if single else TensorProto.DOUBLE
    return _node(writer, [part for parts in each for part in parts], trees[0].values.shape[1], x, kind, output)


def _is_better_looked_up(trees: Sequence[Tree], each: Sequence[Sequence["_Part"]]) -> bool:
    copied = sum(len(part.feature) for parts in each for part in parts[1:])
    if copied <= max(MOST_COPIED, MOST_OF_A_TREE * len(trees)):
        return False
    said = [tree.values[tree.feature < 0] != 0 for tree in trees]
    return bool(sum(one.size for one in said) <= (1 + MOST_ZEROS) * sum(int(one.sum()) for one in said))


def _looked_up(writer: Writer, trees: Sequence[Tree], x: str, output: str) -> str:
    """The same sum, of trees whose leaves add to several targets: each tree is walked once and says which of its leaves
    it came to, and a table says what that adds. ReduceSum over the first axis adds in the order of the trees."""
    leaves, tables, first = [], [], 0
    for together in _at_once(trees):
        parts: list[_Part] = []
        for at, tree in enumerate(together):
            ends = tree.feature < 0
            table, which = np.unique(tree.values[ends], axis=0, return_inverse=True)
            values = np.zeros((len(tree.feature), len(together)))
            values[ends, at] = first + which.ravel()
            parts += _single_target_parts(replace(tree, values=values))
            tables.append(table)
            first += len(table)
        leaves.append(_node(writer, parts, len(together), x, TensorProto.DOUBLE))
    came_to = writer.add("Concat", *leaves, axis=1) if len(leaves) > 1 else leaves[0]
    number = writer.add("Cast", writer.add("Transpose", came_to, perm=[1, 0]), to=TensorProto.INT64)
    added = writer.add("Gather", writer.constant(np.concatenate(tables)), number, axis=0)
    return writer.add("ReduceSum", added, writer.constant(np.array([0])), output=output, keepdims=0)


def _at_once(trees: Sequence[Tree]) -> Iterator[list[Tree]]:
    """The trees in their order, so many together that their nodes stay in a cache."""
    together: list[Tree] = []
    nodes = 0
    for tree in trees:
        if together and nodes + len(tree.feature) > NODES_AT_ONCE:
            yield together
            together, nodes = [], 0
        together.append(tree)
        nodes += len(tree.feature)
    yield together


@dataclass(frozen=True)
class _Part:
    """A tree whose leaves add to one target each, as the operator wants them. Children that are leaves point into
    `targets` and `weights`."""

    feature: Integers
    threshold: Doubles
    mode: Integers
    missing_true: Flags
    children: tuple[Integers, Integers]
    is_leaf: tuple[Flags, Flags]
    targets: Integers
    weights: Doubles
    members: list[float]


def _single_target_parts(tree: Tree) -> list[_Part]:
    """A leaf of the operator adds to one target. So a tree is written once for every number in its fullest leaf, and
    the copies after the first keep only the branches that lead to leaves with so many: a forest of pure leaves costs
    one copy. Zeros add nothing, so each target still gets its numbers in the order of the trees."""
    leaves = tree.feature < 0
    nonzero = (tree.values != 0) & leaves[:, None]
    nth = np.where(nonzero, np.cumsum(nonzero, axis=1), 0)
    return [_part(tree, nth == copy) for copy in range(1, max(int(nth.max()), 1) + 1)]


def _part(tree: Tree, chosen: Flags) -> _Part:
    """The tree with, of each leaf, the one number that is `chosen` (nodes, targets), or 0."""
    says = np.asarray(chosen.any(axis=1))
    kept = np.flatnonzero(_reaches(tree, says) & (tree.feature >= 0))
    target = np.argmax(chosen, axis=1)
    weight = np.where(says, tree.values[np.arange(len(target)), target], 0.0)
    if not len(kept):
        return _leaf_part(int(target[0]), float(weight[0]) if tree.feature[0] < 0 else 0.0)
    position = np.full(len(tree.feature), -1)
    position[kept] = np.arange(len(kept))
    leaf_of = np.concatenate([tree.true[kept], tree.false[kept]])
    is_leaf = position[leaf_of] < 0
    index = np.where(is_leaf, np.cumsum(is_leaf) - 1, position[leaf_of])
    ends, n = leaf_of[is_leaf], len(kept)
    return _Part(
        *(tree.feature[kept], tree.threshold[kept], tree.mode[kept], tree.missing_true[kept]),
        *((index[:n], index[n:]), (is_leaf[:n], is_leaf[n:])),
        *(target[ends], np.where(tree.feature[ends] < 0, weight[ends], 0.0)),
        [value for node in kept.tolist() if node in tree.members for value in (*tree.members[node], np.nan)]
        if tree.members
        else [],
    )


def _reaches(tree: Tree, leaves: Flags) -> Flags:
    """The nodes from which one of `leaves` can be reached."""
    parent = np.full(len(tree.feature), -1)
    inner = np.flatnonzero(tree.feature >= 0)
    parent[tree.true[inner]] = parent[tree.false[inner]] = inner
    reached, now = leaves.copy(), np.flatnonzero(leaves)
    while len(now):
        now = np.unique(parent[now])
        now = now[now >= 0]
        now = now[~reached[now]]
        reached[now] = True
    return reached


def _leaf_part(target: int, weight: float) -> _Part:
    """The operator has no tree without a question: this one asks, and both answers are the same."""
    zero, no = np.zeros(1, dtype=np.int64), np.array([False])
    both = (np.array([0]), np.array([1])), (np.array([True]), np.array([True]))
    return _Part(zero, np.zeros(1), zero, no, *both, np.array([target, target]), np.array([weight, weight]), [])


def _node(writer: Writer, parts: Sequence[_Part], targets: int, x: str, kind: int, output: str = "") -> str:
    return writer.add("TreeEnsemble", x, output=output, domain=ML, **_attributes(parts, targets, kind))


def _attributes(parts: Sequence[_Part], targets: int, kind: int) -> dict[str, Any]:
    nodes = np.cumsum([0] + [len(part.feature) for part in parts])
    leaves = np.cumsum([0] + [len(part.targets) for part in parts])

    def child(side: int) -> list[int]:
        shifted = [
            part.children[side] + np.where(part.is_leaf[side], leaf, node)
            for part, node, leaf in zip(parts, nodes[:-1], leaves[:-1], strict=True)
        ]
        return _integers(shifted)

    members = [value for part in parts for value in part.members]
    attributes = {
        "aggregate_function": SUM,
        "n_targets": targets,
        "post_transform": 0,
        "tree_roots": nodes[:-1].tolist(),
        "nodes_featureids": _integers([part.feature for part in parts]),
        "nodes_modes": _tensor("modes", TensorProto.UINT8, _integers([part.mode for part in parts])),
        "nodes_splits": _tensor("splits", kind, np.concatenate([part.threshold for part in parts])),
        "nodes_truenodeids": child(0),
        "nodes_trueleafs": _integers([part.is_leaf[0] for part in parts]),
        "nodes_falsenodeids": child(1),
        "nodes_falseleafs": _integers([part.is_leaf[1] for part in parts]),
        "leaf_targetids": _integers([part.targets for part in parts]),
        "leaf_weights": _tensor("weights", kind, np.concatenate([part.weights for part in parts])),
    }
    missing = _integers([part.missing_true for part in parts])
    if any(missing):
        attributes["nodes_missing_value_tracks_true"] = missing
    if members:
        attributes["membership_values"] = _tensor("members", kind, np.array(members))
    return attributes


def _integers(arrays: Sequence[npt.NDArray[Any]]) -> list[int]:
    return np.concatenate(arrays).astype(np.int64).tolist()  # type: ignore[no-any-return]


def _tensor(name: str, kind: int, values: Any) -> Any:
    if kind in (TensorProto.DOUBLE, TensorProto.FLOAT):
        width = "<f8" if kind == TensorProto.DOUBLE else "<f4"
        return helper.make_tensor(name, kind, [len(values)], np.asarray(values, width).tobytes(), raw=True)
    return helper.make_tensor(name, kind, [len(values)], values)
