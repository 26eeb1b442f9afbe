"""What the tests of graphs share: one small graph, and two ways to look at any."""

from __future__ import annotations

import numpy as np
from scipy import sparse

UNDIRECTED = {("a", "b"): 2.0, ("b", "a"): 2.0, ("b", "c"): 0.5, ("c", "b"): 0.5, ("c", "c"): 4.0}
DIRECTED = {("a", "b"): 2.0, ("b", "c"): 0.5, ("c", "c"): 4.0}


def dense(graph):
    """Return the adjacency as an array, after a look at the promises of its form."""
    A = graph.adjacency
    assert isinstance(A, sparse.csr_array)
    assert A.dtype == np.float64
    A.check_format(full_check=True)
    fresh = sparse.csr_array((A.data, A.indices, A.indptr), shape=A.shape)
    assert fresh.has_canonical_format
    assert (A.data > 0).all()
    assert len(graph.node_names) == graph.n_nodes == A.shape[0]
    if not graph.directed:
        np.testing.assert_array_equal(A.toarray(), A.toarray().T)
    return A.toarray()


def by_name(graph):
    """Return {(name, name): weight} of the stored entries."""
    A = sparse.coo_array(graph.adjacency)
    names = graph.node_names.tolist()
    return {(names[i], names[j]): w for i, j, w in zip(*A.coords, A.data, strict=True)}
