"""Wrong DBSCANs. Each changes one step of the textbook's; `breaks` names a law that has to catch it."""

import numpy as np
from textbook import Textbook, pairwise


class StrictlyWithin(Textbook):
    breaks = "the distance eps counts"

    def within(self, s, bound):
        return (s < bound) | np.eye(len(s), dtype=bool)


class ForgetsItself(Textbook):
    breaks = "a row is its own neighbour"

    def core(self, near, weight, min_samples):
        return super().core(near & ~np.eye(len(near), dtype=bool), weight, min_samples)


class NeedsOneMore(Textbook):
    breaks = "core rows have enough neighbours"

    def core(self, near, weight, min_samples):
        return super().core(near, weight, min_samples + 1)


class NeedsTwoAtLeast(Textbook):
    breaks = "nobody is alone with min samples 1"

    def core(self, near, weight, min_samples):
        return super().core(near, weight, max(min_samples, 2))


class BorderToLast(Textbook):
    breaks = "a border row takes the smallest number"

    def choose(self, labels, reaching, j):
        return labels[reaching].max()


class BorderToNearest(Textbook):
    breaks = "border rows take the smallest number"

    def distances(self, X, metric, p):
        self.s = super().distances(X, metric, p)
        return self.s

    def choose(self, labels, reaching, j):
        if self.metric == "precomputed":
            return super().choose(labels, reaching, j)
        return labels[reaching[np.argmin(self.s[j, reaching])]]


class BordersSpread(Textbook):
    breaks = "a border row does not join clusters"

    def open_to(self, core, i):
        return np.ones(len(core), dtype=bool)


class BordersSpreadOneStep(Textbook):
    breaks = "clusters hang together"

    def open_to(self, core, i):
        return core | (self.near & core).any(1) if core[i] else core


class BordersAreNoise(Textbook):
    breaks = "noise is what no core row reaches"

    def borders(self, near, core, labels):
        return labels


class DropsSmallClusters(Textbook):
    breaks = "a small cluster survives"

    def finish(self, near, core, labels):
        small = [c for c in set(labels) if (labels == c).sum() < self.min_samples]
        return np.where(np.isin(labels, small), -1, labels)


class NumbersByAnyRow(Textbook):
    breaks = "clusters count from their first core row"

    def finish(self, near, core, labels):
        order = {label: k for k, label in enumerate(dict.fromkeys(labels[labels >= 0]))}
        return np.array([order.get(label, -1) for label in labels])


class NumbersFromOne(Textbook):
    breaks = "numbers rise with the first core row"

    def finish(self, near, core, labels):
        return np.where(labels >= 0, labels + 1, -1)


class NumbersFromTheEnd(Textbook):
    breaks = "numbers rise with the first core row"

    def starts(self, core):
        return np.flatnonzero(core)[::-1]

    def number(self, labels, core):
        return labels


class SpreadsOnce(Textbook):
    breaks = "a chain is one cluster"

    def open_to(self, core, i):
        return core & self.near[np.argmax(core)]


class LinksToOneNeighbour(Textbook):
    breaks = "core neighbours share a cluster"

    def open_to(self, core, i):
        others = [j for j in np.flatnonzero(self.near[i] & core) if j != i]
        return np.isin(np.arange(len(core)), others[:1])


class CountsUnvisitedOnly(Textbook):
    breaks = "the order of rows does not matter"

    def core(self, near, weight, min_samples):
        later = near & (np.arange(len(near))[None] >= np.arange(len(near))[:, None] - 1)
        return super().core(later, weight, min_samples)


class SquaresOneSideOnly(Textbook):
    breaks = "the unit does not matter"

    def within(self, s, bound):
        return s <= (self.eps if self.metric == "euclidean" else bound)


class AddsSomeSlack(Textbook):
    breaks = "the unit does not matter"

    def table(self, X, eps, metric, p):
        return super().table(X, eps + 1e-9, metric, p)


class CellsForBalls(Textbook):
    breaks = "a greater eps loses nothing"

    def distances(self, X, metric, p):
        cells = np.rint(X / (1.7 * self.eps))
        return np.where((cells[:, None] == cells[None]).all(2), 0.0, np.inf)


class SinglePrecision(Textbook):
    breaks = "the origin does not matter"

    def rows(self, X):
        return X if hasattr(X, "indptr") else np.asarray(X, dtype=np.float32).astype(np.float64)


class MatrixProduct(Textbook):
    breaks = "the origin does not matter"

    def distances(self, X, metric, p):
        if metric != "euclidean":
            return super().distances(X, metric, p)
        square = (X * X).sum(1)
        return np.maximum(square[:, None] + square[None] - 2 * X @ X.T, 0)


class Standardises(Textbook):
    breaks = "a far row changes nothing"

    def distances(self, X, metric, p):
        return (
            super().distances(X, metric, p) / max(np.ptp(X), 1)
            if metric == "euclidean"
            else pairwise(X, X, metric, p)
        )


