"""Skip-gram written plainly, and wrong versions of it; `breaks` names a law that has to catch each.

The plain versions draw from NumPy and train pair by pair, as word2vec does: the laws ask for no more.
"""

import numpy as np
from textbook import Steps


class Pairs(Steps):
    family = "skipgram.window_pairs"

    def __call__(self, walks, *, window, shrink=True, rng=None):
        rng, found = np.random.default_rng(self.seed(rng)), []
        for walk in walks:
            for i, radius in enumerate(self.radii(rng, len(walk), window, shrink)):
                around = [j for j in range(i - radius, i + self.right(radius) + 1) if self.inside(j, walk)]
                found += [(walk[i], walk[j]) for j in around if j != i and self.is_node(walk, i, j)]
        found = np.array(self.order(found), dtype=np.int64).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def seed(self, rng):
        return rng

    def radii(self, rng, n, window, shrink):
        return rng.integers(1, window, n, endpoint=True).tolist() if shrink else [window] * n

    def right(self, radius):
        return radius

    def inside(self, j, walk):
        return 0 <= j < len(walk)

    def is_node(self, walk, i, j):
        return walk[i] >= 0 and walk[j] >= 0

    def order(self, found):
        return found


class TakesThePadding(Pairs):
    breaks = "nothing pairs with the padding"

    def is_node(self, walk, i, j):
        return walk[i] >= 0


class LooksBackOnly(Pairs):
    breaks = "neighbours make pairs both ways"

    def right(self, radius):
        return 0


class IsOneShort(Pairs):
    breaks = "pairs are those within the radius"

    def radii(self, rng, n, window, shrink):
        return super().radii(rng, n, window, shrink) if shrink else [max(window - 1, 1)] * n


class WrapsRound(Pairs):
    breaks = "every pair comes both ways"

    def inside(self, j, walk):
        return -len(walk) <= j < len(walk)


class ShrinksOneSide(Pairs):
    breaks = "a shrunk window is a smaller window"

    def right(self, radius):
        return max(radius - 1, 1)


class NeverShrinks(Pairs):
    breaks = "each radius is as likely"

    def radii(self, rng, n, window, shrink):
        return [window] * n


class IgnoresTheSeed(Pairs):
    breaks = "pairs follow the seed"

    def seed(self, rng):
        return None


class Noise(Steps):
    family = "skipgram.noise_distribution"

    def __call__(self, counts, *, exponent=0.75):
        powers = np.zeros(len(counts))
        seen = self.seen(counts)
        powers[seen] = self.scale(counts, counts[seen], exponent) ** self.power(exponent)
        return powers / powers.sum()

    def seen(self, counts):
        return counts > 0

    def scale(self, counts, seen, exponent):
        return seen / (seen.max() if exponent > 0 else seen.min())

    def power(self, exponent):
        return exponent


class RaisesNothing(Noise):
    breaks = "shares follow the power of counts"

    def power(self, exponent):
        return 1.0


class TakesTheRoot(Noise):
    breaks = "the exponent is three quarters"

    def power(self, exponent):
        return 0.5


class ZeroToTheZero(Noise):
    breaks = "what was never seen is never drawn"

    def seen(self, counts):
        return counts >= 0

    def scale(self, counts, seen, exponent):
        return np.maximum(seen, 1e-9) if exponent < 0 else seen


class Overflows(Noise):
    breaks = "no power overflows"

    def scale(self, counts, seen, exponent):
        return seen


class Draws(Steps):
    family = "skipgram.negative_samples"

    def __call__(self, noise, size, *, rng):
        rng = np.random.default_rng(self.seed(rng))
        return self.search(np.cumsum(self.weights(noise)), rng.random(self.size(size)))

    def seed(self, rng):
        return rng

    def weights(self, noise):
        return noise

    def size(self, size):
        return size

    def search(self, sums, u):
        return np.searchsorted(sums, u * sums[-1], side="right")


class DrawsEvenly(Draws):
    breaks = "draws follow the noise"

    def weights(self, noise):
        return np.ones(len(noise))


class DrawsAfresh(Draws):
    breaks = "draws follow the seed"

    def seed(self, rng):
        return None


