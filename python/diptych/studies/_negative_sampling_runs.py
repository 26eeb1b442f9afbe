"""The three runs of the study `negative_sampling`, each with the numbers it leaves.

Gradients, noise, draws, pairs and training are those of `diptych.reference.skipgram` and
`diptych.kernels.skipgram`. Only the softmax over all nodes is written here, for nothing else has it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from diptych.datasets import load_karate
from diptych.graph import Graph
from diptych.kernels import skipgram, walks
from diptych.reference.skipgram import sgns_gradients

HUBS = 100  # of the graph of the race
WINDOW = 2
WALK_LENGTH = 40
EXPONENTS = (0.0, 0.75)  # of the noise: uniform, and word2vec's
FRAMES = 60  # kept of each movement
FRESH_PAIRS = 300  # on which the loss is measured
MARKS = 2.0 ** np.arange(
    -3, 3.5, 0.5
)  # when: after that many times the pairs of the softmax, at most 1 for it

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


class Pairs(NamedTuple):
    """Pairs of a graph's walks, and the noise of its visits."""

    inputs: Indices  # (m,)
    targets: Indices  # (m,)
    noise: Floats  # (n,)
    walks: NDArray[np.int32]  # (n_walks, WALK_LENGTH)


def pairs_of(graph: sparse.csr_array, walks_per_node: int, rng: int) -> Pairs:
    """Walk from each node, and list the pairs in an order drawn anew."""
    paths = walks.random_walks(graph, walk_length=WALK_LENGTH, walks_per_node=walks_per_node, rng=rng)
    targets, inputs = skipgram.window_pairs(paths, window=WINDOW, shrink=False)
    order = np.random.default_rng(rng).permutation(len(inputs))
    noise = skipgram.noise_distribution(np.bincount(paths[paths >= 0], minlength=graph.shape[0]))
    return Pairs(inputs[order], targets[order], noise, paths)


# Why negatives ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Descent:
    """How one way of learning came down.

    Attributes
    ----------
    pairs : int
        Pairs learnt.
    dot_products : int
        Dot products v · c computed for them.
    seconds : ndarray of shape (m,)
        Time spent on learning by each measurement of the loss, the first before any.
    losses : ndarray of shape (m,)
        Mean −log p(c | v) of fresh pairs, in nats, p(c | v) ∝ P(c) · exp(v · c) over all nodes; P is the
        noise.
    """

    pairs: int
    dot_products: int
    seconds: Floats
    losses: Floats

    @property
    def dot_products_per_pair(self) -> float:
        """Dot products for each pair."""
        return self.dot_products / self.pairs

    @property
    def seconds_per_pair(self) -> float:
        """Time for each pair."""
        return float(self.seconds[-1]) / self.pairs

    def seconds_until(self, loss: float) -> float:
        """Return when the loss was first measured to be that or less; infinity if never."""
        return float(self.seconds[self.losses <= loss].min(initial=np.inf))


@dataclass(frozen=True)
class Race:
    """The softmax over all nodes beside a few negatives: same pairs, start and rate, one pair at a time.

    Attributes
    ----------
    n_nodes, negative : int
        Nodes, and negatives of a pair.
    softmax, negatives : Descent
        The two, both in NumPy. The second goes on for eight times as many pairs.
    kernel_seconds_per_pair : float
        Time of `diptych.kernels.skipgram.train` for a pair, with as many negatives and one thread.
    """

    n_nodes: int
    negative: int
    softmax: Descent
    negatives: Descent
    kernel_seconds_per_pair: float

    @property
    def loss_after_as_many_pairs(self) -> float:
        """Loss of the negatives after as many pairs as the softmax learnt."""
        return float(self.negatives.losses[len(self.softmax.losses) - 1])

    @property
    def seconds_to_the_loss_of_softmax(self) -> float:
        """When the negatives came down to where the softmax ended."""
        return self.negatives.seconds_until(float(self.softmax.losses[-1]))


def stars(n_nodes: int, n_hubs: int) -> sparse.csr_array:
    """Return a graph of hubs in a ring, each with leaves of its own."""
    hubs, leaves = np.arange(n_hubs), np.arange(n_hubs, n_nodes)
    u = np.concatenate([leaves, hubs, hubs])
    v = np.concatenate([leaves % n_hubs, (hubs + 1) % n_hubs, (hubs + 2) % n_hubs])
    return Graph.from_edges(np.stack([u, v])).adjacency