class AveragesOverColumns(Textbook):
    breaks = "a constant column changes nothing"

    def distances(self, X, metric, p):
        s = super().distances(X, metric, p)
        return s / X.shape[1] if metric == "euclidean" else s


class CentresInPlace(Textbook):
    breaks = "the input is left alone"

    def rows(self, X):
        X -= np.floor(X.mean(axis=0))
        return super().rows(X)


class Remembers(Textbook):
    breaks = "calls remember nothing"
    used = 0

    def finish(self, near, core, labels):
        fresh = np.where(labels >= 0, labels + self.used, -1)
        self.used += len(set(labels[core]))
        return fresh


class IgnoresStrides(Textbook):
    breaks = "the memory layout does not matter"

    def rows(self, X):
        return X if hasattr(X, "indptr") else X.ravel(order="K").reshape(X.shape)


class EachThreadAlone(Textbook):
    breaks = "the number of threads does not matter"

    def open_to(self, core, i):
        if self.n_jobs in (None, 1):
            return core
        half = np.arange(len(core)) < len(core) // 2
        return core & (half == half[i])


class IgnoresWeights(Textbook):
    breaks = "a whole weight is a repeated row"

    def core(self, near, weight, min_samples):
        return super().core(near, None, min_samples)


class StopsCountingEarly(Textbook):
    breaks = "a negative weight can keep a row from being core"

    def weigh(self, w):
        return max(np.cumsum(w), default=0)


class OwnWeightOnly(Textbook):
    breaks = "weights are added up"

    def core(self, near, weight, min_samples):
        found = super().core(near, weight, min_samples)
        return found if weight is None else found | (near & (weight >= min_samples)[None]).any(1)


class KnowsOneMetric(Textbook):
    breaks = "manhattan distances add up"

    def table(self, X, eps, metric, p):
        return super().table(
            X, eps, metric if metric in ("cosine", "haversine", "precomputed") else "euclidean", p
        )


class ChebyshevAddsUp(Textbook):
    breaks = "chebyshev distances are the largest difference"

    def table(self, X, eps, metric, p):
        return super().table(X, eps, "manhattan" if metric == "chebyshev" else metric, p)


class MinkowskiIgnoresP(Textbook):
    breaks = "minkowski distances follow p"

    def table(self, X, eps, metric, p):
        return super().table(X, eps, metric, None)


class ZeroRowsAreEqual(Textbook):
    breaks = "cosine distances ignore length"

    def distances(self, X, metric, p):
        s = super().distances(X, metric, p)
        zero = ~X.any(axis=1)
        return np.where(zero[:, None] & zero[None] & (metric == "cosine"), 0.0, s)


class FlatEarth(Textbook):
    breaks = "haversine distances follow the globe"

    def table(self, X, eps, metric, p):
        return super().table(X, eps, "euclidean" if metric == "haversine" else metric, p)


class FollowsIncomingEdges(Textbook):
    breaks = "precomputed distances are read by rows"

    def given(self, X, eps):
        return super().given(X, eps).T


class DiagonalIsZero(Textbook):
    breaks = "precomputed distances are read by rows"

    def given(self, X, eps):
        return super().given(X, eps) | np.eye(X.shape[0], dtype=bool)


class MakesSymmetric(Textbook):
    breaks = "precomputed distances are read by rows"

    def given(self, X, eps):
        near = super().given(X, eps)
        return near | near.T


class DropsStoredZeros(Textbook):
    breaks = "sparse distances count where stored"

    def given(self, X, eps):
        near = super().given(X, eps)
        return near & ((X.toarray() != 0) | np.eye(X.shape[0], dtype=bool)) if hasattr(X, "indptr") else near


class WeighsEuclideanOnly(Textbook):
    breaks = "weights count under every metric"

    def core(self, near, weight, min_samples):
        return super().core(near, weight if self.metric == "euclidean" else None, min_samples)


class FailsOnFewRows(Textbook):
    breaks = "the ends of the scale work"

    def core(self, near, weight, min_samples):
        kth = np.partition(~near, min(min_samples, 9) - 1, axis=1)  # raises when there are fewer columns
        return super().core(near, weight, min_samples) & (kth[:, 0] | True)


class ComparesRoots(Textbook):
    breaks = "rounding follows the contract"
    strict = True

    def within(self, s, bound):
        return np.sqrt(s) <= self.eps if self.metric == "euclidean" else s <= bound


class ScalesAwayOverflow(Textbook):
    breaks = "overflow follows the contract"
    strict = True

    def distances(self, X, metric, p):
        return (
            super().distances(X / self.eps, metric, p)
            if metric == "euclidean"
            else super().distances(X, metric, p)
        )

    def within(self, s, bound):
        return s <= (1.0 if self.metric == "euclidean" else bound)


class KeepsFloat32(Textbook):
    breaks = "float32 rows are widened first"
    strict = True

    def rows(self, X):
        return X


class SumsWeightsPlainly(Textbook):
    breaks = "weights are summed without error"
    strict = True

    def weigh(self, w):
        total = 0.0
        for value in w:
            total += value
        return total


MUTANTS = Textbook.__subclasses__()
