"""Skip-gram with negative sampling: from walks to vectors."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diptych import _progress, _rust, _validate
from diptych import _validate_skipgram as _check
from diptych._threads import resolve_n_jobs

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

BATCH = 8  # walks that start from the same tables
SHARE = 32  # inputs that share their negatives


class SkipGram(NamedTuple):
    """What :func:`train` returns.

    Attributes
    ----------
    vectors : ndarray of shape (n_nodes, dimensions), float32
        The embedding: row v for node v.
    contexts : ndarray of shape (n_nodes, dimensions), float32
        The other table: ``vectors[v] @ contexts[c]`` says how much more often than by chance c has v nearby.
    losses : ndarray of shape (epochs,), float64
        Mean loss of a pair in each epoch.
    """

    vectors: NDArray[np.float32]
    contexts: NDArray[np.float32]
    losses: NDArray[np.float64]


class SGNSGradients(NamedTuple):
    """What :func:`sgns_gradients` returns: derivatives of the loss, float64.

    Attributes
    ----------
    center : ndarray of shape (d,)
        By the vector of the input.
    positive : ndarray of shape (d,)
        By the context it goes with.
    negatives : ndarray of shape (K, d)
        By the contexts drawn from the noise.
    """

    center: NDArray[np.float64]
    positive: NDArray[np.float64]
    negatives: NDArray[np.float64]


def window_pairs(
    walks: ArrayLike,
    *,
    window: int = 10,
    shrink: bool = True,
    rng: int | np.random.SeedSequence | np.random.Generator | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """List the pairs of nodes that stand close to each other in walks.

    Parameters
    ----------
    walks : array-like of shape (n_walks, length), integer
        One walk per row, such as :func:`~diptych.kernels.walks.random_walks` returns; -1 after its end.
    window : int, default=10
        Radius of a window: how far apart in the walk the two nodes of a pair may stand.
    shrink : bool, default=True
        Whether the radius at each position is drawn from 1 to `window`, each as likely, so that near nodes
        make more pairs than far ones. Otherwise it is always `window`.
    rng : None, int, SeedSequence or Generator, default=None
        Where the randomness comes from; None takes fresh entropy. An integer or a SeedSequence gives the same
        pairs every time, a Generator others at each call. Without `shrink` nothing is random.

    Returns
    -------
    centers : ndarray of shape (n_pairs,), int64
        The node in the middle of the window: walk by walk, and along each walk.
    contexts : ndarray of shape (n_pairs,), int64
        The nodes around it, from left to right; the position in the middle itself is left out.

    Raises
    ------
    ValueError
        If `walks` is not two-dimensional, has no columns, holds a number below -1 or above 2**31 - 1, or a
        node after -1, `window` is below 1, or a seed is negative.
    TypeError
        If an argument has the wrong type, such as walks of floats. (The error is a ValueError as well.)
    MemoryError
        If the result does not fit; the message names its size.

    See Also
    --------
    train : Learns from these pairs without listing them.

    Notes
    -----
    These are the windows of the first epoch of :func:`train` with the same `rng`. Both panels draw the same,
    number for number; :mod:`diptych.reference.skipgram` says from which words of the counter-based
    generator. A window depends on the seed, its row and its position alone, and the result is the same for
    any number of threads, of which there are ``diptych.get_num_threads()``.

    Time is O(n_walks * length * window), memory at the peak the result, 16 bytes per pair, plus 8 per walk,
    and a copy of walks that are not int32.

    References
    ----------
    .. [1] T. Mikolov, K. Chen, G. Corrado and J. Dean, "Efficient estimation of word representations in
       vector space", ICLR workshop, 2013.

    Examples
    --------
    >>> from diptych.kernels.skipgram import window_pairs
    >>> centers, contexts = window_pairs([[5, 6, 7, 8], [5, 9, -1, -1]], window=2, shrink=False)
    >>> centers
    array([5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 5, 9])
    >>> contexts
    array([6, 7, 5, 7, 8, 5, 6, 8, 6, 7, 9, 5])
    """
    rows, radius, random = _check.walks(walks), _check.window(window), _check.shrink(shrink)
    threads, progress = resolve_n_jobs(None), _progress.current()
    return _rust.skipgram_window_pairs(rows, radius, random, _validate.seed_key(rng), threads, progress)


def noise_distribution(counts: ArrayLike, *, exponent: float = 0.75) -> NDArray[np.float64]:
    """Return how likely each node is drawn as a negative.

    Parameters
    ----------
    counts : array-like of shape (n_nodes,), real
        How often each node was visited; not negative and not all zero.
    exponent : float, default=0.75
        Power to which counts are raised: 1 draws nodes as often as they were visited, 0 all visited nodes
        alike, a negative number the rare ones more often than the frequent.

    Returns
    -------
    ndarray of shape (n_nodes,), float64
        ``counts ** exponent`` over its sum; 0 for nodes never visited, whatever the exponent.

    Raises
    ------
    ValueError
        If `counts` is empty, not one-dimensional, all zero, or holds a negative, infinite or NaN value, or
        `exponent` is not finite.
    TypeError
        If an argument has the wrong type. (The error is a ValueError as well.)
    MemoryError
        If the result does not fit; the message names its size.

    See Also
    --------
    negative_samples : Draws from it.

    Notes
    -----
    Counts are first divided by the greatest, or for a negative exponent by the least that is not 0, so that
    no power overflows; they may vanish. Time is O(n_nodes), memory at the peak the result, and a copy of
    counts of other types. The powers are those of the system's math library: they may differ in the last
    bit from NumPy's.

    References
    ----------
    .. [1] T. Mikolov, I. Sutskever, K. Chen, G. Corrado and J. Dean, "Distributed representations of words
       and phrases and their compositionality", NeurIPS, section 2.2, 2013.

    Examples
    --------
    >>> from diptych.kernels.skipgram import noise_distribution
    >>> noise_distribution([16, 0, 1, 1])
    array([0.8, 0. , 0.1, 0.1])
    >>> noise_distribution([16, 0, 1, 1], exponent=0).round(3)
    array([0.333, 0.   , 0.333, 0.333])
    """
    return _rust.skipgram_noise(_validate.alias_weights(counts, "counts"), _check.exponent(exponent))


def negative_samples(
    noise: ArrayLike,
    size: int,
    *,
    rng: int | np.random.SeedSequence | np.random.Generator | None = None,
) -> NDArray[np.int64]:
    """Draw nodes from a noise distribution.

    Parameters
    ----------
    noise : array-like of shape (n_nodes,), real
        What :func:`noise_distribution` returns, or any weights, not negative and not all zero.
    size : int
        Number of draws; may be 0.
    rng : None, int, SeedSequence or Generator, default=None
        Where the randomness comes from; None takes fresh entropy. An integer or a SeedSequence gives the same
        draws every time, a Generator others at each call.

    Returns
    -------
    ndarray of shape (size,), int64
        Nodes, drawn independently with replacement.

    Raises
    ------
    ValueError
        If `noise` is empty, not one-dimensional, all zero, or holds a negative, infinite or NaN value, or
        `size` or a seed is negative.
    TypeError
        If an argument has the wrong type. (The error is a ValueError as well.)
    MemoryError
        If the result or the table of draws does not fit; the message names its size.

    Notes
    -----
    It is ``sample_alias(alias_table(noise), size, rng=rng)`` of :mod:`diptych.kernels.walks`, in O(1) per
    draw. :func:`train` draws from the same table, with other words of the generator.

    Time is O(n_nodes + size), memory at the peak 40 bytes per node or 16 per node and the result.

    References
    ----------
    .. [1] A. J. Walker, "An efficient method for generating discrete random variables with general
       distributions", ACM Transactions on Mathematical Software 3(3), 1977.

    Examples
    --------
    >>> from diptych.kernels.skipgram import negative_samples
    >>> negative_samples([0.25, 0.0, 0.75], 6, rng=0)
    array([0, 2, 0, 2, 2, 2])
    """
    weights, count = _validate.alias_weights(noise, "noise"), _validate.size(size)
    key, threads, progress = _validate.seed_key(rng), resolve_n_jobs(None), _progress.current()
    return _rust.sample_alias(*_rust.alias_table(weights, progress), count, key, threads, progress)


def sgns_loss(center: ArrayLike, positive: ArrayLike, negatives: ArrayLike) -> float:
    """Return the loss of one pair and its negatives.

    Parameters
    ----------
    center : array-like of shape (d,), real
        The input: a row of `vectors`.
    positive : array-like of shape (d,), real
        What goes with it: a row of `contexts`.
    negatives : array-like of shape (K, d), real
        What does not: rows of `contexts`; there may be none, in shape (0, d).

    Returns
    -------
    float
        ``-log σ(center · positive) - Σ log σ(-center · negative)`` in nats, σ(x) = 1 / (1 + exp(-x)).

    Raises
    ------
    ValueError
        If shapes do not fit each other, d is 0, or a value is NaN or infinite.
    TypeError
        If an argument does not hold real numbers. (The error is a ValueError as well.)

    See Also
    --------
    sgns_gradients : Its derivatives.

    Notes
    -----
    In float64, and in a form that no logarithm or exponential overflows: the loss of a pair with a score of
    -10,000 is 10,000. Time and memory are O(K d).

    References
    ----------
    .. [1] T. Mikolov, I. Sutskever, K. Chen, G. Corrado and J. Dean, "Distributed representations of words
       and phrases and their compositionality", NeurIPS, equation 4, 2013.

    Examples
    --------
    >>> from diptych.kernels.skipgram import sgns_loss
    >>> round(sgns_loss([0.0, 0.0], [1.0, 2.0], [[3.0, 4.0]]), 6)  # 2 log 2
    1.386294
    """
    return _rust.skipgram_sgns_loss(*_check.pair(center, positive, negatives))


def sgns_gradients(center: ArrayLike, positive: ArrayLike, negatives: ArrayLike) -> SGNSGradients:
    """Return the derivatives of the loss of one pair and its negatives.

    A step against them is how word2vec learns from a pair: ``center -= rate * gradients.center`` and so on,
    all three from the values before the step.

    Parameters
    ----------
    center, positive : array-like of shape (d,), real
        As for :func:`sgns_loss`.
    negatives : array-like of shape (K, d), real
        As for :func:`sgns_loss`.

    Returns
    -------
    SGNSGradients
        `center` (d,), `positive` (d,) and `negatives` (K, d), float64. A row given as two negatives has its
        derivative in two rows: the two add up.

    Raises
    ------
    ValueError, TypeError
        As for :func:`sgns_loss`.

    See Also
    --------
    sgns_loss : What is differentiated.

    Notes
    -----
    With σ(x) = 1 / (1 + exp(-x)), v for `center`, c for `positive` and n_k for row k of `negatives`::

        d_center       = -(1 - σ(v · c)) c + Σ_k σ(v · n_k) n_k
        d_positive     = -(1 - σ(v · c)) v
        d_negatives[k] = σ(v · n_k) v

    In float64; no exponential overflows. Time and memory are O(K d).

    References
    ----------
    .. [1] T. Mikolov, I. Sutskever, K. Chen, G. Corrado and J. Dean, "Distributed representations of words
       and phrases and their compositionality", NeurIPS, equation 4, 2013.

    Examples
    --------
    >>> from diptych.kernels.skipgram import sgns_gradients
    >>> sgns_gradients([0.0, 0.0], [1.0, 2.0], [[3.0, 4.0]]).center
    array([1., 1.])
    """
    return SGNSGradients(*_rust.skipgram_sgns_gradients(*_check.pair(center, positive, negatives)))


def train(
    walks: ArrayLike,
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
    initial: tuple[ArrayLike, ArrayLike] | None = None,
    rng: int | np.random.SeedSequence | np.random.Generator | None = None,
    n_jobs: int | None = None,
) -> SkipGram:
    """Learn vectors from walks: nodes that are visited close to each other get similar ones.

    Parameters
    ----------
    walks : array-like of shape (n_walks, length), integer
        One walk per row, such as :func:`~diptych.kernels.walks.random_walks` returns; -1 after its end.
    n_nodes : int
        Number of nodes, visited or not; 0 only without walks.
    dimensions : int, default=128
        Length of a vector.
    window : int, default=10
        Radius of a window: how far apart in the walk the two nodes of a pair may stand.
    negative : int, default=5
        Negatives drawn for a pair. With 0 nothing pushes vectors apart.
    exponent : float, default=0.75
        Power of the visits by which negatives are drawn, as for :func:`noise_distribution`.
    shrink : bool, default=True
        Whether the radius at each position is drawn from 1 to `window`, each as likely, so that near nodes
        make more pairs than far ones. Otherwise it is always `window`.
    epochs : int, default=1
        How often to go through the walks. With 0 the tables stay what they are at the beginning.
    learning_rate : float, default=0.025
        Length of a step at the beginning.
    min_learning_rate : float, default=1e-4
        Length of a step at the end; between, it falls linearly with the walks done.
    initial : pair of array-likes of shape (n_nodes, dimensions), real, or None, default=None
        Vectors and contexts to begin with, rounded to float32 and not changed; None means random vectors
        within ±0.5 / dimensions, and contexts 0.
    rng : None, int, SeedSequence or Generator, default=None
        Where the randomness comes from; None takes fresh entropy. An integer or a SeedSequence gives the same
        result every time, a Generator another at each call.
    n_jobs : int or None, default=None
        Number of threads; None means :func:`diptych.get_num_threads`, -1 all cores the process may use. The
        result does not depend on it.

    Returns
    -------
    SkipGram
        `vectors` and `contexts` (n_nodes, dimensions) float32, `losses` (epochs,) float64: per epoch the loss
        of a pair and its negatives (:func:`sgns_loss`), each before its step, on average over the pairs; 0
        without pairs.

    Raises
    ------
    ValueError
        If `walks` is not two-dimensional, has no columns, holds a number that is no node, or a node after
        -1; `n_nodes`, `dimensions`, `window`, `negative`, `epochs` or a seed is out of range; `exponent` is
        not finite; a learning rate is not positive and finite, or rises; or `initial` has the wrong shapes
        or holds what float32 cannot.
    TypeError
        If an argument has the wrong type, such as walks of floats. (The error is a ValueError as well.)
    FloatingPointError
        If training diverges: a loss or an entry of a table is no longer finite. The message names the epoch,
        from 0, and the learning rate.
    MemoryError
        If the tables do not fit; the message names their size.

    See Also
    --------
    diptych.kernels.walks.random_walks : Makes walks on a graph.
    window_pairs : The pairs of the first epoch.

    Notes
    -----
    What it computes, exactly: as in word2vec.c the nodes around a position are the inputs, rows of `vectors`,
    and each of them predicts the node in the middle, a row of `contexts` [1]_. Inputs of one window share
    their negatives [4]_, in groups of ``SHARE`` (a whole window, unless it is wide). For a group, with X the
    rows of its m inputs, Y the rows of the node in the middle and then of the K negatives, and the labels
    L = [1, 0, …, 0]::

        S = X Yᵀ;   G = rate · (L - σ(S));   X += G Y;   Y += Gᵀ X

    both from the values before; a row that is there twice gets both changes. A negative that is the node in
    the middle is dropped: it changes nothing and adds no loss. Groups, windows and positions of a walk follow
    one another.

    Walks are taken in an order that is drawn for each epoch, ``BATCH`` at a time. Each walk of a batch learns
    on a copy of the tables as they were when the batch began, at a rate that depends on the walks done till
    then; what each has changed is added up, in order. So the walks of a batch may be learnt in parallel, and
    the result is the same, bit for bit, for every `n_jobs` and instruction set.

    With ``SHARE`` and ``BATCH`` 1 this would be word2vec's own descent, pair by pair, each with negatives of
    its own (:func:`sgns_gradients`); :mod:`diptych.reference.skipgram` is the readable version of both. No
    pairs are left out for being frequent: what gensim calls `sample` is 0. Both panels draw the same windows,
    negatives and order; the reference computes in float64, so results agree up to rounding that grows with
    the number of steps.

    After long training with ``dimensions >= n_nodes`` and no `shrink`, ``vectors[v] @ contexts[c]`` tends to
    ``log(#(v, c) / (#(v) · K · P(c)))`` for pairs that occur, but for the draws that are dropped; # counts
    pairs of v with c, and of v with any, and P is the noise [2]_.

    Time is O(epochs · n_walks · length · window · negative · dimensions). Memory at the peak is `walks` (a
    copy if they are not int32), plus two tables of n_nodes · dimensions float32, results included, plus 64
    bytes per node, plus 64 MiB.

    References
    ----------
    .. [1] T. Mikolov, I. Sutskever, K. Chen, G. Corrado and J. Dean, "Distributed representations of words
       and phrases and their compositionality", NeurIPS, 2013.
    .. [2] O. Levy and Y. Goldberg, "Neural word embedding as implicit matrix factorization", NeurIPS, 2014.
    .. [3] B. Perozzi, R. Al-Rfou and S. Skiena, "DeepWalk: Online learning of social representations", KDD,
       2014.
    .. [4] S. Ji, N. Satish, S. Li and P. Dubey, "Parallelizing word2vec in shared and distributed memory",
       IEEE TPDS 30(9), 2019, for shared negatives.

    Examples
    --------
    >>> from diptych.kernels.skipgram import train
    >>> walks = [[0, 1, 0, 1, 0], [2, 3, 2, 3, 2]]
    >>> model = train(walks, n_nodes=4, dimensions=8, window=1, epochs=300, learning_rate=0.1, rng=0)
    >>> (model.vectors @ model.contexts.T > 0).astype(int)  # which nodes stand side by side
    array([[0, 1, 0, 0],
           [1, 0, 0, 0],
           [0, 0, 0, 1],
           [0, 0, 1, 0]])
    """
    n, d = _check.n_nodes(n_nodes), _check.dimensions(dimensions)
    rows, radius, random = _check.walks(walks, n), _check.window(window), _check.shrink(shrink)
    noise = _check.negative(negative), _check.exponent(exponent)
    rounds, rates = _check.epochs(epochs), _check.learning_rates(learning_rate, min_learning_rate)
    vectors, contexts = _check.initial(initial, n, d)
    key, threads, progress = _validate.seed_key(rng), resolve_n_jobs(n_jobs), _progress.current()
    return SkipGram(
        *_rust.skipgram_train(
            rows, n, d, radius, *noise, random, rounds, *rates, vectors, contexts,
            key, BATCH, SHARE, threads, progress,
        )
    )  # fmt: skip
