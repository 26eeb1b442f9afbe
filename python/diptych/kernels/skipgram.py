"""Skip-gram with negative sampling: from walks to vectors."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diptych import _progress, _rust, _validate
from diptych import _validate_skipgram as _check
from diptych import _validate_walks as _walks
from diptych._threads import resolve_n_jobs
from diptych.kernels._training import SkipGram, train

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
    return _rust.skipgram_noise(_walks.alias_weights(counts, "counts"), _check.exponent(exponent))


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
    weights, count = _walks.alias_weights(noise, "noise"), _walks.size(size)
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
