"""The small layers, written once, in NumPy: linear, embedding, dropout."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from diptych import _validate_nn as _check
from diptych._validate import FloatArray, seed_key
from diptych.nn._layer import Gradients, Layer, Part, left_behind
from diptych.reference.rng import words_at


class Linear(Layer):
    """y = x Wᵀ + b, as ``torch.nn.Linear``.

    Parameters
    ----------
    in_features, out_features : int
        Numbers of inputs and outputs.
    bias : bool, default=True
        Whether b is there.
    dtype : dtype, default=np.float32
        float32 or float64.
    rng : None, int, SeedSequence or Generator, default=None
        Where first weights come from: uniform within ±1/√in_features.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych import nn
    >>> layer = nn.Linear(2, 1, dtype=np.float64)
    >>> layer.load_state_dict({"weight": [[1.0, -2.0]], "bias": [0.5]})
    >>> layer([[3.0, 1.0]])
    array([[1.5]])
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
        rng: Any = None,
    ) -> None:
        super().__init__(dtype)
        self.in_features = _check.count(in_features, "in_features")
        self.out_features = _check.count(out_features, "out_features")
        shapes: dict[str, tuple[int, ...]] = {"weight": (self.out_features, self.in_features)}
        if _check.flag(bias, "bias"):
            shapes["bias"] = (self.out_features,)
        bound = self.in_features**-0.5
        self._draw(shapes, rng, lambda draws: draws.uniform(bound))
        self._x: FloatArray | None = None

    def __repr__(self) -> str:
        return f"Linear({self.in_features}, {self.out_features}, bias={'bias' in self._weights})"

    def __call__(self, x: ArrayLike, *, training: bool = False) -> FloatArray:
        """Return outputs of shape (…, out_features) of inputs (…, in_features).

        With ``training=True`` the input is kept for :meth:`backward`: do not change it before.
        """
        if training:
            self._x = None  # a call that is refused closes the way back through the one before
        X = _check.batch(x, "x", self.in_features, self.dtype)
        if training:
            self._x = X
        y = X.reshape(-1, self.in_features) @ self._weights["weight"].T
        if "bias" in self._weights:
            y += self._weights["bias"]
        return y.reshape(*X.shape[:-1], self.out_features)

    def backward(self, d_output: ArrayLike) -> Gradients:
        """Return derivatives by x and the weights, from those by the output of the last training call."""
        X: FloatArray = left_behind(self._x)
        dy = _check.gradient(d_output, "d_output", (*X.shape[:-1], self.out_features), self.dtype)
        self._x = None
        rows, dy = X.reshape(-1, self.in_features), dy.reshape(-1, self.out_features)
        by = {"weight": dy.T @ rows}
        if "bias" in self._weights:
            by["bias"] = dy.sum(axis=0)
        return Gradients((dy @ self._weights["weight"]).reshape(X.shape), by)


class Embedding(Layer):
    """A vector for each of a number of things, as ``torch.nn.Embedding``.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        How many things there are, and how long their vectors are.
    dtype : dtype, default=np.float32
        float32 or float64.
    rng : None, int, SeedSequence or Generator, default=None
        Where first vectors come from: normal, with variance 1.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych import nn
    >>> layer = nn.Embedding(3, 2, dtype=np.float64)
    >>> layer.load_state_dict({"weight": [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]})
    >>> layer([2, 0], training=True)
    array([[4., 5.],
           [0., 1.]])
    >>> layer.backward([[1.0, 1.0], [2.0, 2.0]]).weights["weight"]
    array([[2., 2.],
           [0., 0.],
           [1., 1.]])
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, *, dtype: DTypeLike = np.float32, rng: Any = None
    ) -> None:
        super().__init__(dtype)
        self.num_embeddings = _check.count(num_embeddings, "num_embeddings")
        self.embedding_dim = _check.count(embedding_dim, "embedding_dim")
        shape = self.num_embeddings, self.embedding_dim
        self._draw({"weight": shape}, rng, lambda draws: draws.normal())
        self._indices: NDArray[Any] | None = None

    def __repr__(self) -> str:
        return f"Embedding({self.num_embeddings}, {self.embedding_dim})"

    def __call__(self, indices: ArrayLike, *, training: bool = False) -> FloatArray:
        """Return vectors, of shape (…, embedding_dim), of numbers from 0 to num_embeddings − 1."""
        if training:
            self._indices = None
        places = _check.numbers_below(indices, "indices", self.num_embeddings)
        if training:
            self._indices = places
        vectors: FloatArray = self._weights["weight"][places]
        return vectors

    def backward(self, d_output: ArrayLike) -> Gradients:
        """Return derivatives by the vectors, from those by the output of the last training call."""
        places = left_behind(self._indices)
        dy = _check.gradient(d_output, "d_output", (*places.shape, self.embedding_dim), self.dtype)
        self._indices = None
        by = np.zeros((self.num_embeddings, self.embedding_dim), self.dtype)
        if places.size:
            order = np.argsort(
                places, axis=None, kind="stable"
            )  # the rows of a thing are added in their order
            found, first = np.unique(places.ravel()[order], return_index=True)
            by[found] = np.add.reduceat(dy.reshape(-1, self.embedding_dim)[order], first, axis=0)
        return Gradients(None, {"weight": by})


class Dropout(Part):
    """Set a share of the numbers to 0 in training, and scale the others so that the mean stays.

    Parameters
    ----------
    p : float, default=0.5
        The probability of each number to be dropped, from 0 to below 1.
    rng : None, int, SeedSequence or Generator, default=None
        Where the choice comes from. The n-th training call has the n-th stream, and each number its own place
        in it, so that a seed fixes all.

    Notes
    -----
    Outside training the input itself is returned.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych import nn
    >>> dropout = nn.Dropout(0.5, rng=0)
    >>> sorted(set(dropout(np.ones(1000), training=True)))
    [np.float64(0.0), np.float64(2.0)]
    """

    def __init__(self, p: float = 0.5, *, rng: Any = None) -> None:
        self.p = _check.probability(p, "p")
        self._key, self._calls = seed_key(rng), 0
        self._kept: Any = None

    def __repr__(self) -> str:
        return f"Dropout(p={self.p})"

    def __call__(self, x: ArrayLike, *, training: bool = False) -> FloatArray:
        """Return x, floating-point numbers of any shape, in training with a share of it dropped."""
        if training:
            self._kept = None
        x = _check.any_floats(x, "x")  # whole numbers could not be scaled
        if not training:
            return x
        if self.p == 0.0:
            self._kept = 1
            return x
        n, self._calls = x.size, self._calls + 1
        words = words_at(self._key, self._calls, np.arange((n + 1) // 2, dtype=np.uint64))
        halves = words.astype("<u8", copy=False).view("<u4")[:n]  # two draws of 32 bits each
        kept = halves >= np.uint32(min(round(self.p * 2**32), 2**32 - 1))
        self._kept = kept.reshape(x.shape) * x.dtype.type(1 / (1 - self.p))
        return np.asarray(x * self._kept)

    def backward(self, d_output: FloatArray) -> FloatArray:
        """Return derivatives by x, from those by the output of the last training call."""
        kept = left_behind(self._kept)
        self._kept = None
        return d_output if self.p == 0.0 else np.asarray(d_output * kept)
