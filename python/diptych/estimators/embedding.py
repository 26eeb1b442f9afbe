"""DeepWalk and node2vec: from a graph to a vector for each node, in scikit-learn's manner."""

from typing import Any

from diptych import _validate_walks
from diptych.estimators._walk_embedding import WalkEmbedding

__all__ = ["DeepWalk", "Node2Vec"]


class DeepWalk(WalkEmbedding):
    """Vectors for the nodes of a graph, from random walks [1]_.

    Walks start at every node and follow edges by weight; skip-gram with negative sampling then gives nodes
    that are visited close to each other similar vectors.

    Parameters
    ----------
    dimensions : int, default=128
        Length of a vector.
    walk_length : int, default=80
        Nodes in a walk, the first included.
    walks_per_node : int, default=10
        Walks that start at each node.
    window : int, default=10
        How far apart in a walk two nodes may stand to count as close.
    negative : int, default=5
        Nodes drawn at random, for each that is close, to push apart from.
    exponent : float, default=0.75
        Power of the visits by which they are drawn.
    shrink : bool, default=True
        Whether each window is cut to a radius drawn from 1 to `window`, so that near nodes count more.
    epochs : int, default=1
        How often to go through the walks.
    learning_rate : float, default=0.025
        Length of a step at the beginning; it falls linearly to 0.0001, or stays if it is below.
    random_state : None, int, RandomState, Generator or SeedSequence, default=None
        Where the randomness comes from; None takes fresh entropy. An integer or a SeedSequence gives the same
        result at each fit, the two generators of NumPy another.
    n_jobs : int or None, default=None
        Number of threads. None means :func:`diptych.get_num_threads`, all cores unless set otherwise. The
        result does not depend on it.
    verbose : bool, default=False
        Whether to show a progress bar with the time left, on standard error; needs tqdm. The reference
        reports no progress.
    backend : {'rust', 'reference'}, default='rust'
        Which panel does the work. The reference is for reading and for tests: the same walks and draws, but
        in float64 and NumPy, so that vectors agree up to rounding; slow.

    Attributes
    ----------
    embedding_ : ndarray of shape (n, dimensions), float32
        A vector for each node.
    contexts_ : ndarray of shape (n, dimensions), float32
        The other table of skip-gram: ``embedding_[v] @ contexts_[c]`` says how much more often than by chance
        walks have c near v.
    losses_ : ndarray of shape (epochs,), float64
        Mean loss of a pair in each epoch.
    node_names_ : ndarray of shape (n,)
        The name of each row, as in :attr:`diptych.Graph.node_names`.

    See Also
    --------
    Node2Vec : Walks that may be told to stay close or to get away.
    diptych.evaluation : How good vectors are.
    diptych.plot.EmbeddingDisplay : A picture of them.
    diptych.kernels.skipgram.train : The training, and exactly what it computes.

    Notes
    -----
    With an integer seed s, fitting equals ``train(random_walks(graph, …, rng=s), n_nodes=n, …, rng=s)`` of
    :mod:`diptych.kernels`, bit for bit, for every `n_jobs`. Walks are not kept: memory at the peak is two
    tables of n · dimensions float32, `dimensions` rounded up to a multiple of 16, results included, plus 64
    bytes per node, 64 MiB, and what :func:`~diptych.kernels.walks.random_walks` makes of the edges: 4 bytes
    each, where weights differ within a row 12, beside the graph, which must not change meanwhile. Walks of
    more than 1,000 nodes, or more dimensions than 128 in walks of hundreds, take more than the 64 MiB:
    :func:`~diptych.kernels.skipgram.train` says how much. The reference keeps all walks. Time is O(epochs ·
    n · walks_per_node · walk_length · window · negative · dimensions).

    A node without edges keeps the small random vector that training begins with.

    References
    ----------
    .. [1] B. Perozzi, R. Al-Rfou and S. Skiena, "DeepWalk: Online learning of social representations", KDD,
       2014.
    .. [2] T. Mikolov, I. Sutskever, K. Chen, G. Corrado and J. Dean, "Distributed representations of words
       and phrases and their compositionality", NeurIPS, 2013.

    Examples
    --------
    >>> from diptych import DeepWalk
    >>> edges = [("ann", "bob"), ("bob", "cleo"), ("cleo", "ann"), ("dan", "eve"), ("eve", "fay"),
    ...          ("fay", "dan")]
    >>> model = DeepWalk(dimensions=8, window=2, epochs=20, random_state=0).fit(edges)
    >>> model.embedding_.shape
    (6, 8)
    >>> sorted(name for name, cosine in model.most_similar("ann", k=2))
    ['bob', 'cleo']
    """

    def __init__(
        self,
        dimensions: int = 128,
        *,
        walk_length: int = 80,
        walks_per_node: int = 10,
        window: int = 10,
        negative: int = 5,
        exponent: float = 0.75,
        shrink: bool = True,
        epochs: int = 1,
        learning_rate: float = 0.025,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: bool = False,
        backend: str = "rust",
    ) -> None:
        self.dimensions = dimensions
        self.walk_length = walk_length
        self.walks_per_node = walks_per_node
        self.window = window
        self.negative = negative
        self.exponent = exponent
        self.shrink = shrink
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.backend = backend