def softmax_step(V: Floats, C: Floats, v: int, c: int, rate: float, log_noise: Floats) -> int:
    """Step against the gradient of −log p(c | v), and return the number of dot products.

    p(u | v) = P(u) exp(v · u) / Σ_w P(w) exp(v · w): every context has to move.
    """
    scores = C @ V[v] + log_noise  # (n,)
    p = np.exp(scores - scores.max())
    p /= p.sum()
    p[c] -= 1  # now the derivative by the scores
    d_v = p @ C
    C -= np.outer(rate * p, V[v])
    V[v] -= rate * d_v
    return len(scores)


def negatives_step(V: Floats, C: Floats, v: int, c: int, drawn: Indices, rate: float) -> int:
    """Step against the gradient of the loss with negatives, and return the number of dot products."""
    slopes = sgns_gradients(V[v], C[c], C[drawn])
    V[v] -= rate * slopes.center
    C[c] -= rate * slopes.positive
    np.subtract.at(C, drawn, rate * slopes.negatives)
    return 1 + len(drawn)


def race(
    n_nodes: int,
    negative: int,
    *,
    softmax_pairs: int,
    dimensions: int = 32,
    rate: float = 0.3,
    rng: int = 0,
) -> Race:
    """Learn the same pairs by the softmax over all nodes and with a few negatives, and take the time."""
    graph = stars(n_nodes, HUBS)
    corpus, fresh = pairs_of(graph, 1, rng), pairs_of(graph, 1, rng + 1)
    log_noise = np.log(corpus.noise)
    marks = np.rint(softmax_pairs * MARKS).astype(np.int64)
    pairs = int(marks[-1])
    drawn = skipgram.negative_samples(corpus.noise, pairs * negative, rng=rng).reshape(pairs, negative)

    def loss(V: Floats, C: Floats) -> float:
        v, c = fresh.inputs[:FRESH_PAIRS], fresh.targets[:FRESH_PAIRS]
        scores = V[v] @ C.T + log_noise  # (FRESH_PAIRS, n)
        highest = scores.max(axis=1)
        log_sums = highest + np.log(np.exp(scores - highest[:, None]).sum(axis=1))
        return float((log_sums - scores[np.arange(len(c)), c]).mean())

    def descend(marks: Indices, step: Callable[[Floats, Floats, int], int]) -> Descent:
        start = skipgram.train(corpus.walks, n_nodes=n_nodes, dimensions=dimensions, epochs=0, rng=rng)
        V, C = start.vectors.astype(np.float64), start.contexts.astype(np.float64)
        seconds, losses, dots = [0.0], [loss(V, C)], 0
        for first, last in pairwise([0, *marks.tolist()]):
            began = perf_counter()
            dots += sum(step(V, C, k) for k in range(first, last))
            seconds.append(seconds[-1] + perf_counter() - began)
            losses.append(loss(V, C))
        return Descent(int(marks[-1]), dots, np.array(seconds), np.array(losses))

    i, j = corpus.inputs, corpus.targets
    return Race(
        n_nodes,
        negative,
        descend(marks[MARKS <= 1], lambda V, C, k: softmax_step(V, C, i[k], j[k], rate, log_noise)),
        descend(marks, lambda V, C, k: negatives_step(V, C, i[k], j[k], drawn[k], rate)),
        _kernel_seconds_per_pair(corpus, negative, dimensions),
    )


def _kernel_seconds_per_pair(corpus: Pairs, negative: int, dimensions: int) -> float:
    began = perf_counter()
    skipgram.train(
        corpus.walks,
        n_nodes=len(corpus.noise),
        dimensions=dimensions,
        window=WINDOW,
        negative=negative,
        shrink=False,
        rng=0,
        n_jobs=1,
    )
    return (perf_counter() - began) / len(corpus.inputs)


# How attraction and repulsion move the vectors ----------------------------------------------------


