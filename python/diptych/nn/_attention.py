"""Attention with several heads, weights and masks as in torch.nn."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from diptych import _validate_nn as _check
from diptych._validate import FloatArray
from diptych.nn._layer import Draws, Gradients, Layer, left_behind
from diptych.nn._sizes import sizes_of_attention
from diptych.reference import attention as _reference


class _Tape(NamedTuple):
    """What a training call leaves for the way back."""

    inputs: tuple[FloatArray, FloatArray, FloatArray]  # query, key, value
    of_heads: Any
    heads: FloatArray  # what the heads say, side by side, a row for each position: (positions, embed_dim)


class MultiheadAttention(Layer):
    """Attention in several heads at once, as ``torch.nn.MultiheadAttention``.

    Query, key and value are projected and cut into heads of embed_dim / num_heads features; each head
    attends by itself; what they say, side by side, is projected once more.

    Parameters
    ----------
    embed_dim : int
        Number of features of queries, keys, values and outputs.
    num_heads : int
        How many heads; a divisor of `embed_dim`.
    bias : bool, default=True
        Whether the projections have biases.
    batch_first : bool, default=False
        Whether inputs and outputs are (B, L, …) rather than (L, B, …).
    dtype : dtype, default=np.float32
        float32 or float64.
    backend : {"rust", "reference"}, default="rust"
        Which panel attends; the projections are NumPy's in both.
    n_jobs : int or None, default=None
        Number of threads of the kernel; None means :func:`diptych.get_num_threads`. The result does not
        depend on it.
    rng : None, int, SeedSequence or Generator, default=None
        Where first weights come from: as in PyTorch, ``in_proj_weight`` uniform within
        ±√(6 / (4 · embed_dim)), ``out_proj.weight`` within ±1/√embed_dim; biases are 0.

    See Also
    --------
    diptych.kernels.attention.scaled_dot_product_attention : What each head does. Its boolean mask has the
        opposite meaning.

    Notes
    -----
    PyTorch's `kdim`, `vdim`, `add_bias_kv`, `add_zero_attn` and dropout of weights are not there. A query
    that may look at no key gets zeros from the heads, where PyTorch may say NaN.

    A key that nobody may look at has no influence on outputs, whatever it and its value hold; but the
    derivatives by the weights are sums over all inputs, so that in training these must be finite.

    Masks are made one mask in the meaning of the kernels. Numbers alone in the dtype of the layer are read
    where they lie; anything else takes a new array, in a training call until the way back: of a byte for
    each entry of a boolean `attn_mask`, of one for each of B · L · S if both masks are given, or of
    B · num_heads · L · S where `attn_mask` has a table for each head; of as many numbers if either mask holds
    numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych import nn
    >>> attention = nn.MultiheadAttention(8, 2, batch_first=True, rng=0)
    >>> x = np.random.default_rng(0).normal(size=(1, 3, 8)).astype(np.float32)
    >>> output, weights = attention(x, x, x, key_padding_mask=[[False, False, True]])
    >>> output.shape, weights.shape, bool((weights[:, :, 2] == 0).all())
    ((1, 3, 8), (1, 3, 3), True)
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        *,
        bias: bool = True,
        batch_first: bool = False,
        dtype: DTypeLike = np.float32,
        backend: str = "rust",
        n_jobs: int | None = None,
        rng: Any = None,
    ) -> None:
        super().__init__(dtype)
        self.embed_dim = E = _check.count(embed_dim, "embed_dim")
        self.num_heads = _check.divisor(num_heads, "num_heads", E, "embed_dim")
        self.bias = _check.flag(bias, "bias")
        self.batch_first = _check.flag(batch_first, "batch_first")
        self.backend, self.n_jobs = _check.backend(backend), _check.n_jobs(n_jobs)
        self._scale: float | None = None  # None is 1/√d; the study `scaling` tries others
        bounds: dict[tuple[int, ...], float] = {(3 * E, E): (1.5 / E) ** 0.5, (E, E): E**-0.5}

        def law(draws: Draws) -> Any:
            bound = bounds.get(draws.shape)
            return np.zeros(draws.shape) if bound is None else draws.uniform(bound)

        self._draw(self._shapes(), rng, law)
        self._tape: _Tape | None = None

    @classmethod
    def from_state_dict(
        cls, state_dict: Mapping[str, Any], num_heads: int, *, prefix: str = "", rng: Any = 0, **options: Any
    ) -> Self:
        """Make a layer of weights, its width read off them.

        Parameters
        ----------
        state_dict : mapping of str to array-like
            Weights by their names in PyTorch: ``in_proj_weight``, ``in_proj_bias``, ``out_proj.weight``,
            ``out_proj.bias``; without biases, the two weights.
        num_heads : int
            How many heads, which weights do not tell.
        prefix : str, default=""
            What stands before the names, as "self_attn." where the layer is part of another; all other names
            are passed over.
        **options
            As when a layer is made: `batch_first`, `backend`, `n_jobs`. `dtype` is that of the weights,
            float32 of shorter ones.

        Raises
        ------
        ValueError, TypeError
            As by :meth:`load_state_dict`; if `num_heads` does not divide the width.

        Examples
        --------
        >>> from diptych import nn
        >>> nn.MultiheadAttention.from_state_dict(nn.MultiheadAttention(8, 2).state_dict(), 2)
        MultiheadAttention(8, 2)
        """
        sizes, weights = sizes_of_attention(state_dict, prefix)
        layer = cls(num_heads=num_heads, **(sizes | options), rng=rng)
        layer.load_state_dict(weights)
        return layer

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        E = self.embed_dim
        shapes: dict[str, tuple[int, ...]] = {
            "in_proj_weight": (3 * E, E),
            "in_proj_bias": (3 * E,),
            "out_proj.weight": (E, E),
            "out_proj.bias": (E,),
        }
        return {name: shape for name, shape in shapes.items() if self.bias or "bias" not in name}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_tape": None}

    def __repr__(self) -> str:
        said = [str(self.embed_dim), str(self.num_heads)]
        said += [] if self.bias else ["bias=False"]
        said += ["batch_first=True"] if self.batch_first else []
        said += [] if self.dtype == np.float32 else [f"dtype=np.{self.dtype}"]
        said += [] if self.backend == "rust" else [f"backend={self.backend!r}"]
        return f"MultiheadAttention({', '.join(said)})"

    def __call__(
        self,
        query: ArrayLike,
        key: ArrayLike,
        value: ArrayLike,
        *,
        key_padding_mask: ArrayLike | None = None,
        need_weights: bool = True,
        attn_mask: ArrayLike | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
        training: bool = False,
    ) -> tuple[FloatArray, FloatArray | None]:
        """Let queries attend.

        Parameters
        ----------
        query : array-like of shape (L, B, embed_dim), real
            The queries; (B, L, embed_dim) with ``batch_first=True``.
        key, value : array-like of shape (S, B, embed_dim), real
            The keys and values; (B, S, embed_dim) with ``batch_first=True``. For self-attention, `query`
            thrice.
        key_padding_mask : array-like of shape (B, S), bool or real, or None, default=None
            Boolean: True where a key is ignored, by all queries. Numbers are added to the scores.
        need_weights : bool, default=True
            Whether to return the weights, which takes B · num_heads · L · S numbers. Without them nothing
            grows with L · S but the masks, see the Notes.
        attn_mask : array-like of shape (L, S) or (B · num_heads, L, S), bool or real, or None, default=None
            Boolean: True where a query may not look at a key. Numbers are added to the scores; -inf hides.
        average_attn_weights : bool, default=True
            Whether the weights returned are the mean over the heads.
        is_causal : bool, default=False
            Whether query i looks at the keys ``j <= i`` only. Here this stands for itself, and together with
            masks a key must be allowed by all; in PyTorch it is a hint about `attn_mask`.
        training : bool, default=False
            Whether to keep what :meth:`backward` needs; do not change the inputs and masks before.

        Returns
        -------
        output : ndarray of the shape of query
            What the queries get.
        weights : ndarray of shape (B, L, S), or (B, num_heads, L, S) if not averaged; or None
            How much each query takes of each value; None with ``need_weights=False``.

        Raises
        ------
        ValueError
            If shapes do not fit the layer or each other, or an axis is empty.
        TypeError
            If an input or a mask has a wider dtype than the layer, or a mask holds integers. (The error is a
            ValueError as well.)
        MemoryError
            If the result does not fit; the message names its size.
        """
        keep = _check.flag(training, "training")
        if keep:
            self._tape = None  # a call that is refused closes the way back through the one before
        inputs = _check.attended(query, key, value, self.dtype, self.embed_dim, self.batch_first)
        with_weights, causal = _check.flag(need_weights, "need_weights"), _check.flag(is_causal, "is_causal")
        averaged = _check.flag(average_attn_weights, "average_attn_weights")
        B, L = self._batch_and_length(inputs[0])
        S = self._batch_and_length(inputs[1])[1]
        mask = self._mask(key_padding_mask, attn_mask, (B, self.num_heads, L, S))
        heads = (self._cut(rows, x) for rows, x in zip(self._projected(inputs), inputs, strict=True))
        O, *more = self._panel().scaled_dot_product_attention(  # noqa: E741
            *heads, attn_mask=mask, is_causal=causal, scale=self._scale, return_weights=with_weights,
            return_tape=True, n_jobs=self.n_jobs,
        )  # fmt: skip
        said = self._joined(O)
        if keep:
            self._tape = _Tape(inputs, more[-1], said)
        output = said @ self._weights["out_proj.weight"].T
        if self.bias:
            output += self._weights["out_proj.bias"]
        weights = more[0] if with_weights else None
        if weights is not None and averaged:
            weights = weights.mean(axis=1)
        return output.reshape(inputs[0].shape), weights

    def backward(self, d_output: ArrayLike) -> Gradients:
        """Go back through the last training call.

        Parameters
        ----------
        d_output : array-like of the shape of the output, real
            Derivatives of the loss by the output. The weights that were returned have no part in it.

        Returns
        -------
        Gradients
            `x`, the triple of derivatives by query, key and value: of self-attention, their sum is the
            derivative by its input; `weights`, by the names of :meth:`state_dict`.

        Raises
        ------
        RuntimeError
            If there was no training call, or its way back has been gone.
        ValueError, TypeError
            If `d_output` has not the shape of the output, or a wider dtype than the layer.
        """
        inputs, of_heads, said = left_behind(self._tape)
        dy = _check.gradient(d_output, "d_output", inputs[0].shape, self.dtype).reshape(-1, self.embed_dim)
        self._tape = None
        d_heads = self._cut(dy @ self._weights["out_proj.weight"], inputs[0])
        by_heads = self._panel().scaled_dot_product_attention_backward(of_heads, d_heads, n_jobs=self.n_jobs)
        d_rows = [self._joined(part) for part in by_heads]
        rows = [x.reshape(-1, self.embed_dim) for x in inputs]
        by = {
            "in_proj_weight": np.concatenate([d.T @ x for d, x in zip(d_rows, rows, strict=True)]),
            "in_proj_bias": np.concatenate([d.sum(axis=0) for d in d_rows]),
            "out_proj.weight": dy.T @ said,
            "out_proj.bias": dy.sum(axis=0),
        }
        W: list[Any] = np.split(self._weights["in_proj_weight"], 3)
        d_inputs = tuple((d @ w).reshape(x.shape) for d, w, x in zip(d_rows, W, inputs, strict=True))
        return Gradients(d_inputs, {name: by[name] for name in self._weights})

    # What the two ways are made of

    def _panel(self) -> Any:
        """Return the kernels, imported where they are needed, or the reference, which does without."""
        return _reference if self.backend == "reference" else import_module("diptych.kernels.attention")

    def _batch_and_length(self, x: FloatArray) -> tuple[int, int]:
        return (x.shape[0], x.shape[1]) if self.batch_first else (x.shape[1], x.shape[0])

    def _projected(self, inputs: Any) -> list[Any]:
        """Return rows of projections of query, key and value."""
        W = np.split(self._weights["in_proj_weight"], 3)
        found = [x.reshape(-1, self.embed_dim) @ w.T for x, w in zip(inputs, W, strict=True)]
        if self.bias:
            for rows, b in zip(found, np.split(self._weights["in_proj_bias"], 3), strict=True):
                rows += b
        return found

    def _cut(self, rows: Any, x: FloatArray) -> Any:
        """Cut rows, one for each position of x, into heads: (B, num_heads, L, features)."""
        parts = rows.reshape(*x.shape[:2], self.num_heads, -1)
        return np.ascontiguousarray(parts.transpose((0, 2, 1, 3) if self.batch_first else (1, 2, 0, 3)))

    def _joined(self, heads: Any) -> Any:
        """Undo :meth:`_cut`."""
        parts = heads.transpose((0, 2, 1, 3) if self.batch_first else (2, 0, 1, 3))
        return np.ascontiguousarray(parts).reshape(-1, self.embed_dim)

    def _mask(self, padding: Any, pairs: Any, scores: tuple[int, ...]) -> NDArray[Any] | None:
        """Return one mask, in the meaning of the kernels, as small as it can be."""
        B, H, L, S = scores
        parts = []
        if padding is not None:
            ignored = _check.mask(padding, "key_padding_mask", [(B, S)], self.dtype)
            parts.append(ignored[:, None, None, :])
        if pairs is not None:
            forbidden = _check.mask(pairs, "attn_mask", [(L, S), (B * H, L, S)], self.dtype)
            parts.append(forbidden if forbidden.ndim == 2 else forbidden.reshape(scores))
        if not parts:
            return None
        if all(part.dtype == bool for part in parts):
            return ~(parts[0] | parts[1]) if len(parts) == 2 else ~parts[0]
        zero, hidden = self.dtype.type(0), self.dtype.type(-np.inf)
        added = [np.where(part, hidden, zero) if part.dtype == bool else part for part in parts]
        if len(added) == 1:
            return np.asarray(added[0])
        with np.errstate(over="ignore", invalid="ignore"):
            both = np.asarray(added[0] + added[1])
        for part in added:  # what one hides the other does not show, with NaN or +inf neither
            np.copyto(both, hidden, where=np.isneginf(part))
        return both
