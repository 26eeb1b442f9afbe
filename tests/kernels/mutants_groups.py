"""Skip-gram whose pairs learn ten at a time and share negatives, as the kernel's, and wrong versions."""

import numpy as np
from mutants_skipgram import Draws, Noise, Train, sigma

TOGETHER = 10


class TrainTogether(Train):
    """As `Train`, but groups of pairs from all over a walk take one step, with negatives of their own."""

    def __call__(self, walks, *, n_nodes, negative, window, epochs, dimensions, **options):
        rng = np.random.default_rng(self.seed(options.get("rng"), options.get("n_jobs")))
        V, C = self.begin(rng, n_nodes, dimensions, options.get("initial"))
        visits, losses = self.visits(walks, n_nodes), np.zeros(epochs)
        noise = Noise()(visits, exponent=options.get("exponent", 0.75)) if visits.any() else visits
        first, last = options.get("learning_rate", 0.025), options.get("min_learning_rate", 1e-4)
        at_once = int(np.clip(visits.sum() // (8 * max(visits.max(initial=0), 1)), 1, TOGETHER))
        for e in range(epochs):
            seen = 0
            for r, walk in enumerate(walks):
                rate = self.rate(first, last, (e * len(walks) + r) / (epochs * len(walks)))
                pairs = np.array([*self.pairs(walk, window, options.get("shrink", True), rng)], dtype=int)
                n, seen = -(-len(pairs) // at_once), seen + len(pairs)
                drawn = Draws()(noise, negative * n, rng=rng).reshape(n, negative) if n else []
                for g in range(n):
                    targets, inputs = pairs[g::n].T
                    losses[e] += self.learn(V, C, inputs, targets, self.of_group(drawn, g), rate)
            losses[e] /= self.mean_over(seen)
        return V.astype(np.float32), C.astype(np.float32), losses

    def of_group(self, drawn, g):
        return drawn[g]

    def learn(self, V, C, inputs, targets, negatives, rate):
        X, P, N = V[inputs], C[targets], C[negatives]
        pull, push, counts = (X * P).sum(1), X @ N.T, self.counts(negatives, targets)
        M, E = rate * sigma(-pull)[:, None], rate * counts * sigma(push)
        self.move(V, inputs, M * P - E @ N)
        self.move(C, targets, M * X)
        np.add.at(C, negatives, -self.gain(E, X))
        return np.logaddexp(0, -pull).sum() + np.logaddexp(0, push)[counts].sum()

    def counts(self, negatives, targets):
        return negatives != targets[:, None]

    def move(self, table, rows, gains):
        np.add.at(table, rows, gains)

    def gain(self, E, X):
        return E.T @ X


class Overwrites(TrainTogether):
    """A row that is there twice gets one change."""

    breaks = "every pair pulls and pushes"

    def move(self, table, rows, gains):
        table[rows] += gains


class DropsByTheFirst(TrainTogether):
    breaks = "every pair pulls and pushes"

    def counts(self, negatives, targets):
        return np.broadcast_to(negatives != targets[0], (len(targets), len(negatives))).copy()


class PushesByTheFirst(TrainTogether):
    breaks = "every pair pulls and pushes"

    def gain(self, E, X):
        return E[:1].T @ X[:1]


class AveragesTheGroup(TrainTogether):
    breaks = "every pair pulls and pushes"

    def gain(self, E, X):
        return E.T @ X / len(X)


class DrawsOncePerWalk(TrainTogether):
    breaks = "negatives are drawn anew along a walk"

    def of_group(self, drawn, g):
        return drawn[0]


RIGHT = [TrainTogether]
MUTANTS = TrainTogether.__subclasses__()
