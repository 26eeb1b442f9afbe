"""Right and wrong k_distances, dbscan_predict and splitmix64; each mutant breaks the law named."""

import math

import numpy as np
from mutants_clustering import limit, pairwise


class Distances:
    """k_distances by sorting a table."""

    family = "clustering.k_distances"
    strict = False

    @property
    def __name__(self):
        return type(self).__name__

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


class CountsItself(Distances):
    breaks = "the row itself does not count"

    def kth(self, row, i, k):
        return np.sort(row)[k - 1]


class IsOneTooFar(Distances):
    breaks = "it is the kth smallest distance"

    def kth(self, row, i, k):
        return np.sort(row)[min(k + 1, len(row) - 1)]


class MergesEqualRows(Distances):
    breaks = "equal rows count one by one"

    def kth(self, row, i, k):
        others = np.unique(np.delete(row, i))
        return others[min(k, len(others)) - 1]


class TakesTheKthLargest(Distances):
    breaks = "distances grow with k"

    def kth(self, row, i, k):
        return np.sort(np.delete(row, i))[-k]


class SortsTheAnswer(Distances):
    breaks = "rows take their distances along"

    def finish(self, distances):
        return np.sort(distances)


class ForgetsTheRoot(Distances):
    breaks = "distances carry the unit"

    def root(self, s, metric, p):
        return s


class UsesMatrixProduct(Distances):
    breaks = "distances do not depend on the origin"

    def table(self, X, metric, p):
        if metric != "euclidean":
            return super().table(X, metric, p)
        square = (X * X).sum(1)
        return np.sqrt(np.maximum(square[:, None] + square[None] - 2 * X @ X.T, 0))


class ThreadsSeeHalf(Distances):
    breaks = "distances do not depend on threads"

    def kth(self, row, i, k):
        return super().kth(row[: k + 1] if self.n_jobs == 3 else row, min(i, k), k)


class AlwaysEuclidean(Distances):
    breaks = "distances follow the metric"

    def table(self, X, metric, p):
        return super().table(X, "euclidean", p)


class RoundsOnce(Distances):
    breaks = "distances round as the contract says"
    strict = True

    def table(self, X, metric, p):
        return (
            np.array([[math.dist(x, y) for y in X] for x in X])
            if metric == "euclidean"
            else super().table(X, metric, p)
        )


class StaysInFloat32(Distances):
    breaks = "distances of float32 rows are float64"
    strict = True

    def rows(self, X):
        return np.asarray(X)


class Predict:
    """dbscan_predict by a table."""

    family = "clustering.dbscan_predict"
    strict = False

    @property
    def __name__(self):
        return type(self).__name__

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


class ReachesLess(Predict):
    breaks = "a core point at distance eps reaches"

    def within(self, s, bound, metric):
        return s < bound


class FollowsTheNearest(Predict):
    breaks = "the smallest label wins"

    def choose(self, labels, near, s):
        return labels[np.argmin(s)] if near.any() else -1


class FollowsTheFirst(Predict):
    breaks = "the order of core points does not matter"

    def choose(self, labels, near, s):
        return labels[np.argmax(near)] if near.any() else -1


class FollowsTheLast(Predict):
    breaks = "old rows keep their labels"

    def choose(self, labels, near, s):
        return labels[near].max() if near.any() else -1


class KnowsNoNoise(Predict):
    breaks = "out of reach is noise"

    def choose(self, labels, near, s):
        return labels[near].min(initial=0)


class WantsTwoCorePoints(Predict):
    breaks = "prediction follows the definition"

    def choose(self, labels, near, s):
        return labels[near].min() if near.sum() > 1 else -1


class MultipliesMatrices(Predict):
    breaks = "prediction does not depend on the origin"

    def table(self, A, B, metric, p):
        if metric != "euclidean":
            return super().table(A, B, metric, p)
        return np.maximum((A * A).sum(1)[:, None] + (B * B).sum(1)[None] - 2 * A @ B.T, 0)


class ThreadsShareCorePoints(Predict):
    breaks = "prediction does not depend on threads"

    def choose(self, labels, near, s):
        seen = near & (np.arange(len(near)) < (len(near) + 1) // 2) if self.n_jobs == 3 else near
        return super().choose(labels, seen, s)


class KnowsNoMetric(Predict):
    breaks = "prediction follows the metric"

    def table(self, A, B, metric, p):
        return super().table(A, B, "euclidean", p)


class RootsFirst(Predict):
    breaks = "reach rounds as the contract says"
    strict = True

    def within(self, s, bound, metric):
        return np.sqrt(s) <= self.eps if metric == "euclidean" else s <= bound


class Words:
    """splitmix64 on Python's integers."""

    family = "rng.splitmix64"
    strict = False
    gamma = 0x9E3779B97F4A7C15
    first = 1

    @property
    def __name__(self):
        return type(self).__name__

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


class BeginsAtTheSeed(Words):
    breaks = "stream 0 is the published sequence"
    first = 0


class StreamsOverlap(Words):
    breaks = "words follow their address"

    def base(self, seed, stream):
        return (seed + stream * self.gamma) % 2**64


class IgnoresStart(Words):
    breaks = "words can be drawn in parts"

    def indices(self, start, count):
        return range(1, 1 + count)


class NeverEmpty(Words):
    breaks = "no words are an empty array"

    def indices(self, start, count):
        return super().indices(start, max(count, 1))


RIGHT = [Distances, Predict, Words]
MUTANTS = [kind for right in RIGHT for kind in right.__subclasses__()]