@dataclass(frozen=True)
class Movement:
    """Where the vectors of a small graph go in two dimensions.

    Attributes
    ----------
    vectors, contexts : ndarray of shape (frames, n, 2)
        The two tables over the steps.
    steps : ndarray of shape (frames,)
        Pairs learnt by each frame.
    classes : ndarray of shape (n,)
        The community of each node, known from outside.
    """

    vectors: Floats
    contexts: Floats
    steps: Indices
    classes: NDArray[np.intp]

    @property
    def positive_scores(self) -> float:
        """Share of all pairs of nodes, neighbours or not, with v · c > 0 at the end."""
        return float((self.vectors[-1] @ self.contexts[-1].T > 0).mean())

    @property
    def cosine_within(self) -> float:
        """Mean cosine of the vectors of two nodes of one community at the end."""
        return self._mean_cosine(same=True)

    @property
    def cosine_across(self) -> float:
        """Mean cosine of the vectors of nodes of two communities at the end."""
        return self._mean_cosine(same=False)

    @property
    def cosine_to_contexts(self) -> float:
        """Cosine of the mean vector and the mean context at the end."""
        a, b = self.vectors[-1].mean(axis=0), self.contexts[-1].mean(axis=0)
        return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))

    def _mean_cosine(self, same: bool) -> float:
        directions = self.vectors[-1] / np.linalg.norm(self.vectors[-1], axis=1, keepdims=True)
        alike = self.classes[:, None] == self.classes
        others = ~np.eye(len(alike), dtype=bool)
        return float((directions @ directions.T)[(alike == same) & others].mean())


def move(
    negative: int, *, attraction: bool, repulsion: bool, pairs: int = 6000, rate: float = 0.1, rng: int = 0
) -> Movement:
    """Learn the karate club in two dimensions, by either part of the gradient or by both."""
    edges, classes, _ = load_karate()
    corpus = pairs_of(Graph.from_edges(edges).adjacency, 10, rng)
    start = skipgram.train(corpus.walks, n_nodes=len(classes), dimensions=2, epochs=0, rng=rng)
    V, C = start.vectors.astype(np.float64), start.contexts.astype(np.float64)
    drawn = skipgram.negative_samples(corpus.noise, pairs * negative, rng=rng).reshape(pairs, negative)
    frames, steps = [(V.copy(), C.copy())], [0]
    for k in range(pairs):
        v, c, others = corpus.inputs[k], corpus.targets[k], drawn[k][drawn[k] != corpus.targets[k]]
        slopes = sgns_gradients(V[v], C[c], C[others])
        attracted = sgns_gradients(V[v], C[c], C[:0])  # without negatives: the rest of `slopes` repels
        if attraction:
            V[v] -= rate * attracted.center
            C[c] -= rate * attracted.positive
        if repulsion:
            V[v] -= rate * (slopes.center - attracted.center)
            np.subtract.at(C, others, rate * slopes.negatives)
        if (k + 1) % max(pairs // FRAMES, 1) == 0 or k + 1 == pairs:
            frames.append((V.copy(), C.copy()))
            steps.append(k + 1)
    vectors, contexts = map(np.array, zip(*frames, strict=True))
    return Movement(vectors, contexts, np.array(steps), classes)


# Which noise --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NoiseEffect:
    """What a noise does to the scores of hubs.

    Attributes
    ----------
    exponent : float
        The noise is visits ** exponent; 0 is uniform.
    visits : ndarray of shape (n,)
        Visits of each node in the walks.
    scores : ndarray of shape (n,)
        Mean v · c of each node as a context, over the pairs that occur.
    slope : float
        By how much the score rises with the logarithm of visits.
    hub_share : float
        Share of hubs among the three best contexts of each node.
    """

    exponent: float
    visits: Indices
    scores: Floats
    slope: float
    hub_share: float


def noise_effect(exponent: float, negative: int, *, n_hubs: int = 3, rng: int = 0) -> NoiseEffect:
    """Train the karate club long, with room for every pair, and see how scores depend on visits."""
    edges, _, _ = load_karate()
    corpus = pairs_of(Graph.from_edges(edges).adjacency, 50, rng)
    n = len(corpus.noise)
    model = skipgram.train(
        corpus.walks,
        n_nodes=n,
        dimensions=64,
        window=WINDOW,
        negative=negative,
        exponent=exponent,
        shrink=False,
        epochs=20,
        learning_rate=0.05,
        rng=rng,
    )
    all_scores = model.vectors.astype(np.float64) @ model.contexts.T  # (v, c)
    together = np.zeros((n, n))
    np.add.at(together, (corpus.inputs, corpus.targets), 1)
    scores = (all_scores * together).sum(axis=0) / together.sum(axis=0)
    visits = np.bincount(corpus.walks[corpus.walks >= 0], minlength=n)
    np.fill_diagonal(all_scores, -np.inf)
    best = np.argsort(-all_scores, axis=1)[:, :3]
    hubs = np.argsort(-visits)[:n_hubs]
    slope = np.polyfit(np.log(visits), scores, 1)[0]
    return NoiseEffect(exponent, visits, scores, float(slope), float(np.isin(best, hubs).mean()))
