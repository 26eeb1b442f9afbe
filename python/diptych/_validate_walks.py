"""The checks of what walks take, beside those of :mod:`diptych._validate`, and in the same manner."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diptych._validate import (
    MOST_NODES,
    MOST_ROWS,
    MOST_STEPS,
    DtypeError,
    IndexArray,
    _check_csr,
    _count,
    _real_number,
    _row_of_floats,
    _row_of_integers,
    _row_starts,
    is_sparse,
    node_numbers,
)


def transition_weights(
    graph: Any, name: str = "graph"
) -> tuple[IndexArray, IndexArray, NDArray[np.float64], int]:
    """Return indptr, indices, data and number of nodes of a graph in CSR format.

    Index arrays that both have 32 bits stay so. Whether they fit together is checked by the kernel.
    """
    if not is_sparse(graph):
        if hasattr(graph, "adjacency"):
            raise DtypeError(f"{name} is a {type(graph).__name__}: pass its matrix, {name}.adjacency.")
        raise DtypeError(
            f"{name} is of type {type(graph).__name__}: a SciPy matrix is needed; pass "
            f"scipy.sparse.csr_array({name}) if it holds the weight from node i to node j at [i, j]."
        )
    _check_csr(graph, name)
    if len(graph.shape) != 2 or graph.shape[0] != graph.shape[1]:
        raise ValueError(f"{name} has shape {graph.shape}: a row and a column for each node are needed.")
    if graph.shape[0] > MOST_NODES:
        raise ValueError(f"{name} has {graph.shape[0]} nodes: at most {MOST_NODES} can be numbered.")
    indptr = _row_starts(graph, name)
    indices, data = _stored(graph.indices, indptr), _stored(graph.data, indptr)
    data = _row_of_floats(data, f"{name}.data", "drop the edge or give it a weight")
    if data.size and data.min() < 0:
        at = np.flatnonzero(data < 0)[0]
        raise ValueError(f"{name}.data[{at}]={data[at]}: a weight must not be negative; drop the edge.")
    if graph.indptr.dtype == indices.dtype == np.int32 and indices.ndim == 1:
        starts = np.require(graph.indptr, np.int32, ["C", "A"])
        return starts, np.require(indices, np.int32, ["C", "A"]), data, int(graph.shape[0])
    return indptr, _row_of_integers(indices, f"{name}.indices"), data, int(graph.shape[0])


def _stored(values: Any, indptr: NDArray[np.int64]) -> NDArray[Any]:
    """Return the values of the entries, without the room that SciPy may leave behind them."""
    return np.asarray(values)[: max(0, int(indptr[-1]))]


def start_nodes(nodes: Any, n: int) -> NDArray[np.int64] | None:
    """Return the numbers of nodes, each below n; None, which stands for all in order, stays None."""
    return None if nodes is None else node_numbers(nodes, n, "start_nodes")


def alias_weights(weights: Any, name: str = "weights") -> NDArray[np.float64]:
    """Return weights that make a distribution."""
    w = _row_of_floats(weights, name, "drop it, or give it weight 0")
    if not w.size:
        raise ValueError(f"{name} has no entries: there is nothing to draw.")
    if len(w) > MOST_ROWS:
        raise ValueError(f"{name} has {len(w)} entries: at most {MOST_ROWS} can be numbered.")
    if w.min() < 0:
        at = np.flatnonzero(w < 0)[0]
        raise ValueError(f"{name}[{at}]={w[at]}: must not be negative.")
    if not w.any():
        raise ValueError(f"{name} is 0 everywhere: at least one must be positive.")
    return w


def alias_table(table: Any) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return threshold and alias of a table to draw from."""
    try:
        threshold, alias = table
    except (TypeError, ValueError):
        raise DtypeError(
            f"table is of type {type(table).__name__}: a threshold and an alias array are needed, such as "
            "alias_table returns."
        ) from None
    t = _row_of_floats(threshold, "table.threshold", "take what alias_table returns")
    a = _row_of_integers(alias, "table.alias")
    if not len(t) or len(t) != len(a) or len(t) > MOST_ROWS:
        raise ValueError(
            f"table has {len(t)} thresholds and {len(a)} aliases: one of each for 1 to {MOST_ROWS} slots are "
            "needed."
        )
    if t.min() < 0 or t.max() > 1:
        at = np.flatnonzero((t < 0) | (t > 1))[0]
        raise ValueError(f"table.threshold[{at}]={t[at]}: must lie between 0 and 1.")
    if a.min() < 0 or a.max() >= len(a):
        at = np.flatnonzero((a < 0) | (a >= len(a)))[0]
        raise ValueError(f"table.alias[{at}]={a[at]}: slots are numbered from 0 to {len(a) - 1}.")
    return t, a


def walk_length(value: Any) -> int:
    """Return the number of nodes in a walk."""
    number = _count(value, "walk_length")
    if number > MOST_STEPS:
        raise ValueError(f"walk_length={number}: at most {MOST_STEPS} positions can be numbered.")
    return number


def walks_per_node(value: Any) -> int:
    """Return the number of walks that start at a node."""
    return _count(value, "walks_per_node")


def bias(value: Any, name: str) -> float:
    """Return p or q of node2vec, whose inverse weighs a step."""
    number = _real_number(value, name, "must be a positive finite number.")
    if not 0.0 < number < math.inf:
        raise ValueError(f"{name}={value}: must be a positive finite number.")
    if math.isinf(1 / number):
        raise ValueError(f"{name}={value}: 1 / {name} must be finite too; take 1e-308 or more.")
    return number


def size(value: Any) -> int:
    """Return a number of draws, which may be 0."""
    return _count(value, "size", least=0)
