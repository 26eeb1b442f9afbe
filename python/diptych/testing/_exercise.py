"""Stubs to fill in, one per function that has laws."""

from __future__ import annotations

from diptych.testing import _exercise_attention, _exercise_metapath, _exercise_recurrent, _exercise_skipgram

_DBSCAN = '''\
"""Exercise: DBSCAN from its definition.

Check what you have written, as often as you like:

    diptych check clustering.dbscan {file}:dbscan
"""

import numpy as np


def dbscan(X, eps, *, min_samples):
    """Cluster rows by density.

    A *neighbour* of a row is any row at most `eps` away from it (Euclidean distance), the row itself
    included. A row with at least `min_samples` neighbours is a *core* row. Core rows that are neighbours
    belong to the same cluster, and so do core rows joined by a chain of such neighbours. A row that is not
    core, but has a core neighbour, is a *border* row of that neighbour's cluster. All else is *noise*.

    Clusters are numbered 0, 1, 2, ... in the order of their first core row. A border row within reach of
    several clusters takes the smallest number.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
        The points, one per row.
    eps : float
        The radius of a neighbourhood.
    min_samples : int
        The number of neighbours that makes a row core.

    Returns
    -------
    core_indices : ndarray of shape (n_core,), int
        The core rows in ascending order. You may leave this out and return `labels` alone.
    labels : ndarray of shape (n_rows,), int
        The cluster of each row, -1 for noise.

    Hints
    -----
    1. Which rows are neighbours of row 0? Of every row? What does `X - X[0]` look like?
    2. Is a row its own neighbour? Is a row at distance exactly `eps` one?
    3. Which rows are core? Can you tell before there is any cluster?
    4. From the first core row without a label, which rows can be reached? When does the search have to stop?
    5. What happens when the search arrives at a border row? May it go on from there?
    6. A border row may be reached from two clusters. In which order do you have to grow the clusters so that
       it ends with the smaller number without any comparison?
    7. Could a cluster end with fewer than `min_samples` rows? Is that wrong?

    Further: add `metric="euclidean"`, `p=None` or `sample_weight=None` to the parameters and the laws about
    them are tried as well. Raise NotImplementedError for a metric that you leave out.
    """
    raise NotImplementedError("write me")
'''

_K_DISTANCES = '''\
"""Exercise: the distance to the k-th neighbour, from which eps is chosen.

Check what you have written, as often as you like:

    diptych check clustering.k_distances {file}:k_distances
"""

import numpy as np


def k_distances(X, k):
    """Measure how far the k-th other row is.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_columns)
        The points, one per row; more than `k` of them.
    k : int
        Which neighbour: 1 is the nearest other row.

    Returns
    -------
    distances : ndarray of shape (n_rows,), float
        For each row the k-th smallest of its Euclidean distances to the other rows.

    Hints
    -----
    1. The distance of a row to itself is 0. Where does it stand when the distances of a row are sorted?
    2. Does a copy of a row, also at distance 0, count?
    3. |x - y|^2 = |x|^2 + |y|^2 - 2 x.y needs one matrix product. What is left of it when all rows lie near
       (500000, 4500000)?
    4. Do you have to sort all distances of a row to find the k-th?
    5. How does this function tell which rows `dbscan` finds core?
    """
    raise NotImplementedError("write me")
'''

_PREDICT = '''\
"""Exercise: labels for new rows after DBSCAN.

Check what you have written, as often as you like:

    diptych check clustering.dbscan_predict {file}:dbscan_predict
"""

import numpy as np


def dbscan_predict(X_new, core_points, core_labels, eps):
    """Give new rows the labels of the core points within reach.

    Parameters
    ----------
    X_new : ndarray of shape (n_new, n_columns)
        The new rows.
    core_points : ndarray of shape (n_core, n_columns)
        The core rows of a clustering; there may be none.
    core_labels : ndarray of shape (n_core,), int
        Their labels.
    eps : float
        The radius that was used for the clustering.

    Returns
    -------
    labels : ndarray of shape (n_new,), int
        For each new row the smallest label among the core points at most `eps` away (Euclidean distance),
        or -1.

    Hints
    -----
    1. Why do core points suffice? Could a border row pass its label on?
    2. Which label does a new row take that two clusters reach? And which did `dbscan` give to a border row?
    3. What should happen when there is no core point at all?
    4. What do you get for the rows that were clustered in the first place?
    """
    raise NotImplementedError("write me")
'''

