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

- up to SHARE inputs of a window make a group: they share K negatives and take the step together. With X, the
  rows of `vectors` of m inputs, Y, those of `contexts` of the middle node and the K negatives, and the labels
  L = [1, 0 … 0],

      S = X Yᵀ,   G = rate · (L − σ(S)),   X += G Y,   Y += Gᵀ X;

  There are fewer in a group where the most visited node has more than one in UNCROWDED · SHARE of all
  visits, lest its row take too many steps at once;

- a walk draws POOL negatives (K, if those are more) for every SPAN positions, and their groups take K after K
  of them, from the first again after the last;

- up to BATCH walks start from the same tables, each on a copy; what each changed is then added up. They are
  fewer where they meet too often: no node has more than some VISITS visits in the walks of a batch, on
  average, lest its row make one step out of many.

A negative that is the middle node itself is dropped: its column of G is 0, and it adds nothing to the loss.

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
SHARE = 10  # inputs that share their negatives
UNCROWDED = 8  # times SHARE: of so many visits one node has one at most, or groups are smaller
POOL = 400  # negatives of a stretch of a walk, at most
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


class Window(NamedTuple):
    """What is learnt at one position of a walk."""

    inputs: Indices  # (m,) the nodes around it, from left to right
    outputs: Indices  # (groups, 1 + K) the node in the middle, then negatives


class Corpus(NamedTuple):
    """Walks, and how windows are cut from them."""

    walks: Indices  # (n_walks, L)
    key: int  # T
    radius: int  # the greatest
    shrink: bool
    table: AliasTable  # of the noise
    K: int
    batch: int  # walks that start from the same tables
    share: int  # inputs of a group, at most


def window_pairs(
    walks: Any, *, window: int = 10, shrink: bool = True, rng: Any = None
) -> tuple[Indices, Indices]:
    """List the pairs of a corpus; see :func:`diptych.kernels.skipgram.window_pairs`."""
    rows, nothing = np.asarray(walks, np.int64), alias_table([1.0])
    corpus = Corpus(rows, training_key(rng), window, shrink, nothing, 0, 1, 1)
    found = [w for row in range(len(corpus.walks)) for w in windows(corpus, row, 0)]
    centers = [np.full(len(w.inputs), w.outputs[0, 0]) for w in found]
    none = np.zeros(0, dtype=np.int64)
    return np.concatenate([none, *centers]), np.concatenate([none, *(w.inputs for w in found)])


def noise_distribution(counts: Any, *, exponent: float = 0.75) -> Floats:
    """Turn visits into the noise; see :func:`diptych.kernels.skipgram.noise_distribution`."""
    n = np.asarray(counts, dtype=np.float64)
    seen = n > 0
    unit = n[seen].max() if exponent > 0 else n[seen].min()  # so that no power is greater than 1
    P = np.zeros(len(n))
    P[seen] = (n[seen] / unit) ** exponent
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
                for w in windows(corpus, row, e):
                    losses[e] += learn_window(trained_V, trained_C, w, corpus.share, rate)
                    pairs += len(w.inputs)
                V, C = V + (trained_V - start_V), C + (trained_C - start_C)
            loss = losses[e] / max(pairs, 1)
            most = max(loss, (1 + corpus.K) * math.log(2)) if most is None else most
            refuse_divergence(V, C, loss, ABSURD * most, e, rate)
        losses[e] /= max(pairs, 1)
    return V, C


def learn_window(V: Floats, C: Floats, w: Window, share: int, rate: float) -> float:
    """Take the steps of a window, group by group, and return its loss."""
    groups = range(0, len(w.inputs), share)
    return sum(learn(V, C, w.inputs[at : at + share], w.outputs[g], rate) for g, at in enumerate(groups))


def learn(V: Floats, C: Floats, inputs: Indices, outputs: Indices, rate: float) -> float:
    """Take one step on a group, and return its loss before the step."""
    L = (np.arange(len(outputs)) == 0).astype(np.float64)  # (1 + K,)
    kept = (L == 1) | (outputs != outputs[0])
    X, Y = V[inputs], C[outputs]  # (m, d), (1 + K, d)
    S = X @ Y.T  # (m, 1 + K)
    G = rate * kept * (L - sigma(S))
    np.add.at(V, inputs, G @ Y)  # a node that is there twice moves twice
    np.add.at(C, outputs, G.T @ X)
    return float(-log_sigma(np.where(L == 1, S, -S))[:, kept].sum())


def windows(corpus: Corpus, row: int, epoch: int) -> Iterator[Window]:
    """Yield the windows of a walk, from its first node to its last."""
    walk = corpus.walks[row][corpus.walks[row] >= 0]  # (l,)
    stream = (2 + epoch * len(corpus.walks) + row) % 2**64
    b = np.full(len(walk), corpus.radius)
    if corpus.shrink:
        first = np.arange(len(walk), dtype=np.uint64) << np.uint64(32)
        b = 1 + pick(words_at(corpus.key, stream, first), corpus.radius)[0]
    groups = -(-min(2 * corpus.radius, len(walk)) // corpus.share)  # at most
    outputs = np.empty((len(walk), groups, 1 + corpus.K), dtype=np.int64)
    outputs[:, :, 0] = walk[:, None]
    size = max(POOL, corpus.K)
    for number, first_position in enumerate(range(0, len(walk), SPAN)):
        pool = draw(corpus.table, splitmix64(corpus.key, stream, 1 + number * size, size))
        stretch = outputs[first_position : first_position + SPAN, :, 1:]
        stretch[:] = np.resize(pool, stretch.shape)  # round and round
    for i in range(len(walk)):
        yield Window(np.concatenate((walk[max(i - b[i], 0) : i], walk[i + 1 : i + 1 + b[i]])), outputs[i])


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
    """Return how many walks start from the same tables, and how many inputs share negatives."""
    walks, inputs = VISITS * n_walks // visits.max(), visits.sum() // (UNCROWDED * visits.max())
    return int(np.clip(walks, 1, BATCH)), int(np.clip(inputs, 1, SHARE))


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
