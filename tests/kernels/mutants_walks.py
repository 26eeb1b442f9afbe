"""Right walks in overridable steps, and wrong ones; `breaks` names a law that has to catch each."""

import functools
from bisect import bisect_right

import numpy as np
from textbook import Steps


class Table(Steps):
    """Alias tables by Robin Hood: the poorest slot is filled by the richest."""

    family = "walks.alias_table"

    def __call__(self, weights):
        w = self.scale(np.asarray(weights, float))
        threshold, alias, open_slots = np.ones(len(w)), np.arange(len(w)), set(range(len(w)))
        while len(open_slots) > 1:
            poor, rich = min(open_slots, key=lambda i: w[i]), max(open_slots, key=lambda i: w[i])
            if w[rich] - 1 < 1e-13 or w[poor] >= 1:
                break
            threshold[poor], alias[poor] = w[poor], rich
            w[rich] = self.rest(w[rich], w[poor])
            open_slots.remove(poor)
        return self.finish(threshold, alias)

    def scale(self, w):
        return np.ones(len(w)) if (w == w[0]).all() else w * (len(w) / w.sum())

    def rest(self, rich, poor):
        return rich + poor - 1

    def finish(self, threshold, alias):
        return threshold, alias


class LendsForNothing(Table):
    breaks = "a table reproduces its weights"

    def rest(self, rich, poor):
        return rich


class TakesWeightsForShares(Table):
    breaks = "a table does not depend on the unit"

    def scale(self, w):
        return w.copy()


class AliasesEvenEqualSlots(Table):
    breaks = "equal weights need no alias"

    def finish(self, threshold, alias):
        return np.where(threshold == 1, 1 - 2.0**-50, threshold), alias


class Draws(Steps):
    """Draws by NumPy's generator."""

    family = "walks.sample_alias"

    def __call__(self, table, size, *, rng):
        threshold, alias = table
        generator = self.generator(rng)
        slot = generator.integers(0, len(alias), self.count(size))
        return self.choose(slot, generator.random(self.count(size)), threshold, alias)

    def generator(self, rng):
        return np.random.default_rng(rng)

    def count(self, size):
        return size

    def choose(self, slot, u, threshold, alias):
        return np.where(u < threshold[slot], slot, alias[slot])


class SwapsTheEnds(Draws):
    breaks = "draws follow the table"

    def choose(self, slot, u, threshold, alias):
        return np.where(u < threshold[slot], alias[slot], slot)


class ForgetsTheSeed(Draws):
    breaks = "the same seed draws the same"

    def generator(self, rng):
        return np.random.default_rng(7)


class DrawsAtLeastOnce(Draws):
    breaks = "no draws are an empty array"

    def count(self, size):
        return max(size, 1)


class Walker(Steps):
    """Walks over a dense matrix, by NumPy's generator."""

    family = "walks.random_walks"

    def __call__(
        self, graph, *, walk_length, walks_per_node, p=1.0, q=1.0, start_nodes=None, rng=None, n_jobs=None
    ):
        A, generator = self.matrix(graph), self.generator(rng, n_jobs)
        starts = np.arange(len(A)) if start_nodes is None else start_nodes
        walks = np.full((len(starts) * walks_per_node, walk_length), -1)
        walks[:, 0] = self.spread(starts, walks_per_node)

        @functools.cache  # a call meets few pairs (u, v), each many times
        def sums(u, v):
            return np.cumsum(self.weights(A, u, v, p, q)).tolist()

        for row in walks:
            u, v = None, int(row[0])
            for t in range(1, walk_length):
                c = sums(u, v)
                if c[-1] == 0:
                    break
                u, v = v, bisect_right(c, generator.random() * c[-1])
                row[t] = v
        return walks

    def matrix(self, graph):
        return graph.toarray().astype(float)

    def generator(self, rng, n_jobs):
        return np.random.default_rng(rng)

    def spread(self, starts, times):
        return np.repeat(starts, times)

    def weights(self, A, u, v, p, q):
        if u is None or not A[v].any():
            return A[v]
        return A[v] * self.bias(A, u, v, p, q)

    def bias(self, A, u, v, p, q):
        bias = np.where(A[u] > 0, 1.0, 1 / q)
        bias[u] = 1 / p
        return bias


class StartsRoundRobin(Walker):
    breaks = "walks start where they should"

    def spread(self, starts, times):
        return np.tile(starts, times)


class LeavesDeadEnds(Walker):
    breaks = "walks follow edges and end at dead ends"

    def weights(self, A, u, v, p, q):
        return super().weights(A, u, v, p, q) if A[v].any() else np.ones(len(A))


class IgnoresWeights(Walker):
    breaks = "steps follow the weights"

    def matrix(self, graph):
        return (graph.toarray() > 0).astype(float)


class ForgetsToReturn(Walker):
    """The fault of ensmallen: no 1/p where the return edge is the first of its row."""

    breaks = "second steps follow weights and biases"

    def bias(self, A, u, v, p, q):
        bias = super().bias(A, u, v, p, q)
        if u == np.flatnonzero(A[v])[0]:
            bias[u] = 1.0
        return bias


class ChainsConditions(Walker):
    """The fault of torch_cluster: a failed test for return or neighbour falls through to 1/q."""

    breaks = "second steps follow weights and biases"

    def bias(self, A, u, v, p, q):
        return np.maximum(super().bias(A, u, v, p, q), 1 / q)


class AsksTheWrongWay(Walker):
    """Takes the edge candidate → previous for previous → candidate."""

    breaks = "second steps follow weights and biases"

    def bias(self, A, u, v, p, q):
        bias = np.where(A[:, u] > 0, 1.0, 1 / q)
        bias[u] = 1 / p
        return bias


class KeepsTheLastEntry(Walker):
    breaks = "what is stored twice adds up"

    def matrix(self, graph):
        A = np.zeros(graph.shape)
        rows = np.repeat(np.arange(len(A)), np.diff(graph.indptr))
        A[rows, graph.indices] = graph.data
        return A


class SeedsItself(Walker):
    breaks = "the same seed walks the same"

    def generator(self, rng, n_jobs):
        return np.random.default_rng(7)


class TidiesUp(Walker):
    breaks = "the graph is left alone"

    def matrix(self, graph):
        graph.sum_duplicates()
        return super().matrix(graph)


class SeedsByThreads(Walker):
    breaks = "walks do not depend on threads"

    def generator(self, rng, n_jobs):
        return np.random.default_rng([rng, n_jobs or 1])


MUTANTS = [kind for right in (Table, Draws, Walker) for kind in right.__subclasses__()]
