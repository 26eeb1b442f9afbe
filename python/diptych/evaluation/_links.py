"""Link prediction: hide edges, and see whether the vectors tell them from pairs that are none."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.csgraph import minimum_spanning_tree
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from diptych import _validate
from diptych.graph import Graph, as_graph

SCORES = ("dot", "cosine")
OPERATORS = ("hadamard", "average", "l1", "l2")


class LinkSplit(NamedTuple):
    """A graph with edges hidden, the hidden edges, and as many pairs that are no edges.

    Attributes
    ----------
    train : Graph
        The same nodes, the edges that are left.
    positives : ndarray of shape (m, 2), int64
        The hidden edges, as rows of the graph.
    negatives : ndarray of shape (m, 2), int64
        Pairs that are no edges of the whole graph.
    """

    train: Graph
    positives: NDArray[np.int64]
    negatives: NDArray[np.int64]


def link_prediction_split(
    graph: object,
    *,
    share: float = 0.5,
    random_state: int | np.random.SeedSequence | np.random.Generator | None = None,
) -> LinkSplit:
    """Hide a share of the edges such that what was connected stays connected.

    The edges of a random spanning forest stay; among the others those to hide are drawn uniformly. As many
    negatives are drawn uniformly, without replacement, from all pairs of different nodes that are no edge of
    the whole graph.

    Parameters
    ----------
    graph : Graph, or what :func:`diptych.graph.as_graph` takes
        The whole graph. Directed edges are hidden one by one, negatives are ordered pairs then, and the
        components that stay connected are the weak ones.
    share : float, default=0.5
        Share of the edges to hide, between 0 and 1. Self-loops stay, and do not count.
    random_state : None, int, SeedSequence or Generator, default=None
        Where the draws come from.

    Returns
    -------
    LinkSplit
        ``train``, ``positives``, ``negatives``. Pairs are sorted; those of an undirected graph have the
        smaller row first.

    Raises
    ------
    ValueError
        If so many edges cannot be hidden, or there are not as many pairs without an edge.

    Notes
    -----
    O(E log E) time; peak memory about 100 B per edge and at most 400 B per negative beside the two graphs.

    References
    ----------
    .. [1] Grover, Leskovec (2016). node2vec: scalable feature learning for networks. KDD, 855–864.
    """
    whole = as_graph(graph)
    share = _validate.share(share, "share")
    generator = np.random.default_rng(_validate.seed_key(random_state, "random_state"))
    edges, weights = _edges(whole)
    hidden = _hidden_edges(edges, whole.n_nodes, share, generator)
    positives = edges[hidden]
    gone = sparse.coo_array((weights[hidden], tuple(positives.T)), shape=whole.adjacency.shape).tocsr()
    left = whole.adjacency - (gone if whole.directed else gone + gone.T)  # w - w is 0, and 0 is no edge
    train = Graph(left, node_names=whole.node_names, directed=whole.directed)
    negatives = _non_edges(edges, whole.n_nodes, whole.directed, len(hidden), generator)
    return LinkSplit(train, positives, negatives)


def _edges(graph: Graph) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the ends and the weight of each edge between different nodes, sorted by the ends."""
    entries = sparse.coo_array(graph.adjacency)
    u, v = entries.coords
    kept = u != v if graph.directed else u < v
    return np.column_stack([u[kept], v[kept]]).astype(np.int64), entries.data[kept]