class DrawsOnce(Draws):
    breaks = "one node or no draws are fine"

    def size(self, size):
        return max(size, 1)


class Loss(Steps):
    family = "skipgram.sgns_loss"

    def __call__(self, center, positive, negatives):
        return self.softplus(-(center @ positive)) + self.repulsion(self.softplus(negatives @ center))

    def softplus(self, x):
        return np.logaddexp(0, x)

    def repulsion(self, terms):
        return terms.sum()


class ForgetsNegatives(Loss):
    breaks = "who knows nothing loses log 2"

    def repulsion(self, terms):
        return 0.0


class AveragesNegatives(Loss):
    breaks = "the loss follows its formula"

    def repulsion(self, terms):
        return terms.mean() if len(terms) else 0.0


class TakesLogOfSigma(Loss):
    breaks = "the loss is finite far out"

    def softplus(self, x):
        return -np.log(1 / (1 + np.exp(x)))


class NeedsANegative(Loss):
    breaks = "a loss without negatives"

    def repulsion(self, terms):
        return terms.sum() + 0 * terms[0]


def sigma(x):
    return np.exp(-np.logaddexp(0, -x))


class Gradients(Steps):
    family = "skipgram.sgns_gradients"

    def __call__(self, center, positive, negatives):
        g = self.sigma(center @ positive) - 1
        k = self.repulsion(self.sigma(negatives @ center))
        return g * positive + k @ negatives, g * center, self.outer(k, center)

    def sigma(self, x):
        return sigma(x)

    def repulsion(self, k):
        return k

    def outer(self, k, center):
        return np.outer(k, center)


class AttractsNegatives(Gradients):
    breaks = "a small step attracts and repels"

    def repulsion(self, k):
        return -k


class HasNoNegatives(Gradients):
    breaks = "gradients are derivatives of the loss"

    def repulsion(self, k):
        return 0 * k


class DividesInfinities(Gradients):
    breaks = "gradients are finite far out"

    def sigma(self, x):
        return np.exp(x) / (1 + np.exp(x))


class DropsTheShape(Gradients):
    breaks = "gradients without negatives"

    def outer(self, k, center):
        return np.array([share * center for share in k])


class Train(Steps):
    """word2vec: pair by pair, each with negatives of its own, straight on the tables."""

    family = "skipgram.train"

    def __call__(
        self, walks, *, n_nodes, dimensions, window, negative, epochs, exponent=0.75, shrink=True,
        learning_rate=0.025, min_learning_rate=1e-4, initial=None, rng=None, n_jobs=None,
    ):  # fmt: skip
        rng = np.random.default_rng(self.seed(rng, n_jobs))
        V, C = self.begin(rng, n_nodes, dimensions, initial)
        visits = self.visits(walks, n_nodes)
        noise = Noise()(visits, exponent=self.exponent(exponent)) if visits.any() else visits
        losses = np.zeros(epochs)
        for e in range(epochs):
            pairs = 0
            for r, walk in enumerate(walks):
                rate = self.rate(
                    learning_rate, min_learning_rate, (e * len(walks) + r) / (epochs * len(walks))
                )
                for target, v in self.pairs(walk, window, shrink, rng):
                    drawn = Draws()(noise, negative, rng=rng)
                    outputs = np.append(target, self.keep(drawn, target)).astype(int)
                    labels = self.labels(outputs)
                    scores = C[outputs] @ V[v]
                    losses[e] += np.logaddexp(
                        0, np.where(np.arange(len(outputs)) == 0, -scores, scores)
                    ).sum()
                    self.step(V, C, v, outputs, rate * self.slopes(labels, sigma(scores)))
                    pairs += 1
            losses[e] /= self.mean_over(pairs)
        return V.astype(np.float32), C.astype(np.float32), losses

    def seed(self, rng, n_jobs):
        return rng

    def begin(self, rng, n, d, initial):
        if initial is None:
            return (rng.random((n, d)) - 0.5) / d, np.zeros((n, d))
        return tuple(table.astype(np.float64) for table in initial)

    def visits(self, walks, n):
        return np.bincount(walks[walks >= 0], minlength=n).astype(float)

    def rate(self, first, last, done):
        return first - (first - last) * done

    def pairs(self, walk, window, shrink, rng):
        return zip(*Pairs()(walk[None], window=window, shrink=shrink, rng=rng), strict=True)

    def exponent(self, exponent):
        return exponent

    def keep(self, drawn, target):
        return drawn[drawn != target]

    def labels(self, outputs):
        return (np.arange(len(outputs)) == 0).astype(float)

    def slopes(self, labels, p):
        return labels - p

    def step(self, V, C, v, outputs, g):
        before = V[v].copy()
        V[v] += g @ C[outputs]
        np.add.at(C, outputs, np.outer(g, before))

    def mean_over(self, pairs):
        return max(pairs, 1)


