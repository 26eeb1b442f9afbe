"""Nodes by name: rows that names stand for, the nearest rows, and rows of two graphs in one table."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from diptych import _validate
from diptych.graph import Graph, find_row, index_names, name_array


def find_node(names: NDArray[Any], name: Any) -> int:
    """Return the row of a node; ValueError if there is none."""
    try:
        return find_row(index_names(names), name)
    except KeyError as error:
        raise ValueError(f"{error.args[0]}.") from None


def most_similar_rows(
    vectors: NDArray[np.float32], names: NDArray[Any], row: int, k: int
) -> list[tuple[Any, float]]:
    """Return (name, cosine) of the k other rows that point most nearly where a row points."""
    number = _validate.count(k, "k")
    cosines = cosines_to(vectors, row)
    order = np.argsort(-cosines, kind="stable")
    nearest = order[order != row][:number]
    return list(zip(names[nearest].tolist(), cosines[nearest].clip(-1, 1).tolist(), strict=True))


def cosines_to(vectors: NDArray[np.float32], row: int) -> NDArray[np.float64]:
    """Return the cosine of each row and one of them; 0 for rows of zeros, beyond ±1 by rounding alone."""
    # Not by `@`, whose sums depend on the number of threads of the BLAS.
    products = np.einsum("nd,d->n", vectors, vectors[row], dtype=np.float64)
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    scale = lengths * lengths[row]
    cosines = np.zeros(len(vectors))
    np.divide(products, scale, out=cosines, where=scale > 0)
    return cosines


def rows_in_union(old: NDArray[Any], graph: Graph) -> tuple[csr_array[np.float64], NDArray[Any]]:
    """Return a graph with rows for old names, then for those of its names that are new, in its order."""
    known = index_names(old)
    new = [name for name in graph.node_names.tolist() if name not in known]
    names = name_array([*old.tolist(), *new])
    row_of = index_names(names)
    rows = np.array([row_of[name] for name in graph.node_names.tolist()], dtype=np.int32)
    entries = coo_array(graph.adjacency)
    ends = (rows[entries.row], rows[entries.col])
    return csr_array(coo_array((entries.data, ends), shape=(len(names), len(names)))), names
