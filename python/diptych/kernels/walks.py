"""Random walks on a graph, first order and second order (node2vec), and the alias tables they draw from."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diptych import _progress, _rust, _validate
from diptych import _validate_walks as _check
from diptych._threads import resolve_n_jobs

__all__ = ["AliasTable", "alias_table", "random_walks", "sample_alias"]


class AliasTable(NamedTuple):
    """A distribution over n slots, ready to be drawn from in O(1); made by :func:`alias_table`.

    Attributes
    ----------
    threshold : ndarray of shape (n,), float64
        How likely slot i, once hit, stands for itself; from 0 to 1.
    alias : ndarray of shape (n,), int64
        What slot i stands for otherwise.
    """

    threshold: NDArray[np.float64]
    alias: NDArray[np.int64]


def alias_table(weights: ArrayLike) -> AliasTable:
    """Build the alias table of a distribution.

    Parameters
    ----------
    weights : array-like of shape (n,), real
        Weights, not negative and not all zero; they need not sum to 1.

    Returns
    -------
    AliasTable
        `threshold` (n,) float64 and `alias` (n,) int64. Slot i is drawn with probability
        ``(threshold[i] + sum(1 - threshold[alias == i])) / n``, which is ``weights[i] / sum(weights)``.

    Raises
    ------
    ValueError
        If `weights` is empty, not one-dimensional, all zero, or holds a negative, infinite or NaN value, or
        its sum exceeds float64.
    TypeError
        If it does not hold real numbers. (The error is a ValueError as well.)
    MemoryError
        If the table does not fit; the message names its size.

    See Also
    --------
    sample_alias : Draws from the table.

    Notes
    -----
    Vose's algorithm [1]_ in float64. Weights are scaled to a mean of 1 as ``w / W * n``, with W summed in the
    order given. Slots below 1 and the others are stacked in ascending order; the last of each stack are
    paired, the small one keeps its share as threshold and takes the large one as alias, and what is left of
    the large one goes back to the stack where it then belongs. Slots left over are 1 up to rounding: they get
    threshold 1 and themselves as alias, as do all slots when all weights are equal.

    The same weights give the same table, bit for bit. Time is O(n), memory at the peak 24 n bytes, result
    included, and 8 n more where the weights are not a float64 array.

    References
    ----------
    .. [1] M. D. Vose, "A linear algorithm for generating random numbers with a given distribution", IEEE
       Transactions on Software Engineering 17(9), 1991.

    Examples
    --------
    >>> from diptych.kernels.walks import alias_table
    >>> alias_table([1.0, 3.0])
    AliasTable(threshold=array([0.5, 1. ]), alias=array([1, 1]))
    """
    return AliasTable(*_rust.alias_table(_check.alias_weights(weights), _progress.current()))


def sample_alias(
    table: AliasTable | tuple[ArrayLike, ArrayLike],
    size: int,
    *,
    rng: int | np.random.SeedSequence | np.random.Generator | None = None,
) -> NDArray[np.int64]:
    """Draw slots from an alias table.

    Parameters
    ----------
    table : AliasTable
        What :func:`alias_table` returns, or a pair (threshold, alias).
    size : int
        Number of draws; may be 0.
    rng : None, int, SeedSequence or Generator, default=None
        Where the randomness comes from; None takes fresh entropy. An integer or a SeedSequence gives the same
        draws every time, a Generator others at each call.

    Returns
    -------
    ndarray of shape (size,), int64
        Slots, drawn independently with replacement.

    Raises
    ------
    ValueError
        If a threshold is not between 0 and 1, an alias is not the number of a slot, the two differ in length
        or are empty, `size` or a seed is negative.
    TypeError
        If an argument has the wrong type. (The error is a ValueError as well.)
    MemoryError
        If the result does not fit; the message names its size.

    Notes
    -----
    Draw i is made of word i of stream 0 of the counter-based generator (:mod:`diptych.reference.rng`). The
    high half of the 128-bit product of word and n is a slot, the low half decides between the slot and its
    alias, to 53 bits. So the first draws are the same for any `size`, and for any number of threads, of
    which there are ``diptych.get_num_threads()``.

    Time is O(size), memory at the peak the result, and a copy of arrays of other types.

    References
    ----------
    .. [1] A. J. Walker, "An efficient method for generating discrete random variables with general
       distributions", ACM Transactions on Mathematical Software 3(3), 1977.
    .. [2] G. L. Steele, D. Lea and C. H. Flood, "Fast splittable pseudorandom number generators", OOPSLA,
       2014.

    Examples
    --------
    >>> from diptych.kernels.walks import alias_table, sample_alias
    >>> sample_alias(alias_table([1.0, 0.0, 3.0]), 6, rng=0)
    array([0, 2, 0, 2, 2, 2])
    """
    threshold, alias = _check.alias_table(table)
    count, threads, progress = _check.size(size), resolve_n_jobs(None), _progress.current()
    return _rust.sample_alias(threshold, alias, count, _validate.seed_key(rng), threads, progress)


def random_walks(
    graph: Any,
    *,
    walk_length: int = 80,
    walks_per_node: int = 10,
    p: float = 1.0,
    q: float = 1.0,
    start_nodes: ArrayLike | None = None,
    rng: int | np.random.SeedSequence | np.random.Generator | None = None,
    n_jobs: int | None = None,
) -> NDArray[np.int32]:
    """Walk on a graph: from node to node along its edges, by weight.

    Parameters
    ----------
    graph : SciPy sparse matrix or array of shape (n, n), CSR
        ``graph[v, x]`` is the weight of the edge from v to x, of any real or boolean type; store both
        directions of an undirected edge. Entries stored more than once are summed, stored zeros are no
        edges, a row without edges is a dead end, an entry on the diagonal is an edge to where one is. Other
        formats: pass ``graph.tocsr()``.
    walk_length : int, default=80
        Nodes in a walk, the first included.
    walks_per_node : int, default=10
        Walks that start at each node.
    p : float, default=1.0
        Return parameter of node2vec: the greater, the less often a walk turns back at once.
    q : float, default=1.0
        In-out parameter of node2vec: the greater, the closer a walk stays to where it came from.
    start_nodes : array-like of shape (n_starts,), integer, or None, default=None
        Nodes to start from, in any order and as often as wanted; None means every node once, in order.
    rng : None, int, SeedSequence or Generator, default=None
        Where the randomness comes from; None takes fresh entropy. An integer or a SeedSequence gives the same
        walks every time, a Generator others at each call.
    n_jobs : int or None, default=None
        Number of threads; None means :func:`diptych.get_num_threads`, -1 all cores the process may use. The
        result does not depend on it.

    Returns
    -------
    ndarray of shape (n_starts * walks_per_node, walk_length), int32
        One walk per row: row r starts at ``start_nodes[r // walks_per_node]``. After a dead end, -1.

    Raises
    ------
    ValueError
        If the graph is not square, has 2**31 nodes or 2**32 - 1 edges or more, holds a negative, infinite
        or NaN weight or malformed indices, the weights of a row sum to more than float64 holds (with p and
        q: times the greatest of 1, 1/p, 1/q; or, times the least, to less than 2.2e-308), a start node is not
        in the graph, `walk_length` or `walks_per_node` is below 1, `p` or `q` is not positive and finite, or
        a seed is negative.
    TypeError
        If an argument has the wrong type: a dense array, another sparse format, complex weights, a
        `walk_length` that is no integer. (The error is a ValueError as well.)
    MemoryError
        If the result or an intermediate array does not fit; the message names its size.

    See Also
    --------
    alias_table : The tables behind weighted steps.

    Notes
    -----
    **First order** (``p == q == 1``, and the first step always): from v to x with probability
    ``w(v, x) / sum(w(v, :))``. The share of an edge is exact up to 2**-32 / degree.

    **Second order** [1]_: having come from u to v, to x with probability proportional to ``w(v, x) *
    bias``. The bias is 1/p for x = u, else 1 where the graph has the edge from u to x, else 1/q. It is
    drawn exactly, by rejection with the return edge taken apart [2]_, or by running sums over a row where
    that is cheaper.

    Both panels draw the same walks, number for number; :mod:`diptych.reference.walks` says from which words
    of the counter-based generator. Row r uses stream r, so it depends on the graph, its start, the seed and
    r alone: not on other walks, not on the number of threads, and a shorter `walk_length` gives the
    beginning of the same walks.

    Time is O(n + edges) for preparation, and O(1) per step; in the second order O(log degree) expected for
    each candidate, of which there are at most ``max(1, 1/q) / min(1, 1/p, 1/q)`` expected in a row long
    enough, and never more than the degree. Memory at the peak is the result, plus 8 bytes per node, 4 per
    edge, and where weights differ within a row 8 per edge; in the second order 4 per 15 edges more, 1 per
    edge up to 32 MiB, and where weights differ 16 per node. Besides, while a graph is read in which some
    weights differ, or some row is unsorted or repeats itself, 8 per edge unless weights differ, and 28 per
    edge of the longest row for each thread; for a graph whose rows are unsorted, repeat themselves or hold
    zeros, in the second order, 8 more per edge where weights differ; and a copy of index arrays and weights
    that are not int32 or int64 and float64.

    References
    ----------
    .. [1] A. Grover and J. Leskovec, "node2vec: Scalable feature learning for networks", KDD, 2016.
    .. [2] K. Yang, M. Zhang, K. Chen, X. Ma, Y. Bai and Y. Jiang, "KnightKing: A fast distributed graph
       random walk engine", SOSP, 2019.
    .. [3] B. Perozzi, R. Al-Rfou and S. Skiena, "DeepWalk: Online learning of social representations", KDD,
       2014.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> from diptych.kernels.walks import random_walks
    >>> path = csr_array([[0, 1, 0], [0, 0, 1], [0, 0, 0]])
    >>> random_walks(path, walk_length=4, walks_per_node=1)
    array([[ 0,  1,  2, -1],
           [ 1,  2, -1, -1],
           [ 2, -1, -1, -1]], dtype=int32)
    """
    edges = _check.transition_weights(graph)
    length, repeats = _check.walk_length(walk_length), _check.walks_per_node(walks_per_node)
    biases = _check.bias(p, "p"), _check.bias(q, "q")
    starts = _check.start_nodes(start_nodes, edges[-1])
    threads, progress, key = resolve_n_jobs(n_jobs), _progress.current(), _validate.seed_key(rng)
    return _rust.random_walks(*edges, starts, length, repeats, *biases, key, threads, progress)