_SPLITMIX64 = '''\
"""Exercise: random words that can be drawn in any order.

Check what you have written, as often as you like:

    diptych check rng.splitmix64 {file}:splitmix64
"""

import numpy as np

GAMMA = 0x9E3779B97F4A7C15


def splitmix64(seed, stream, start, count):
    """Draw words `start` to `start + count - 1` of a stream of SplitMix64.

    All arithmetic is modulo 2**64:

        mix(z):  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9
                 z = (z ^ z >> 27) * 0x94D049BB133111EB
                 z ^ z >> 31
        base   = seed for stream 0, else mix(seed ^ mix(stream * GAMMA))
        word i = mix(base + (i + 1) * GAMMA)

    Parameters
    ----------
    seed, stream, start, count : int
        Not negative.

    Returns
    -------
    words : ndarray of shape (count,), uint64

    Hints
    -----
    1. Python's integers do not overflow, NumPy's do. Which of the two do you want here, and where?
    2. Word 1000000 does not need the words before it. What does that make possible for several threads?
    """
    raise NotImplementedError("write me")
'''

_ALIAS_TABLE = '''\
"""Exercise: alias tables, from which any distribution is drawn in one look-up.

Check what you have written, as often as you like:

    diptych check walks.alias_table {file}:alias_table
"""

import numpy as np


def alias_table(weights):
    """Cut a distribution over n slots into n equal boxes of at most two slots each.

    Box i holds slot i with probability `threshold[i]` and slot `alias[i]` else. To draw, choose a box
    evenly, then one of its two slots.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        Not negative, not all zero.

    Returns
    -------
    threshold : ndarray of shape (n,), float
        From 0 to 1; all exactly 1 when the weights are equal.
    alias : ndarray of shape (n,), int

    Hints
    -----
    1. Scale the weights to a mean of 1. Which slots do not fill their box? What can fill it up? 2. A slot
    above 1 lends to one below. How much has it left, and to which side does it belong then? 3. At the end
    one stack is empty. What should the thresholds of the other be, and what are they by rounding?
    """
    raise NotImplementedError("write me")
'''

_SAMPLE_ALIAS = '''\
"""Exercise: draws from an alias table.

Check what you have written, as often as you like:

    diptych check walks.sample_alias {file}:sample_alias
"""

import numpy as np


def sample_alias(table, size, *, rng):
    """Draw slots from a table.

    Parameters
    ----------
    table : tuple of two ndarrays of shape (n,)
        Threshold and alias: box i holds slot i with probability threshold[i], else slot alias[i].
    size : int
        How many to draw; may be 0.
    rng : int
        The seed. The same seed has to give the same draws.

    Returns
    -------
    slots : ndarray of shape (size,), int

    Hints
    -----
    1. How many random numbers does a draw need? Could one number serve for both questions?
    2. What should a box with threshold 1 never give? And one with threshold 0?
    """
    raise NotImplementedError("write me")
'''

_RANDOM_WALKS = '''\
"""Exercise: random walks, as DeepWalk and node2vec take them.

Check what you have written, as often as you like:

    diptych check walks.random_walks {file}:random_walks
"""

import numpy as np


def random_walks(graph, *, walk_length, walks_per_node, rng):
    """Walk from node to node along edges, by weight.

    Parameters
    ----------
    graph : scipy.sparse CSR of shape (n, n)
        graph[v, x] is the weight of the edge from v to x. Entries stored twice add up, stored zeros are no
        edges.
    walk_length : int
        Nodes in a walk, the first included.
    walks_per_node : int
        Walks from each node.
    rng : int
        The seed. The same seed has to give the same walks.

    Returns
    -------
    walks : ndarray of shape (n * walks_per_node, walk_length), int
        Row r starts at node r // walks_per_node. After a node without edges, -1.

    Hints
    -----
    1. Where in `graph.indices` are the neighbours of v? And their weights?
    2. How do you draw one of d neighbours by weight? What may you prepare once for all steps?
    3. May you sort the graph in place? Whose is it?

    Further: add `start_nodes=None`, `n_jobs=None`, or `p=1.0, q=1.0` to the parameters and the laws about
    them are tried as well. With p and q, a walk that came from u to v draws x by weight times 1/p if x is
    u, else times 1 if the graph has the edge from u to x, else times 1/q.
    """
    raise NotImplementedError("write me")
'''

_TEXTS = {
    "clustering.dbscan": _DBSCAN,
    "clustering.k_distances": _K_DISTANCES,
    "clustering.dbscan_predict": _PREDICT,
    "walks.alias_table": _ALIAS_TABLE,
    "walks.sample_alias": _SAMPLE_ALIAS,
    "walks.random_walks": _RANDOM_WALKS,
    "rng.splitmix64": _SPLITMIX64,
    **_exercise_skipgram.TEXTS,
    **_exercise_metapath.TEXTS,
    **_exercise_recurrent.TEXTS,
    **_exercise_attention.TEXTS,
}


def exercise_text(name: str, file: str | None) -> str:
    """Return the stub for one function, to be kept in a file of that name."""
    return _TEXTS[name].replace("{file}", file or f"my_{name.partition('.')[2]}.py")