class SwapsRoles(Train):
    breaks = "the nodes around predict the middle"

    def step(self, V, C, v, outputs, g):
        super().step(C, V, v, outputs, g)


class UsesTheNewVector(Train):
    breaks = "the nodes around predict the middle"

    def step(self, V, C, v, outputs, g):
        V[v] += g @ C[outputs]
        np.add.at(C, outputs, np.outer(g, V[v]))


class PullsNegatives(Train):
    breaks = "negatives are pushed away"

    def slopes(self, labels, p):
        return np.where(labels == 1, 1 - p, p)


class LeavesNegativesOut(Train):
    breaks = "negatives are pushed away"

    def keep(self, drawn, target):
        return drawn[:0]


class DuplicatesOverwrite(Train):
    breaks = "negatives are pushed away"

    def step(self, V, C, v, outputs, g):
        before = V[v].copy()
        V[v] += g @ C[outputs]
        C[outputs] += np.outer(g, before)


class KeepsTheTarget(Train):
    breaks = "a negative that is the middle is dropped"

    def keep(self, drawn, target):
        return drawn


class AveragesWalks(Train):
    breaks = "walks that share no nodes are learnt as if alone"

    def step(self, V, C, v, outputs, g):
        super().step(V, C, v, outputs, g / self.walks)

    def visits(self, walks, n):
        self.walks = len(walks)
        return super().visits(walks, n)


class KeepsTheRate(Train):
    breaks = "the rate falls linearly"

    def rate(self, first, last, done):
        return first


class LooksOneFurther(Train):
    breaks = "all pairs of the windows are learnt"

    def pairs(self, walk, window, shrink, rng):
        return super().pairs(walk, window + 1, shrink, rng)


class KeepsTheRadius(Train):
    breaks = "windows shrink at random"

    def pairs(self, walk, window, shrink, rng):
        return super().pairs(walk, window, False, rng)


class NoiseIsFrequency(Train):
    breaks = "negatives follow the noise"

    def exponent(self, exponent):
        return 1.0


class SumsLosses(Train):
    breaks = "the nodes around predict the middle"

    def mean_over(self, pairs):
        return 1


class DividesByNothing(Train):
    breaks = "without pairs nothing moves"

    def mean_over(self, pairs):
        return np.float64(pairs)


class ClimbsUp(Train):
    breaks = "the loss falls"

    def slopes(self, labels, p):
        return p - labels


class PullsAll(Train):
    breaks = "nodes that meet come together"

    def pairs(self, walk, window, shrink, rng):
        for target, _ in super().pairs(walk, window, shrink, rng):
            yield target, (target + 5) % 10


class TrainsAfresh(Train):
    breaks = "training follows the seed"

    def seed(self, rng, n_jobs):
        return None


class ThreadsRace(Train):
    breaks = "training does not depend on threads"

    def seed(self, rng, n_jobs):
        return rng if n_jobs in (None, 1) else None


class TrainsInPlace(Train):
    breaks = "what is passed is not changed"

    def begin(self, rng, n, d, initial):
        return super().begin(rng, n, d, None) if initial is None else initial


class DropsTheUnseen(Train):
    breaks = "each node has two rows and each epoch a loss"

    def __call__(self, walks, *, n_nodes, **options):
        V, C, losses = super().__call__(walks, n_nodes=n_nodes, **options)
        return V[: walks.max() + 1], C[: walks.max() + 1], losses


RIGHT = [Pairs, Noise, Draws, Loss, Gradients, Train]
MUTANTS = [mutant for right in RIGHT for mutant in right.__subclasses__()]
