"""Skip-gram training, from walks or straight from a graph."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diptych import _progress, _rust, _validate
from diptych import _validate_skipgram as _check
from diptych import _validate_walks as _walks
from diptych._threads import resolve_n_jobs

BATCH = 8  # walks that start from the same tables, at most
VISITS = 8  # of one node in the walks of a batch, about, at most
SHARE = 10  # pairs that share their negatives
POOL = 250  # negatives of a stretch of a walk, at most


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
        Length of a step at the beginning. Above about 0.05 descent may diverge where few nodes share most
        visits, since the pairs of a group take their steps together.
    min_learning_rate : float, default=1e-4
        Length of a step at the end; between, it falls linearly with the walks done.
    initial : pair of array-likes of shape (n_nodes, dimensions), real, or None, default=None
        Vectors and contexts to begin with, rounded to float32 and not changed; None means random vectors
        within ±1 / dimensions, as gensim's are, and contexts 0.
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
        If training diverges: the mean loss of a pair in an epoch rises above ten times that of vectors that
        know nothing, (1 + negative) · log 2, or of the first batch, if that is more; or a loss or an entry of
        a table is no longer finite. The message names the epoch, from 0, and the learning rate.
    MemoryError
        If the tables do not fit; the message names their size.

    See Also
    --------
    diptych.DeepWalk, diptych.Node2Vec : The same from a graph, without walks in memory.
    diptych.kernels.walks.random_walks : Makes walks on a graph.
    window_pairs : The pairs of the first epoch.

    Notes
    -----
    What it computes, exactly: as in word2vec.c the nodes around a position are the inputs, rows of
    `vectors`, and each of them predicts the node in the middle, a row of `contexts` [1]_. Up to ``SHARE``
    such pairs make a group and share their negatives, as in [4]_, but they do not come from one window: of
    the pairs of 80 positions of a walk, in their order, those of a group are n apart, with n groups. Groups
    are smaller, down to one pair, where the most visited node has more than one in 8 · ``SHARE`` of all
    visits: its row would take too many steps at once. For every 80 positions a walk draws ``POOL``
    negatives (K, if that is more), and the groups take K after K of them, round and round. For a group, with
    X the rows of its m inputs, P those of their m middle nodes, and N those of the K negatives::

        M = rate · (1 - σ(rows of X · rows of P));   E = rate · σ(X Nᵀ)
        X += M P - E N;   P += M X;   N -= Eᵀ X

    where M scales rows, and all is taken from the values before; a row that is there twice gets both
    changes. A negative that is the middle node of a pair is dropped for it: it changes nothing and adds no
    loss. The groups of 80 positions follow one another, and these along the walk.

    Walks are taken in an order that is drawn for each epoch, ``BATCH`` at a time, or fewer, down to one,
    where the most visited node would come up more than ``VISITS`` times in so many. Each walk of a batch
    learns on a copy of the tables as they were when the batch began, at a rate that depends on the walks done
    till then; what each has changed is added up, in order. So the walks of a batch may be learnt in parallel,
    and the result is the same, bit for bit, for every `n_jobs` and instruction set.

    With ``SHARE`` and ``BATCH`` 1 and no end of ``POOL`` this would be word2vec's own descent, pair by
    pair, each with negatives of its own (:func:`sgns_gradients`); :mod:`diptych.reference.skipgram` is
    the readable version of both. On BlogCatalog, means of three trainings, vectors were as good as those of
    pair by pair within 0.3 F1. No pairs are left out for being frequent: what gensim calls `sample` is 0.
    Both panels draw the same windows, negatives and order; the reference computes in float64, so results
    agree up to rounding that grows with the number of steps: after thousands of them, at moderate rates,
    within 1e-4 of the largest entry.

    After long training with ``dimensions >= n_nodes`` and no `shrink`, ``vectors[v] @ contexts[c]`` tends to
    ``log(#(v, c) / (#(v) · K · P(c)))`` for pairs that occur, but for the draws that are dropped; # counts
    pairs of v with c, and of v with any, and P is the noise [2]_.

    Time is O(epochs · n_walks · length · window · negative · dimensions). Where one node has so many of the
    visits that one walk trains at a time, or one pair, it is slower, and other threads can only draw for the
    next walk. Memory at the peak is `walks` (a copy if they are not int32), plus two tables of n_nodes ·
    dimensions float32, `dimensions` rounded up to a multiple of 16, results included, plus 64 bytes per node,
    plus 64 MiB, which hold what walks of up to 1,000 nodes learn on at up to 128 dimensions. Longer walks
    and more dimensions take more: ``BATCH`` times at most R = 2 · length + ⌈length / 80⌉ · max(``POOL``,
    negative), and no more than 2 · n_nodes, rows of `dimensions` float32, so rounded; and 2 · ``BATCH`` times
    48 · R bytes, 4 for each negative of a group, 8 for each group, 16 for each position, and 8 for each pair
    of 80 positions.

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
    n = _check.n_nodes(n_nodes)
    rows, tables = _check.walks(walks, n), _check.initial(initial, n, _check.dimensions(dimensions))
    how = _training(
        dimensions, window, negative, exponent, shrink, epochs, learning_rate, min_learning_rate, rng
    )
    return SkipGram(*_rust.skipgram_train(rows, n, how, tables, resolve_n_jobs(n_jobs), _progress.current()))


def _training(
    dimensions: int,
    window: int,
    negative: int,
    exponent: float,
    shrink: bool,
    epochs: int,
    learning_rate: float,
    min_learning_rate: float,
    rng: Any,
) -> tuple[int, int, int, float, bool, int, float, float, int, tuple[int, int, int, int]]:
    rates = _check.learning_rates(learning_rate, min_learning_rate)
    return (
        _check.dimensions(dimensions),
        _check.window(window),
        _check.negative(negative),
        _check.exponent(exponent),
        _check.shrink(shrink),
        _check.epochs(epochs),
        *rates,
        _validate.seed_key(rng),
        (BATCH, VISITS, SHARE, POOL),
    )


def embed(
    graph: _validate.CSR,
    *,
    walk_length: int = 80,
    walks_per_node: int = 10,
    p: float = 1.0,
    q: float = 1.0,
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
    """Learn vectors of the nodes of a graph: random walks that are trained on as they are walked.

    DeepWalk [1]_ where `p` and `q` are 1, else node2vec [2]_.

    Parameters
    ----------
    graph : SciPy CSR of shape (n, n)
        Entry (v, x) is the weight of the step from v to x, as for
        :func:`~diptych.kernels.walks.random_walks`.
    walk_length, walks_per_node, p, q
        As for :func:`~diptych.kernels.walks.random_walks`, which starts at every node.
    dimensions, window, negative, exponent, shrink, epochs, learning_rate, min_learning_rate, initial
        As for :func:`train`.
    rng : None, int, SeedSequence or Generator, default=None
        As for :func:`train`. Walks and training take their words from the same seed, and share none.
    n_jobs : int or None, default=None
        As for :func:`train`.

    Returns
    -------
    SkipGram
        As of :func:`train`.

    Raises
    ------
    ValueError, TypeError, FloatingPointError, MemoryError
        As :func:`~diptych.kernels.walks.random_walks` and :func:`train` do.

    See Also
    --------
    diptych.DeepWalk, diptych.Node2Vec : The estimators, which take any graph and keep the names of nodes.

    Notes
    -----
    With the same integer or SeedSequence as `rng`, this is ``train(random_walks(graph, …), n_nodes=n, …)``
    bit for bit, for every `n_jobs`. Walks are walked again in every epoch, and once more to count visits,
    which is a small part of the time; memory at the peak is that of the graph made ready for
    :func:`~diptych.kernels.walks.random_walks` and of :func:`train`, without walks.

    References
    ----------
    .. [1] B. Perozzi, R. Al-Rfou and S. Skiena, "DeepWalk: Online learning of social representations", KDD,
       2014.
    .. [2] A. Grover and J. Leskovec, "node2vec: Scalable feature learning for networks", KDD, 2016.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> from diptych.kernels._training import embed
    >>> path = csr_array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    >>> embed(path, dimensions=4, window=2, rng=0).vectors.shape
    (3, 4)
    """
    edges = _walks.transition_weights(graph)
    steps = (
        _walks.walk_length(walk_length),
        _walks.walks_per_node(walks_per_node),
        _walks.bias(p, "p"),
        _walks.bias(q, "q"),
    )
    tables = _check.initial(initial, edges[-1], _check.dimensions(dimensions))
    how = _training(
        dimensions, window, negative, exponent, shrink, epochs, learning_rate, min_learning_rate, rng
    )
    return SkipGram(
        *_rust.skipgram_embed(*edges, steps, how, tables, resolve_n_jobs(n_jobs), _progress.current())
    )
