"""Random walks on a graph: alias tables, first order, and the second order of node2vec.

Vose (1991), "A linear algorithm for generating random numbers with a given distribution". Grover and Leskovec
(2016), "node2vec", KDD. Yang et al. (2019), "KnightKing", SOSP, for rejection with an outlier.

    w(v, x)   = weight of the edge from v to x; N(v) = {x : w(v, x) > 0}; d = |N(v)|
    first     P(x | v)    = w(v, x) / W,                 W = sum of w(v, x)
    second    P(x | u, v) ∝ w(v, x) · α(x),              u before v
              α(x)        = 1/p if x = u, else 1 if x in N(u), else 1/q

Why rejection is exact. Let M = max(1, 1/q) and extra = max(1/p − M, 0), so that α(x) = min(α(x), M), but for
x = u, where α(u) = min(α(u), M) + extra. Throw a point at an area of W · M + w_max · extra:

- with the share W · M it falls on the main part, at a candidate x drawn by w and a height y uniform in [0,
  M). It counts when y < min(α(x), M), which leaves x an area of w(v, x) · min(α(x), M);
- else on the outlier's part, uniform in [0, w_max) at the height `extra`. It counts for u when the place is
  < w(v, u), which leaves u a further area of w(v, u) · extra.

Together each x keeps w(v, x) · α(x). With m = min(1, 1/p, 1/q) at least the area W · m counts; where that
does not promise an end within d throws, on average, all of N(v) is looked at instead: running sums of w ·
α, and the first above a uniform share of the last.

Draws are words of :mod:`~diptych.reference.rng`: the step to position t of row r uses the words t + h · 2**32
of stream r, with h = 0 in the first order and in running sums; throw k takes candidates from h = 2k and
heights from h = 2k + 1. A row of equal weights counts as a row of ones.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diptych.reference.rng import pick, seed_key, splitmix64, uniform

__all__ = ["AliasTable", "alias_table", "random_walks", "sample_alias"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Words = Callable[[int], NDArray[np.uint64]]  # h -> the word t + h * 2**32 of this step


class AliasTable(NamedTuple):
    """Slot i stands for itself with probability threshold[i], else for alias[i]."""

    threshold: Floats  # (n,)
    alias: Indices  # (n,)


class Row(NamedTuple):
    """N(v), with the weights w(v, x) and the table to draw from them."""

    x: Indices  # (d,) ascending
    known: frozenset[int]  # the same, for x in N(v)
    w: Floats  # (d,)
    table: AliasTable


def alias_table(weights: Any) -> AliasTable:
    """Build the table of a distribution; see :func:`diptych.kernels.walks.alias_table`."""
    w = np.asarray(weights, dtype=np.float64)
    threshold, alias = np.ones(len(w)), np.arange(len(w))
    if (w == w[:1]).all():
        return AliasTable(threshold, alias)
    scaled = w / np.cumsum(w)[-1] * len(w)  # mean 1
    small, large = list(np.flatnonzero(scaled < 1)), list(np.flatnonzero(scaled >= 1))
    while small and large:
        i, j = small.pop(), large.pop()  # j fills what i leaves of its slot
        threshold[i], alias[i] = scaled[i], j
        scaled[j] = (scaled[j] + scaled[i]) - 1
        (small if scaled[j] < 1 else large).append(j)
    return AliasTable(threshold, alias)  # what is left over is 1 up to rounding


def sample_alias(table: AliasTable, size: int, *, rng: Any = None) -> Indices:
    """Draw from a table; see :func:`diptych.kernels.walks.sample_alias`."""
    threshold, alias = np.asarray(table[0], dtype=np.float64), np.asarray(table[1], dtype=np.int64)
    return draw(AliasTable(threshold, alias), splitmix64(seed_key(rng), 0, 0, size))


def draw(table: AliasTable, words: NDArray[np.uint64]) -> Indices:
    """Return the slot that each word draws."""
    slot, fraction = pick(words, len(table.alias))
    return np.where(uniform(fraction) < table.threshold[slot], slot, table.alias[slot])


def random_walks(
    graph: Any,
    *,
    walk_length: int = 80,
    walks_per_node: int = 10,
    p: float = 1.0,
    q: float = 1.0,
    start_nodes: Any = None,
    rng: Any = None,
    n_jobs: int | None = None,  # ignored
) -> NDArray[np.int32]:
    """Walk; see :func:`diptych.kernels.walks.random_walks`."""
    rows, seed = adjacency(graph), seed_key(rng)
    starts = np.arange(len(rows)) if start_nodes is None else np.asarray(start_nodes)
    walks = np.full((len(starts) * walks_per_node, walk_length), -1, dtype=np.int32)
    walks[:, 0] = np.repeat(starts, walks_per_node)
    for r, walk in enumerate(walks):
        for t in range(1, walk_length):
            if not rows[walk[t - 1]].known:
                break
            walk[t] = step(rows, walk[:t], p, q, words_of_step(seed, r, t))
    return walks


def step(rows: list[Row], walked: NDArray[np.int32], p: float, q: float, words: Words) -> int:
    """Return the node that follows those walked so far."""
    v = rows[walked[-1]]
    if len(walked) == 1 or (p == 1 and q == 1):
        return int(v.x[first_order(v, words(0))])
    u = int(walked[-2])
    return int(v.x[second_order(v, u, rows[u].known, p, q, words)])


def words_of_step(seed: int, r: int, t: int) -> Words:
    """Return the words that the step to position t of row r may use."""
    return lambda h: splitmix64(seed, r, t + (h << 32), 1)[0]


def adjacency(graph: Any) -> list[Row]:
    """Return the rows of a CSR matrix: duplicates summed in their order, zeros gone, columns ascending."""
    rows = []
    for start, stop in pairwise(graph.indptr):
        x, place = np.unique(graph.indices[start:stop], return_inverse=True)
        w = np.zeros(len(x))
        np.add.at(w, place, graph.data[start:stop])
        x, w = x[w > 0].astype(np.int64), w[w > 0]
        if (w == w[:1]).all():
            w = np.ones(len(w))
        rows.append(Row(x, frozenset(x.tolist()), w, alias_table(w)))
    return rows


def first_order(v: Row, word: NDArray[np.uint64]) -> int:
    """Return which of N(v) comes next, by weight; thresholds in whole parts of 2**32."""
    slot, fraction = pick(word, len(v.x))
    stays = int(fraction) >> 32 < int(v.table.threshold[slot] * 2**32)
    return int(slot if stays else v.table.alias[slot])


def second_order(v: Row, u: int, near_u: frozenset[int], p: float, q: float, words: Words) -> int:
    """Return which of N(v) comes next, by weight times bias, when u came before v."""
    M, m = max(1.0, 1 / q), min(1.0, 1 / p, 1 / q)
    extra = max(1 / p - M, 0.0)
    W, w_max = np.cumsum(v.w)[-1], v.w.max()
    area = W * M + w_max * extra
    alpha = np.array([1 / p if x == u else 1.0 if x in near_u else 1 / q for x in v.x.tolist()])  # (d,)
    if area > len(v.x) * m * W:
        c = np.cumsum(v.w * alpha)
        return min(int(np.searchsorted(c, uniform(words(0)) * c[-1], side="right")), len(c) - 1)
    k = -1
    while True:
        k += 1
        z = uniform(words(2 * k + 1)) * area
        if z >= W * M:
            if (z - W * M) / extra < v.w[v.x == u].sum():
                return int(np.searchsorted(v.x, u))
            continue
        j = first_order(v, words(2 * k))
        if z / W < min(alpha[j], M):
            return j