def _hidden_edges(
    edges: NDArray[np.int64], n: int, share: float, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return which edges to hide: none of a random spanning forest."""
    m = len(edges)
    n_hidden = round(share * m)
    order = generator.permutation(m)
    rank = np.empty(m)
    rank[order] = np.arange(1, m + 1)  # different weights: a weight in the forest says which edge it is
    forest = minimum_spanning_tree(sparse.csr_array((rank, tuple(edges.T)), shape=(n, n)))
    removable = np.setdiff1d(np.arange(m), order[forest.data.astype(np.int64) - 1])
    if n_hidden == 0:
        raise ValueError(f"share={share} of {m} edges hides none.")
    if n_hidden > len(removable):
        decimals = len(str(m)) + 1  # so many that round(most * m) is what can go
        most = np.floor(10**decimals * len(removable) / m) / 10**decimals
        remedy = f"share={most} is possible" if len(removable) else "it has no cycle; take a denser graph"
        raise ValueError(
            f"share={share} would hide {n_hidden} of {m} edges, and {len(removable)} can go before a "
            f"component of the graph falls apart: {remedy}."
        )
    return np.sort(generator.choice(removable, n_hidden, replace=False))


def _non_edges(
    edges: NDArray[np.int64], n: int, directed: bool, size: int, generator: np.random.Generator
) -> NDArray[np.int64]:
    """Draw pairs that are no edges: number all pairs, and skip the numbers that are taken."""
    taken = np.sort(_pair_number(edges, n, directed))
    free = n * (n - 1) // (1 if directed else 2) - len(taken)
    if size > free:
        raise ValueError(
            f"{size} negatives are needed, and only {free} pairs of nodes have no edge: hide fewer edges."
        )
    rank = np.sort(generator.choice(free, size, replace=False))
    # The r-th free number has before it the taken ones with taken[i] - i <= r.
    number = rank + np.searchsorted(taken - np.arange(len(taken)), rank, side="right")
    pairs = _numbered_pair(number, n, directed)
    return pairs[np.lexsort(pairs.T[::-1])]


def _pair_number(pairs: NDArray[np.int64], n: int, directed: bool) -> NDArray[np.int64]:
    """Return numbers for pairs: of u < v by v, then u; if directed, of u ≠ v by u, then v."""
    u, v = pairs[:, 0], pairs[:, 1]
    number: NDArray[np.int64] = u * (n - 1) + v - (v > u) if directed else v * (v - 1) // 2 + u
    return number


def _numbered_pair(number: NDArray[np.int64], n: int, directed: bool) -> NDArray[np.int64]:
    if directed:
        u, v = np.divmod(number, n - 1)
        return np.column_stack([u, v + (v >= u)])
    v = ((1 + np.sqrt(1 + 8 * number.astype(np.float64))) / 2).astype(np.int64)
    v -= v * (v - 1) // 2 > number  # the root is rounded
    v += v * (v + 1) // 2 <= number
    return np.column_stack([number - v * (v - 1) // 2, v])


def link_prediction_auc(
    embedding: ArrayLike,
    positives: ArrayLike,
    negatives: ArrayLike,
    *,
    operator: str = "hadamard",
    random_state: int | np.random.SeedSequence | np.random.Generator | None = None,
) -> float:
    """Return how well the vectors tell edges from pairs that are none, as the area under the ROC curve.

    With an *operator* of node2vec each pair becomes one vector of d features. They are brought to mean 0 and
    variance 1, and a logistic regression (L2, C = 1) is trained on one random half of the pairs and scored on
    the other; then the halves change places, and the mean of the two areas is returned. The paper names the
    operators but not how pairs were divided to train and to test; with halves each pair is scored once, by a
    model that has not seen it. "dot" and "cosine" score a pair as it is, and nothing is trained.

    Parameters
    ----------
    embedding : array-like of shape (n, d), float32 or float64
        A vector for each node, learned without the hidden edges.
    positives, negatives : array-like of int, shape (m, 2)
        Pairs of rows; from :func:`link_prediction_split`.
    operator : {"hadamard", "average", "l1", "l2", "dot", "cosine"}, default="hadamard"
        f(u) · f(v), (f(u) + f(v)) / 2, abs(f(u) − f(v)), (f(u) − f(v))², each by component; or the dot
        product, or the cosine, as a score.
    random_state : None, int, SeedSequence or Generator, default=None
        Where the halves come from.

    Returns
    -------
    float
        In [0, 1]; 0.5 is chance.

    Raises
    ------
    ValueError
        If a pair is out of range (the message names it), a class has fewer than two pairs, a vector is not
        finite, or there is no such operator.

    Notes
    -----
    O(m · d²) time; peak memory 3 · 8 B · m · d for m pairs in all.

    References
    ----------
    .. [1] Grover, Leskovec (2016). node2vec: scalable feature learning for networks. KDD, 855–864.
    """
    X = _validate.points(embedding, "embedding")
    if operator not in OPERATORS + SCORES:
        raise ValueError(f"operator={operator!r}: must be one of {', '.join(map(repr, OPERATORS + SCORES))}.")
    groups = [_pairs(positives, "positives", len(X)), _pairs(negatives, "negatives", len(X))]
    generator = np.random.default_rng(_validate.seed_key(random_state, "random_state"))
    groups = [generator.permutation(group) for group in groups]
    pairs = np.concatenate(groups)
    truth = np.repeat([1, 0], [len(group) for group in groups])
    features = _features(X[pairs[:, 0]], X[pairs[:, 1]], operator)
    if operator in SCORES:
        return float(roc_auc_score(truth, features))
    first = np.concatenate([np.arange(len(group)) % 2 == 0 for group in groups])  # of shuffled pairs
    areas = []
    for train in (first, ~first):
        model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, solver="newton-cholesky"))
        model.fit(features[train], truth[train])
        areas.append(roc_auc_score(truth[~train], model.decision_function(features[~train])))
    return float(np.mean(areas))


def _features(a: _validate.FloatArray, b: _validate.FloatArray, operator: str) -> NDArray[np.float64]:
    a, b = a.astype(np.float64), b.astype(np.float64)
    if operator == "hadamard":
        return a * b
    if operator == "average":
        return (a + b) / 2
    if operator == "l1":
        return np.abs(a - b)
    if operator == "l2":
        return (a - b) ** 2
    dot: NDArray[np.float64] = (a * b).sum(axis=1)
    if operator == "cosine":
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        dot = np.divide(dot, lengths, out=np.zeros_like(dot), where=lengths > 0)
    return dot


def _pairs(pairs: ArrayLike, name: str, n: int) -> NDArray[np.int64]:
    array = np.asarray(pairs)
    if array.dtype.kind not in "iu" or array.ndim != 2 or array.shape[1] != 2 or len(array) < 2:
        raise ValueError(
            f"{name} has shape {array.shape} and dtype {array.dtype}: two pairs of rows are needed, or more, "
            "as integers of shape (m, 2)."
        )
    outside = np.argwhere((array < 0) | (array >= n))
    if len(outside):
        i, j = outside[0]
        raise ValueError(f"{name}[{i}, {j}]={array[i, j]} is out of range for the {n} rows of embedding.")
    return array.astype(np.int64)
