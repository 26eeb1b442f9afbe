"""Skip-gram with negative sampling (SGNS): from walks to vectors.

Mikolov et al. (2013), "Distributed representations of words and phrases and their compositionality",
NeurIPS, with the roles of ``word2vec.c``: the nodes around are the input, the node in the middle is what each
of them predicts.

    v = row of `vectors` of an input; c = row of `contexts` of the node in the middle, c_1 … c_K of K nodes
        drawn from the noise; one pair of the corpus is (v, c)
    P_n(u) ∝ #(u) ** exponent                                   the noise; #(u) = visits of u in the walks
    σ(x)   = 1 / (1 + exp(−x))
    loss   = −log σ(v · c) − Σ_k log σ(−v · c_k)                 for one pair
    v     += rate · ((1 − σ(v · c)) c − Σ_k σ(v · c_k) c_k)      a step against the gradient,
    c     += rate · (1 − σ(v · c)) v                             all from the values before it
    c_k   −= rate · σ(v · c_k) v

That is :func:`sgns_gradients`, and word2vec's own training: pair by pair, each with negatives of its own.
With SHARE = BATCH = 1 and no end of POOL it is what :func:`train` does. Otherwise,

- up to SHARE pairs make a group: they share K negatives and take the step together. With X, the rows of
  `vectors` of the m inputs, P, the rows of `contexts` of their m middle nodes, and N, those of the negatives,

      M = rate · (1 − σ(rows of X · rows of P)),   E = rate · σ(X Nᵀ),
      X += M P − E N,   P += M X,   N −= Eᵀ X       (M scales rows; all from the values before);

  the pairs of a group come from all over a stretch of SPAN positions of a walk: of its pairs in their order,
  every n-th, where n groups are needed. Neighbours in a walk are alike, and what pushes a negative should not
  be. There are fewer in a group where the most visited node has more than one in UNCROWDED · SHARE of all
  visits, lest its row take too many steps at once;

- a walk draws POOL negatives (K, if those are more) for every stretch, and its groups take K after K of them,
  from the first again after the last;

- up to BATCH walks start from the same tables, each on a copy; what each changed is then added up. They are
  fewer where they meet too often: no node has more than some VISITS visits in the walks of a batch, on
  average, lest its row make one step out of many.

A negative that is the middle node of a pair is dropped for it: its entry of E is 0, and it adds nothing to
the loss.

Draws are words of :mod:`~diptych.reference.rng` under the key T = word(seed, 2**63, 0), which no walk uses:

    word(T, 0, u · d + k)          entry k of the vector of node u, before training
    word(T, 1, 2e), (T, 1, 2e + 1) which walk epoch e begins with, and its stride from walk to walk
    word(T, s, i · 2**32)          s = 2 + e · n_walks + row: the radius of the window about position i
    word(T, s, 1 + j)              negative j of that walk, of all pools
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diptych.reference.rng import pick, seed_key, splitmix64, uniform, words_at
from diptych.reference.walks import AliasTable, alias_table, draw, sample_alias

__all__ = [
    "SGNSGradients",
    "SkipGram",
    "negative_samples",
    "noise_distribution",
    "sgns_gradients",
    "sgns_loss",
    "train",
    "window_pairs",
]

BATCH = 8  # walks that start from the same tables, at most
VISITS = 8  # of one node in the walks of a batch, about, at most
SHARE = 10  # pairs that share their negatives
UNCROWDED = 8  # times SHARE: of so many visits one node has one at most, or groups are smaller
POOL = 250  # negatives of a stretch of a walk, at most
SPAN = 80  # positions of such a stretch
ABSURD = 10  # times the loss of vectors that know nothing, or of the first batch: no descent gets there

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


class SkipGram(NamedTuple):
    """What training leaves."""

    vectors: NDArray[np.float32]  # (n_nodes, d)
    contexts: NDArray[np.float32]  # (n_nodes, d)
    losses: Floats  # (epochs,)


class SGNSGradients(NamedTuple):
    """Derivatives of the loss of one pair."""

    center: Floats  # (d,)
    positive: Floats  # (d,)
    negatives: Floats  # (K, d)


class Group(NamedTuple):
    """Pairs that are learnt together."""

    inputs: Indices  # (m,) the nodes around
    targets: Indices  # (m,) the nodes in the middle
    negatives: Indices  # (K,) of all of them


class Corpus(NamedTuple):
    """Walks, and how windows are cut from them."""

    walks: Indices  # (n_walks, L)
    key: int  # T
    radius: int  # the greatest
    shrink: bool
    table: AliasTable  # of the noise
    K: int
    batch: int  # walks that start from the same tables
    share: int  # pairs of a group, at most


def window_pairs(
    walks: Any, *, window: int = 10, shrink: bool = True, rng: Any = None
) -> tuple[Indices, Indices]:
    """List the pairs of a corpus; see :func:`diptych.kernels.skipgram.window_pairs`."""
    rows, nothing = np.asarray(walks, np.int64), alias_table([1.0])
    corpus = Corpus(rows, training_key(rng), window, shrink, nothing, 0, 1, 1)
    middle, around = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for row in range(len(rows)):
        walk = nodes_of(corpus, row)
        i, j = pairs_about(range(len(walk)), radii(corpus, row, 0))
        middle.append(walk[i])
        around.append(walk[j])
    return np.concatenate(middle), np.concatenate(around)


def noise_distribution(counts: Any, *, exponent: float = 0.75) -> Floats:
    """Turn visits into the noise; see :func:`diptych.kernels.skipgram.noise_distribution`."""
    n = np.asarray(counts, dtype=np.float64)
    seen = n > 0
    unit = n[seen].max() if exponent > 0 else n[seen].min()  # so that no power is greater than 1
    P = np.zeros(len(n))
    P[seen] = [
        math.pow(x, exponent) for x in n[seen] / unit
    ]  # the C library's, as the kernel's: NumPy has its own
    P /= np.cumsum(P)[-1]
    return P


def negative_samples(noise: Any, size: int, *, rng: Any = None) -> Indices:
    """Draw from the noise; see :func:`diptych.kernels.skipgram.negative_samples`."""
    return sample_alias(alias_table(noise), size, rng=rng)


def sgns_loss(center: Any, positive: Any, negatives: Any) -> float:
    """Measure one pair; see :func:`diptych.kernels.skipgram.sgns_loss`."""
    v, c, N = (np.asarray(x, dtype=np.float64) for x in (center, positive, negatives))
    return float(-log_sigma(v @ c) - log_sigma(-(N @ v)).sum())


def sgns_gradients(center: Any, positive: Any, negatives: Any) -> SGNSGradients:
    """Differentiate the loss of one pair; see :func:`diptych.kernels.skipgram.sgns_gradients`."""
    v, c, N = (np.asarray(x, dtype=np.float64) for x in (center, positive, negatives))
    missing = sigma(-(v @ c))  # 1 − σ(v · c), exact where σ is close to 1
    excess = sigma(N @ v)  # (K,)
    return SGNSGradients(excess @ N - missing * c, -missing * v, np.outer(excess, v))


def train(
    walks: Any,
    *,
    n_nodes: int,
    dimensions: int = 128,
    window: int = 10,
    negative: int = 5,
    exponent: float = 0.75,
    shrink: bool = True,
    epochs: int = 1,
    learning_rate: float = 0.025,
    min_learning_rate: float = 1e-4,
    initial: Any = None,
    rng: Any = None,
    n_jobs: int | None = None,  # ignored
) -> SkipGram:
    """Train; see :func:`diptych.kernels.skipgram.train`."""
    rows, T = np.asarray(walks, np.int64), training_key(rng)
    V, C = initial_tables(T, n_nodes, dimensions) if initial is None else map(as_float32, initial)
    counts, losses = np.bincount(rows[rows >= 0], minlength=n_nodes), np.zeros(epochs)
    if counts.any():
        table = alias_table(noise_distribution(counts, exponent=exponent))
        corpus = Corpus(rows, T, window, shrink, table, negative, *at_once(len(rows), counts))
        V, C = descend(V, C, corpus, losses, learning_rate, min_learning_rate)
    return SkipGram(V.astype(np.float32), C.astype(np.float32), losses)


@np.errstate(over="ignore", invalid="ignore")  # divergence is reported by name
def descend(
    V: Floats, C: Floats, corpus: Corpus, losses: Floats, highest: float, lowest: float
) -> tuple[Floats, Floats]:
    """Return the trained tables, and write the mean loss of each epoch."""
    n, epochs = len(corpus.walks), len(losses)
    most = None  # loss of a pair in the first batch, or of vectors that know nothing
    for e in range(epochs):
        order, pairs = order_of_walks(corpus.key, e, n), 0
        for done in range(0, n, corpus.batch):
            rate = max(lowest, highest - (highest - lowest) * (e * n + done) / (epochs * n))
            start_V, start_C = V, C
            for row in order[done : done + corpus.batch]:
                trained_V, trained_C = start_V.copy(), start_C.copy()
                for group in groups(corpus, row, e):
                    losses[e] += learn(trained_V, trained_C, group, rate)
                    pairs += len(group.inputs)
                V, C = V + (trained_V - start_V), C + (trained_C - start_C)
            loss = losses[e] / max(pairs, 1)
            most = max(loss, (1 + corpus.K) * math.log(2)) if most is None else most
            refuse_divergence(V, C, loss, ABSURD * most, e, rate)
        losses[e] /= max(pairs, 1)
    return V, C


def learn(V: Floats, C: Floats, group: Group, rate: float) -> float:
    """Take one step on a group, and return its loss before the step."""
    inputs, targets, negatives = group
    X, P, N = V[inputs], C[targets], C[negatives]  # (m, d), (m, d), (K, d)
    pull, push = (X * P).sum(1), X @ N.T  # (m,), (m, K)
    counts = negatives != targets[:, None]  # (m, K)
    M, E = rate * sigma(-pull)[:, None], rate * counts * sigma(push)
    np.add.at(V, inputs, M * P - E @ N)  # a node that is there twice moves twice
    np.add.at(C, targets, M * X)
    np.add.at(C, negatives, -E.T @ X)
    return float(-log_sigma(pull).sum() - log_sigma(-push)[counts].sum())


def groups(corpus: Corpus, row: int, epoch: int) -> Iterator[Group]:
    """Yield the groups of a walk, stretch by stretch."""
    walk, b, stream = nodes_of(corpus, row), radii(corpus, row, epoch), stream_of(corpus, row, epoch)
    size = max(POOL, corpus.K)
    for number, first in enumerate(range(0, len(walk), SPAN)):
        i, j = pairs_about(range(first, min(first + SPAN, len(walk))), b)
        n = -(-len(i) // corpus.share)
        pool = draw(corpus.table, splitmix64(corpus.key, stream, 1 + number * size, size))
        negatives = np.resize(pool, (n, corpus.K))  # round and round
        for g in range(n):
            yield Group(walk[j[g::n]], walk[i[g::n]], negatives[g])


def nodes_of(corpus: Corpus, row: int) -> Indices:
    """Return the nodes of a walk, without what follows its end."""
    walk: Indices = corpus.walks[row]
    return walk[walk >= 0]


def radii(corpus: Corpus, row: int, epoch: int) -> Indices:
    """Return how far the window about each position of a walk reaches."""
    positions = np.arange(len(nodes_of(corpus, row)), dtype=np.uint64)
    if not corpus.shrink:
        return np.full(len(positions), corpus.radius)
    words = words_at(corpus.key, stream_of(corpus, row, epoch), positions << np.uint64(32))
    return 1 + pick(words, corpus.radius)[0]


def pairs_about(positions: range, b: Indices) -> tuple[Indices, Indices]:
    """Return for each pair, from left to right, the position in the middle, and the one around it."""
    near = [(i, j) for i in positions for j in range(max(i - b[i], 0), min(i + b[i] + 1, len(b))) if j != i]
    i, j = np.array(near, dtype=np.int64).reshape(-1, 2).T
    return i, j


def stream_of(corpus: Corpus, row: int, epoch: int) -> int:
    """Return the number of the stream of random words of a walk in an epoch."""
    return (2 + epoch * len(corpus.walks) + row) % 2**64


def order_of_walks(T: int, epoch: int, n: int) -> list[int]:
    """Return the order of an epoch: every stride-th walk, round and round until all were there."""
    offset, stride = pick(splitmix64(T, 1, 2 * epoch, 2), n)[0].tolist()
    stride += 1
    while math.gcd(stride, n) != 1:
        stride += 1
    return [(offset + i * stride) % n for i in range(n)]


def initial_tables(T: int, n: int, d: int) -> tuple[Floats, Floats]:
    """Return small vectors and zero contexts."""
    V = (2 * uniform(splitmix64(T, 0, 0, n * d)) - 1) / d
    return as_float32(V.reshape(n, d)), np.zeros((n, d))


def as_float32(table: Any) -> Floats:
    """Round to float32, which the kernel begins with, and go on in float64."""
    return np.asarray(table, dtype=np.float32).astype(np.float64)


def at_once(n_walks: int, visits: Indices) -> tuple[int, int]:
    """Return how many walks start from the same tables, and how many pairs share negatives."""
    walks, pairs = VISITS * n_walks // visits.max(), visits.sum() // (UNCROWDED * visits.max())
    return int(np.clip(walks, 1, BATCH)), int(np.clip(pairs, 1, SHARE))


def training_key(rng: Any) -> int:
    """Return T, so that walks and training of equal seeds share no words."""
    return int(splitmix64(seed_key(rng), 2**63, 0, 1)[0])


def sigma(x: Any) -> Floats:
    """Return 1 / (1 + exp(−x)), which overflows nowhere."""
    return np.asarray(np.exp(log_sigma(x)))


def log_sigma(x: Any) -> Floats:
    """Return log σ(x) = −log(1 + exp(−x)), which overflows nowhere."""
    return np.asarray(-np.logaddexp(0, -np.asarray(x)))


def refuse_divergence(V: Floats, C: Floats, loss: float, most: float, epoch: int, rate: float) -> None:
    """Stop where steps have become so long that they lead uphill, or out of what float32 holds."""
    if loss > most or not all(np.isfinite(np.float32(x)).all() for x in (V, C, loss)):
        raise FloatingPointError(
            f"training diverged in epoch {epoch}, at a learning rate of {rate:.6g}: lower learning_rate."
        )
