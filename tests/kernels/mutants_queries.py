"""Wrong k_distances, dbscan_predict and splitmix64; `breaks` names a law that has to catch each."""

import math

import numpy as np
from textbook import Distances, Predict, Words


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


MUTANTS = [kind for right in (Distances, Predict, Words) for kind in right.__subclasses__()]
