"""A layer of a Transformer's encoder, with names as in torch.nn; and positions as waves."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from diptych import _validate_nn as _check
from diptych._validate import FloatArray, seed_key
from diptych.nn._attention import MultiheadAttention
from diptych.nn._layer import Gradients, Layer, left_behind
from diptych.nn._norm import LayerNorm
from diptych.nn._sizes import sizes_of_encoder_layer
from diptych.nn._small import Dropout, Linear

_PARTS = ("self_attn", "linear1", "linear2", "norm1", "norm2")  # in PyTorch's order


def sinusoidal_positions(length: int, d_model: int, *, dtype: DTypeLike = np.float32) -> FloatArray:
    """Return a vector for each position, to be added to what stands there.

    Parameters
    ----------
    length : int
        Number of positions.
    d_model : int
        Length of the vectors.
    dtype : dtype, default=np.float32
        float32 or float64.

    Returns
    -------
    ndarray of shape (length, d_model)
        ``sin(t / 10000^(2k/d_model))`` in column 2k, the cosine in column 2k + 1, for position t from 0.

    Raises
    ------
    ValueError
        If a number is below 1, or no integer.
    TypeError
        If `dtype` is another. (The error is a ValueError as well.)
    MemoryError
        If the result does not fit; the message names its size.

    References
    ----------
    .. [1] A. Vaswani et al., "Attention is all you need", NeurIPS 2017, section 3.5.

    Examples
    --------
    >>> from diptych import nn
    >>> nn.sinusoidal_positions(2, 4).round(2)
    array([[0.  , 1.  , 0.  , 1.  ],
           [0.84, 0.54, 0.01, 1.  ]], dtype=float32)
    """
    T, d = _check.count(length, "length"), _check.count(d_model, "d_model")
    found = _check.dtype(dtype)
    needed = 8 * T * d  # the angles, in double precision
    try:
        if needed > np.iinfo(np.intp).max:
            raise MemoryError
        columns = np.arange(d)
        angles = np.arange(T)[:, None] * 10000.0 ** (-(columns - columns % 2) / d)
        return np.where(columns % 2 == 0, np.sin(angles), np.cos(angles)).astype(found)
    except MemoryError:
        raise MemoryError(
            f"length={T}, d_model={d}: positions of shape ({T}, {d}) need {needed / 2**30:,.1f} GiB of "
            "memory and more."
        ) from None


class TransformerEncoderLayer(Layer):
    """Attention and two linear layers, each with a way around it, as ``torch.nn.TransformerEncoderLayer``.

    Parameters
    ----------
    d_model : int
        Number of features of inputs and outputs.
    nhead : int
        How many heads attention has; a divisor of `d_model`.
    dim_feedforward : int, default=2048
        Units between the two linear layers.
    dropout : float, default=0.0
        Share of the numbers dropped, in training, of what attention and the linear layers add, and between
        the latter. (PyTorch's default is 0.1, and it drops weights of attention too.)
    activation : {"relu", "gelu"}, default="relu"
        What the units between the linear layers go through; "gelu" is the exact one.
    layer_norm_eps : float, default=1e-5
        The ε of both :class:`LayerNorm`.
    batch_first : bool, default=False
        Whether inputs and outputs are (B, T, …) rather than (T, B, …).
    norm_first : bool, default=False
        Whether norms stand before attention and the linear layers, not behind the sums.
    bias : bool, default=True
        Whether linear layers, attention and norms have biases.
    dtype : dtype, default=np.float32
        float32 or float64.
    backend : {"rust", "reference"}, default="rust"
        Which panel attends; all else is NumPy's in both.
    n_jobs : int or None, default=None
        Number of threads of attention. The result does not depend on it.
    rng : None, int, SeedSequence or Generator, default=None
        Where first weights, and what is dropped, come from.

    Notes
    -----
    With A for attention, F for the linear layers and N for norms, the layer says ``N2(y + F(y))`` of
    ``y = N1(x + A(x))``; with `norm_first` ``y + F(N2(y))`` of ``y = x + A(N1(x))``. It does not know where
    an input stands: permuted inputs give permuted outputs, unless :func:`sinusoidal_positions` are added.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych import nn
    >>> layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, rng=0)
    >>> x = np.random.default_rng(0).normal(size=(1, 5, 8)).astype(np.float32)
    >>> bool(np.allclose(layer(x[:, ::-1])[:, ::-1], layer(x), atol=1e-5))
    True
    >>> positions = nn.sinusoidal_positions(5, 8)
    >>> bool(np.allclose(layer(x[:, ::-1] + positions)[:, ::-1], layer(x + positions), atol=1e-5))
    False
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        *,
        dropout: float = 0.0,
        activation: str = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
        backend: str = "rust",
        n_jobs: int | None = None,
        rng: Any = None,
    ) -> None:
        super().__init__(dtype)
        self.d_model = d = _check.count(d_model, "d_model")
        self.nhead = _check.divisor(nhead, "nhead", d, "d_model")
        self.dim_feedforward = F = _check.count(dim_feedforward, "dim_feedforward")
        self.dropout = _check.probability(dropout, "dropout")
        self.activation = _check.activation(activation)
        self.norm_first = _check.flag(norm_first, "norm_first")
        keys = np.random.SeedSequence(seed_key(rng)).generate_state(6, np.uint64).tolist()
        own: dict[str, Any] = {"bias": bias, "dtype": dtype}
        eps = _check.epsilon(layer_norm_eps, "layer_norm_eps")
        self._parts: dict[str, Any] = {
            "self_attn": MultiheadAttention(
                d, self.nhead, batch_first=batch_first, backend=backend, n_jobs=n_jobs, rng=keys[0], **own
            ),
            "linear1": Linear(d, F, rng=keys[1], **own),
            "linear2": Linear(F, d, rng=keys[2], **own),
            "norm1": LayerNorm(d, eps, **own),
            "norm2": LayerNorm(d, eps, **own),
        }
        self._drops = tuple(Dropout(self.dropout, rng=key) for key in keys[3:])
        self._units: FloatArray | None = None
        for part in _PARTS:
            self._weights |= {f"{part}.{k}": w for k, w in self._parts[part].state_dict().items()}

    @classmethod
    def from_state_dict(
        cls, state_dict: Mapping[str, Any], nhead: int, *, prefix: str = "", rng: Any = 0, **options: Any
    ) -> Self:
        """Make a layer of weights, its sizes read off them.

        Parameters
        ----------
        state_dict : mapping of str to array-like
            Weights by their names in PyTorch: ``self_attn.in_proj_weight``, ``linear1.weight``,
            ``norm1.weight``, …
        nhead : int
            How many heads, which weights do not tell.
        prefix : str, default=""
            What stands before the names, as "layers.0." of the first layer of a
            ``torch.nn.TransformerEncoder``; all other names are passed over.
        **options
            As when a layer is made: `norm_first`, `activation`, `layer_norm_eps` and `batch_first`, which
            weights do not tell either, `backend`, `n_jobs` and `dropout`. `dtype` is that of the weights,
            float32 of shorter ones.

        Raises
        ------
        ValueError, TypeError
            As by :meth:`load_state_dict`; if `nhead` does not divide the width.

        Examples
        --------
        >>> from diptych import nn
        >>> weights = nn.TransformerEncoderLayer(8, 2, 16).state_dict()
        >>> nn.TransformerEncoderLayer.from_state_dict(weights, 2, norm_first=True)
        TransformerEncoderLayer(8, 2, 16, norm_first=True)
        """
        sizes, weights = sizes_of_encoder_layer(state_dict, prefix)
        layer = cls(nhead=nhead, **(sizes | options), rng=rng)
        layer.load_state_dict(weights)
        return layer

    @property
    def batch_first(self) -> bool:
        """Whether inputs and outputs are (B, T, …)."""
        found: bool = self._parts["self_attn"].batch_first
        return found

    @property
    def n_jobs(self) -> int | None:
        """Number of threads of attention."""
        found: int | None = self._parts["self_attn"].n_jobs
        return found

    @n_jobs.setter
    def n_jobs(self, value: int | None) -> None:
        self._parts["self_attn"].n_jobs = value

    def _replace(self, weights: Any) -> None:
        super()._replace(weights)
        for name, weight in weights.items():
            part, _, own = name.partition(".")
            self._parts[part]._replace({own: weight})

    def __repr__(self) -> str:
        said = [str(self.d_model), str(self.nhead), str(self.dim_feedforward)]
        said += [f"dropout={self.dropout}"] if self.dropout else []
        said += [] if self.activation == "relu" else [f"activation={self.activation!r}"]
        said += [f"{name}=True" for name in ("batch_first", "norm_first") if getattr(self, name)]
        said += [] if self._parts["self_attn"].bias else ["bias=False"]
        said += [] if self.dtype == np.float32 else [f"dtype=np.{self.dtype}"]
        backend = self._parts["self_attn"].backend
        said += [] if backend == "rust" else [f"backend={backend!r}"]
        return f"TransformerEncoderLayer({', '.join(said)})"

    def __call__(
        self,
        src: ArrayLike,
        src_mask: ArrayLike | None = None,
        src_key_padding_mask: ArrayLike | None = None,
        is_causal: bool = False,
        *,
        training: bool = False,
    ) -> FloatArray:
        """Return outputs of the shape of the inputs.

        Parameters
        ----------
        src : array-like of shape (T, B, d_model), real
            The inputs; (B, T, d_model) with ``batch_first=True``.
        src_mask : array-like of shape (T, T) or (B · nhead, T, T), bool or real, or None, default=None
            As `attn_mask` of :class:`MultiheadAttention`: True where an input may not look.
        src_key_padding_mask : array-like of shape (B, T), bool or real, or None, default=None
            As `key_padding_mask` there: True where an input is ignored. It still has an output; what that is
            worth is nothing.
        is_causal : bool, default=False
            Whether no input looks at later ones.
        training : bool, default=False
            Whether to keep what :meth:`backward` needs, and to drop out.

        Raises
        ------
        ValueError, TypeError, MemoryError
            As by :class:`MultiheadAttention`.
        """
        keep, norm1, norm2 = _check.flag(training, "training"), self._parts["norm1"], self._parts["norm2"]
        if keep:
            self._units = None  # a call that is refused closes the way back through the one before
        x = _check.positions(src, "src", self.dtype, self.d_model, "d_model", self.batch_first)
        masks = {**self._masks(x, src_mask, src_key_padding_mask), "is_causal": is_causal}
        if self.norm_first:
            x = x + self._attended(norm1(x, training=keep), masks, keep)
            return np.asarray(x + self._forwarded(norm2(x, training=keep), keep))
        x = norm1(x + self._attended(x, masks, keep), training=keep)
        y: FloatArray = norm2(x + self._forwarded(x, keep), training=keep)
        return y

    def backward(self, d_output: ArrayLike) -> Gradients:
        """Return derivatives by src and the weights, from those by the output of the last training call."""
        by: dict[str, dict[str, FloatArray]] = {}

        def back(part: str, dy: Any) -> Any:
            gradients = self._parts[part].backward(dy)
            by[part] = gradients.weights
            return gradients.x

        units = left_behind(self._units)
        shape = (*units.shape[:-1], self.d_model)
        dx: Any = _check.gradient(d_output, "d_output", shape, self.dtype)
        self._units = None
        dx = dx if self.norm_first else back("norm2", dx)
        d_units = self._drops[1].backward(back("linear2", self._drops[2].backward(dx)))
        around = back("linear1", d_units * _slope(units, self.activation))
        dx = dx + (back("norm2", around) if self.norm_first else around)
        dx = dx if self.norm_first else back("norm1", dx)
        d_query, d_key, d_value = back("self_attn", self._drops[0].backward(dx))
        around = d_query + d_key + d_value
        dx = dx + (back("norm1", around) if self.norm_first else around)
        return Gradients(dx, {f"{part}.{k}": w for part in _PARTS for k, w in by[part].items()})

    def _masks(self, x: FloatArray, pairs: Any, padding: Any) -> dict[str, Any]:
        """Check masks under the names they have here, which attention does not know."""
        B, T = x.shape[:2] if self.batch_first else x.shape[1::-1]
        if pairs is not None:
            pairs = _check.mask(pairs, "src_mask", [(T, T), (B * self.nhead, T, T)], self.dtype)
        if padding is not None:
            padding = _check.mask(padding, "src_key_padding_mask", [(B, T)], self.dtype)
        return {"attn_mask": pairs, "key_padding_mask": padding}

    def _attended(self, x: FloatArray, masks: dict[str, Any], keep: bool) -> FloatArray:
        found, _ = self._parts["self_attn"](x, x, x, need_weights=False, training=keep, **masks)
        return self._drops[0](found, training=keep)

    def _forwarded(self, x: FloatArray, keep: bool) -> FloatArray:
        units = self._parts["linear1"](x, training=keep)
        if keep:
            self._units = units
        active = self._drops[1](_active(units, self.activation), training=keep)
        return self._drops[2](self._parts["linear2"](active, training=keep), training=keep)


def _active(x: FloatArray, activation: str) -> Any:
    return np.maximum(x, 0) if activation == "relu" else x * _normal_below(x)


def _slope(x: FloatArray, activation: str) -> Any:
    """Return the derivative of the activation; that of relu at 0 is 0, as in PyTorch."""
    if activation == "relu":
        return (x > 0).astype(x.dtype)
    density = np.exp(x * x * -0.5) * x.dtype.type((2 * np.pi) ** -0.5)
    return _normal_below(x) + x * density


def _normal_below(x: FloatArray) -> Any:
    """Return Φ(x), how likely a normal number is below x."""
    from scipy.special import ndtr

    return ndtr(x)