class Node2Vec(WalkEmbedding):
    """Vectors for the nodes of a graph, from random walks of the second order [1]_.

    As :class:`DeepWalk`, but a walk that came from u to v weighs its next step to x by 1/p if x is u, by 1 if
    x is a neighbour of u, else by 1/q, each times the weight of the edge. ``p == q == 1`` is DeepWalk.

    Parameters
    ----------
    dimensions : int, default=128
        Length of a vector.
    walk_length : int, default=80
        Nodes in a walk, the first included.
    walks_per_node : int, default=10
        Walks that start at each node.
    window : int, default=10
        How far apart in a walk two nodes may stand to count as close.
    negative : int, default=5
        Nodes drawn at random, for each that is close, to push apart from.
    exponent : float, default=0.75
        Power of the visits by which they are drawn.
    shrink : bool, default=True
        Whether each window is cut to a radius drawn from 1 to `window`, so that near nodes count more.
    epochs : int, default=1
        How often to go through the walks.
    learning_rate : float, default=0.025
        Length of a step at the beginning; it falls linearly to 0.0001, or stays if it is below.
    random_state : None, int, RandomState, Generator or SeedSequence, default=None
        Where the randomness comes from; None takes fresh entropy. An integer or a SeedSequence gives the same
        result at each fit, the two generators of NumPy another.
    n_jobs : int or None, default=None
        Number of threads. None means :func:`diptych.get_num_threads`, all cores unless set otherwise. The
        result does not depend on it.
    verbose : bool, default=False
        Whether to show a progress bar with the time left, on standard error; needs tqdm. The reference
        reports no progress.
    backend : {'rust', 'reference'}, default='rust'
        Which panel does the work. The reference is for reading and for tests: the same walks and draws, but
        in float64 and NumPy, so that vectors agree up to rounding; slow.
    p : float, default=1.0
        Return parameter: the greater, the less often a walk turns back at once.
    q : float, default=1.0
        In-out parameter: the greater, the closer a walk stays to where it came from.

    Attributes
    ----------
    embedding_ : ndarray of shape (n, dimensions), float32
        A vector for each node.
    contexts_ : ndarray of shape (n, dimensions), float32
        The other table of skip-gram: ``embedding_[v] @ contexts_[c]`` says how much more often than by chance
        walks have c near v.
    losses_ : ndarray of shape (epochs,), float64
        Mean loss of a pair in each epoch.
    node_names_ : ndarray of shape (n,)
        The name of each row, as in :attr:`diptych.Graph.node_names`.

    See Also
    --------
    DeepWalk : The same with walks of the first order.
    diptych.kernels.walks.random_walks : The walks, exact for every p and q.

    Notes
    -----
    With an integer seed s, fitting equals ``train(random_walks(graph, …, rng=s), n_nodes=n, …, rng=s)`` of
    :mod:`diptych.kernels`, bit for bit, for every `n_jobs`. Walks are not kept: memory at the peak is two
    tables of n · dimensions float32, `dimensions` rounded up to a multiple of 16, results included, plus 64
    bytes per node, 64 MiB, and what :func:`~diptych.kernels.walks.random_walks` makes of the edges: 4 bytes
    each, where weights differ within a row 12, beside the graph, which must not change meanwhile. Walks of
    more than 1,000 nodes, or more dimensions than 128 in walks of hundreds, take more than the 64 MiB:
    :func:`~diptych.kernels.skipgram.train` says how much. The reference keeps all walks. Time is O(epochs ·
    n · walks_per_node · walk_length · window · negative · dimensions).

    A node without edges keeps the small random vector that training begins with.

    References
    ----------
    .. [1] A. Grover and J. Leskovec, "node2vec: Scalable feature learning for networks", KDD, 2016.
    .. [2] T. Mikolov, I. Sutskever, K. Chen, G. Corrado and J. Dean, "Distributed representations of words
       and phrases and their compositionality", NeurIPS, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych import DeepWalk, Node2Vec, datasets
    >>> edges, _, _ = datasets.load_karate()
    >>> vectors = Node2Vec(16, p=0.25, q=4.0, random_state=0).fit_transform(edges)
    >>> vectors.shape
    (34, 16)
    >>> first_order = Node2Vec(16, random_state=0).fit_transform(edges)
    >>> np.array_equal(first_order, DeepWalk(16, random_state=0).fit_transform(edges))
    True
    """

    def __init__(
        self,
        dimensions: int = 128,
        *,
        walk_length: int = 80,
        walks_per_node: int = 10,
        window: int = 10,
        negative: int = 5,
        exponent: float = 0.75,
        shrink: bool = True,
        epochs: int = 1,
        learning_rate: float = 0.025,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: bool = False,
        backend: str = "rust",
        p: float = 1.0,
        q: float = 1.0,
    ) -> None:
        self.dimensions = dimensions
        self.walk_length = walk_length
        self.walks_per_node = walks_per_node
        self.window = window
        self.negative = negative
        self.exponent = exponent
        self.shrink = shrink
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.backend = backend
        self.p = p
        self.q = q

    def _steps(self) -> dict[str, Any]:
        biases = {name: _validate_walks.bias(getattr(self, name), name) for name in ("p", "q")}
        return super()._steps() | biases
