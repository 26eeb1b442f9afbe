"""Stubs to fill in for the functions of skip-gram."""

from __future__ import annotations

_FILE = '''\
"""Exercise: {title}.

Check what you have written, as often as you like:

    diptych check skipgram.{name} {file}:{name}
"""

import numpy as np


def {signature}:
    """{text}
    """
    raise NotImplementedError("write me")
'''

_WINDOW_PAIRS = """List the pairs of nodes that stand close to each other in walks.

    Parameters
    ----------
    walks : ndarray of shape (n_walks, length), int
        One walk per row; -1 after its end.
    window : int
        How far apart the two nodes of a pair may stand.
    shrink : bool
        Whether each position draws its own radius from 1 to `window`; otherwise it is `window`.
    rng : int
        The seed of those draws.

    Returns
    -------
    centers, contexts : ndarrays of shape (n_pairs,), int
        Walk by walk, position by position, and for each position from left to right.

    Hints
    -----
    1. What is near the first position of a walk? What is near the last one before -1?
    2. A walk may come back to a node. Is a pair of equal nodes a pair?
    3. With `shrink`, is (a, b) still there as often as (b, a)? Why do near nodes make more pairs?"""

_NOISE = """Return how likely each node is drawn as a negative: counts ** exponent over the sum of them.

    Parameters
    ----------
    counts : ndarray of shape (n_nodes,), float
        How often each node was seen; some may be 0.
    exponent : float
        May be 0 or negative; nodes never seen have the share 0 all the same.

    Returns
    -------
    noise : ndarray of shape (n_nodes,), float

    Hints
    -----
    1. Which exponent draws nodes as often as they were seen? Which draws all alike? What lies between?
    2. What is 0 ** 0 in NumPy? What is (1e300) ** 2? Does the noise change when all counts are halved?"""

_NEGATIVES = """Draw nodes from a noise distribution, with replacement.

    Parameters
    ----------
    noise : ndarray of shape (n_nodes,), float
        Weights; some may be 0.
    size : int
        The number of draws.
    rng : int
        The seed.

    Returns
    -------
    nodes : ndarray of shape (size,), int

    Hints
    -----
    1. Where does a uniform number in [0, 1) fall among the running sums of the noise?
    2. How long does one draw take, and could it be independent of the number of nodes?"""

_PAIR = """
    Parameters
    ----------
    center : ndarray of shape (d,)
        The vector of a node.
    positive : ndarray of shape (d,)
        The context that goes with it.
    negatives : ndarray of shape (K, d)
        Contexts that do not; there may be none.
"""

_LOSS = f"""Return −log σ(center · positive) − Σ log σ(−center · negative), with σ(x) = 1 / (1 + exp(−x)).
{_PAIR}
    Returns
    -------
    loss : float

    Hints
    -----
    1. What does the loss say of vectors that are all 0?
    2. What is exp(10000) in NumPy? For which sign of x is log(1 + exp(x)) dangerous, and what is it close to?
    3. What is log(1 + 1e-20)? Which function of NumPy knows better?"""

_GRADIENTS = f"""Return the derivatives of −log σ(center · positive) − Σ log σ(−center · negative).
{_PAIR}
    Returns
    -------
    d_center, d_positive, d_negatives : ndarrays of the shapes of the arguments

    Hints
    -----
    1. What is the derivative of log σ(x)? How does it look for great x, how for very negative x?
    2. Which of the vectors does the score of one negative depend on?
    3. In which direction does a step against the derivative move the positive context? And a negative?"""

_TRAIN = """Learn vectors from walks, by steps against the derivatives of the loss of each pair.

    The nodes around a position are the inputs, rows of `vectors`; each predicts the node in the middle, a
    row of `contexts`, against `negative` nodes drawn from the noise (visits ** exponent). A drawn node that
    is the node in the middle is dropped.

    Parameters
    ----------
    walks : ndarray of shape (n_walks, length), int
        One walk per row; -1 after its end.
    n_nodes, dimensions : int
        The shape of the two tables.
    window : int
        The greatest radius of a window.
    negative : int
        Negatives for each pair.
    exponent : float
        Of the noise.
    shrink : bool
        Whether each position draws its own radius from 1 to `window`.
    epochs : int
        How often to go through the walks.
    learning_rate, min_learning_rate : float
        The rate falls linearly from the first to the second with the share of walks done.
    initial : pair of ndarrays of shape (n_nodes, dimensions), or None
        Tables to begin with; else small random vectors, and contexts 0.
    rng : int
        The seed.

    Returns
    -------
    vectors, contexts : ndarrays of shape (n_nodes, dimensions)
    losses : ndarray of shape (epochs,)
        The mean loss of a pair, before its step, in each epoch.

    Hints
    -----
    1. Which rows does one pair change? From which values: those before the step, or after half of it?
    2. What would happen without negatives? And to a node that is never visited?
    3. What ends the search for another negative in a graph of one node? Do you have to search?
    4. Does the loss fall if you double the learning rate? And ten times that?"""

_TRAIN_SIGNATURE = """train(
    walks, *, n_nodes, dimensions, window, negative, epochs, exponent=0.75, shrink=True, learning_rate=0.025,
    min_learning_rate=0.0001, initial=None, rng=None
)"""

_PARTS = {
    "window_pairs": (
        "the pairs of a corpus of walks",
        "window_pairs(walks, *, window, shrink=True, rng=None)",
        _WINDOW_PAIRS,
    ),
    "noise_distribution": ("the noise", "noise_distribution(counts, *, exponent=0.75)", _NOISE),
    "negative_samples": ("negatives", "negative_samples(noise, size, *, rng)", _NEGATIVES),
    "sgns_loss": ("the loss of a pair", "sgns_loss(center, positive, negatives)", _LOSS),
    "sgns_gradients": ("its derivatives", "sgns_gradients(center, positive, negatives)", _GRADIENTS),
    "train": ("skip-gram with negative sampling", _TRAIN_SIGNATURE, _TRAIN),
}

TEXTS = {
    f"skipgram.{name}": _FILE.format(title=title, name=name, signature=signature, text=text, file="{file}")
    for name, (title, signature, text) in _PARTS.items()
}
