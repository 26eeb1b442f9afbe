"""Plain implementations in overridable steps: right, and open to tampering.

Mutants change one step each and name, in `breaks`, a law of `diptych.testing` that has to catch them.
"""

import math

import numpy as np


class Steps:
    """A name for reports; `strict` marks mutants that only strict laws catch."""

    strict = False

    @property
    def __name__(self):
        return type(self).__name__


def pairwise(A, B, metric="euclidean", p=None):
    """Reduced distances between the rows of A and of B, by broadcasting."""
    if metric == "haversine":
        s = np.sin((A[:, None] - B[None]) / 2) ** 2
        return s[..., 0] + np.cos(A[:, None, 0]) * np.cos(B[None, :, 0]) * s[..., 1]
    if metric == "cosine":
        units = [M / np.where(r := np.sqrt((M * M).sum(1, keepdims=True)), r, 1) for M in (A, B)]
        return 1 - (units[0][:, None] * units[1][None]).sum(2)
    t = np.abs(A[:, None] - B[None])
    if metric == "manhattan" or (metric == "minkowski" and p == 1):
        return t.sum(2)
    if metric == "chebyshev" or (metric == "minkowski" and p == math.inf):
        return t.max(2)
    return (t**p).sum(2) if metric == "minkowski" and p is not None else (t * t).sum(2)


def limit(eps, metric="euclidean", p=None):
    if metric == "haversine":
        return math.sin(eps / 2) ** 2
    if metric in ("manhattan", "chebyshev", "cosine", "precomputed"):
        return eps
    if metric == "minkowski" and p in (1, math.inf):
        return eps
    with np.errstate(over="ignore"):
        return np.float64(eps) ** p if metric == "minkowski" and p is not None else np.float64(eps) * eps


class Textbook(Steps):
    """DBSCAN from a table of neighbours: right, and open to tampering."""

    family = "clustering.dbscan"

    def __call__(self, X, eps, *, min_samples, metric="euclidean", p=None, sample_weight=None, n_jobs=None):
        self.eps, self.metric, self.min_samples, self.n_jobs = eps, metric, min_samples, n_jobs
        X = self.rows(X)
        self.near = self.table(X, eps, metric, p)
        core = self.core(self.near, sample_weight, min_samples)
        labels = self.spread(self.near, core)
        return self.answer(core, self.finish(self.near, core, self.borders(self.near, core, labels)))

    def rows(self, X):
        return X if hasattr(X, "indptr") else np.asarray(X, dtype=np.float64)

    def table(self, X, eps, metric, p):
        if metric == "precomputed":
            return self.given(X, eps)
        near = self.within(self.distances(X, metric, p), limit(eps, metric, p))
        if metric == "cosine":
            np.fill_diagonal(near, val=True)
        return near

    def given(self, X, eps):
        if not hasattr(X, "indptr"):
            return eps >= X
        near = np.zeros(X.shape, dtype=bool)
        for i in range(len(near)):
            stored = slice(X.indptr[i], X.indptr[i + 1])
            near[i, X.indices[stored]] = X.data[stored] <= eps
        np.fill_diagonal(near, True)
        return near

    def distances(self, X, metric, p):
        return pairwise(X, X, metric, p)

    def within(self, s, bound):
        return s <= bound

    def core(self, near, weight, min_samples):
        w = np.ones(len(near)) if weight is None else weight
        return np.array([self.weigh(w[row]) >= min_samples for row in near], dtype=bool)

    def weigh(self, w):
        return math.fsum(w)

    def spread(self, near, core):
        labels = np.full(len(core), -1)
        for cluster, start in enumerate(self.starts(core)):
            if labels[start] == -1:
                labels[start] = cluster
                queue = [start]
                for i in queue:
                    for j in np.flatnonzero(near[i] & self.open_to(core, i) & (labels == -1)):
                        labels[j] = cluster
                        queue.append(j)
        return self.number(labels, core)

    def starts(self, core):
        return np.flatnonzero(core)

    def open_to(self, core, i):
        return core

    def number(self, labels, core):
        order = {label: k for k, label in enumerate(dict.fromkeys(labels[core]))}
        return np.array([order.get(label, -1) for label in labels])

    def borders(self, near, core, labels):
        out = labels.copy()
        for j in np.flatnonzero(~core):
            reaching = np.flatnonzero(near[:, j] & core)
            if len(reaching):
                out[j] = self.choose(labels, reaching, j)
        return out

    def choose(self, labels, reaching, j):
        return labels[reaching].min()

    def finish(self, near, core, labels):
        return labels

    def answer(self, core, labels):
        return np.flatnonzero(core), labels


class Distances(Steps):
    """k_distances by sorting a table."""

    family = "clustering.k_distances"

    def __call__(self, X, k, *, metric="euclidean", p=None, n_jobs=None):
        self.n_jobs = n_jobs
        table = self.given(X) if metric == "precomputed" else self.table(self.rows(X), metric, p)
        return self.finish(np.array([self.kth(row, i, k) for i, row in enumerate(table)], dtype=np.float64))

    def rows(self, X):
        return np.asarray(X, dtype=np.float64)

    def given(self, X):
        if not hasattr(X, "indptr"):
            return X
        table = np.full(X.shape, np.inf)
        for i in range(len(table)):
            stored = slice(X.indptr[i], X.indptr[i + 1])
            table[i, X.indices[stored]] = X.data[stored]
        return table

    def table(self, X, metric, p):
        return self.root(pairwise(X, X, metric, p), metric, p)

    def root(self, s, metric, p):
        if metric == "haversine":
            return 2 * np.arcsin(np.sqrt(np.minimum(s, 1)))
        if metric == "euclidean" or (metric == "minkowski" and p in (None, 2)):
            return np.sqrt(s)
        return s ** (1 / p) if metric == "minkowski" and p not in (1, math.inf) else s

    def kth(self, row, i, k):
        return np.sort(np.delete(row, i))[k - 1]

    def finish(self, distances):
        return distances


class Predict(Steps):
    """dbscan_predict by a table."""

    family = "clustering.dbscan_predict"

    def __call__(self, X_new, core_points, core_labels, eps, *, metric="euclidean", p=None, n_jobs=None):
        self.n_jobs, self.eps = n_jobs, eps
        if metric == "precomputed":
            table = Distances().given(X_new)
        else:
            table = self.table(
                np.asarray(X_new, dtype=np.float64), np.asarray(core_points, dtype=np.float64), metric, p
            )
        near = self.within(table, limit(eps, metric, p), metric)
        return np.array(
            [self.choose(core_labels, row, s) for row, s in zip(near, table, strict=True)], dtype=np.intp
        )

    def table(self, A, B, metric, p):
        return pairwise(A, B, metric, p)

    def within(self, s, bound, metric):
        return s <= bound

    def choose(self, labels, near, s):
        return labels[near].min(initial=np.iinfo(np.intp).max) if near.any() else -1


class Words(Steps):
    """splitmix64 on Python's integers."""

    family = "rng.splitmix64"
    gamma = 0x9E3779B97F4A7C15
    first = 1

    def mix(self, z):
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        return z ^ z >> 31

    def base(self, seed, stream):
        return self.mix(seed ^ self.mix(stream * self.gamma % 2**64)) if stream else seed

    def indices(self, start, count):
        return range(start + self.first, start + self.first + count)

    def __call__(self, seed, stream, start, count):
        words = [
            self.mix((self.base(seed, stream) + i * self.gamma) % 2**64) for i in self.indices(start, count)
        ]
        return np.array(words, dtype=np.uint64)
