"""Recurrent networks: layers over layers, in one direction or both, with weights named as in torch.nn."""

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from diptych import _validate_nn as _check
from diptych._validate import FloatArray, seed_key
from diptych.nn._cells import lstm_cell, rnn_cell
from diptych.nn._layer import Gradients, Layer
from diptych.nn._small import Dropout

_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class _Tape(NamedTuple):
    """What a training call leaves for the way back."""

    of_cells: list[Any]
    shape: tuple[int, ...]  # of the output, time first


class _Recurrent(Layer):
    """Layers of cells, and everything that does not depend on which cell it is."""

    _gates: ClassVar[int]
    _state_names: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: DTypeLike = np.float32,
        backend: str = "rust",
        n_jobs: int | None = None,
        rng: Any = None,
    ) -> None:
        super().__init__(dtype)
        self.input_size = _check.count(input_size, "input_size")
        self.hidden_size = _check.count(hidden_size, "hidden_size")
        self.num_layers = _check.count(num_layers, "num_layers")
        self.bias = _check.flag(bias, "bias")
        self.batch_first = _check.flag(batch_first, "batch_first")
        self.dropout = _check.probability(dropout, "dropout")
        self.bidirectional = _check.flag(bidirectional, "bidirectional")
        self.backend, self.n_jobs = _check.backend(backend), n_jobs
        self._cells: list[Any] | None = None
        self._step: Any = None  # of the only cell, where there is one and it is packed
        self._tape: _Tape | None = None
        key = seed_key(rng)
        self._between = [Dropout(self.dropout, rng=key ^ layer) for layer in range(1, self.num_layers)]
        bound = self.hidden_size**-0.5
        self._draw(self._shapes(), key, lambda draws: draws.uniform(bound))

    # Weights

    def _suffixes(self) -> Iterator[str]:
        """Yield what ends the names of each cell's weights, in the order of the states."""
        for layer in range(self.num_layers):
            yield f"_l{layer}"
            if self.bidirectional:
                yield f"_l{layer}_reverse"

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        rows, directions = self._gates * self.hidden_size, 1 + self.bidirectional
        found: dict[str, tuple[int, ...]] = {}
        for number, suffix in enumerate(self._suffixes()):
            inputs = self.input_size if number < directions else directions * self.hidden_size
            shapes = [(rows, inputs), (rows, self.hidden_size), (rows,), (rows,)]
            for name, shape in zip(_NAMES[: 2 + 2 * self.bias], shapes, strict=False):
                found[name + suffix] = shape
        return found

    def _replace(self, weights: Any) -> None:
        super()._replace(weights)
        self._cells = self._step = None  # packed from the old ones

    def _packed(self) -> list[Any]:
        """Return the cells, made of the weights as they are now."""
        cells = self._cells
        if cells is None:
            of = self._weights
            cells = [
                self._cell(tuple(of.get(name + suffix) for name in _NAMES)) for suffix in self._suffixes()
            ]
            self._cells = cells
            if len(cells) == 1 and self.backend == "rust":
                self._step = cells[0].step
        return cells

    def _cell(self, weights: Any) -> Any:
        raise NotImplementedError

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_cells": None, "_step": None, "_tape": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for array in self._weights.values():  # which a pickle forgets
            array.flags.writeable = False

    def __repr__(self) -> str:
        said = [str(self.input_size), str(self.hidden_size)]
        said += [f"num_layers={self.num_layers}"] if self.num_layers > 1 else []
        said += [] if self.bias else ["bias=False"]
        said += [f"{name}=True" for name in ("batch_first", "bidirectional") if getattr(self, name)]
        said += [f"dropout={self.dropout}"] if self.dropout else []
        said += [] if self.dtype == np.float32 else [f"dtype=np.{self.dtype}"]
        said += [] if self.backend == "rust" else [f"backend={self.backend!r}"]
        return f"{type(self).__name__}({', '.join(said)})"

    # There and back

    def __call__(
        self, x: ArrayLike, state: Any = None, lengths: ArrayLike | None = None, *, training: bool = False
    ) -> tuple[FloatArray, Any]:
        """Read whole sequences.

        Parameters
        ----------
        x : array-like of shape (T, B, input_size), real
            The inputs; (B, T, input_size) with ``batch_first=True``.
        state : None or what an earlier call returned, default=None
            What to begin with; None is 0.
        lengths : array-like of shape (B,), integer, or None, default=None
            How many steps each sequence has, in any order; None means T. What `x` holds after them is not
            read, and directions that run backwards begin at each sequence's own end.
        training : bool, default=False
            Whether to keep what :meth:`backward` needs, and to drop out.

        Returns
        -------
        output : ndarray of shape (T, B, D · hidden_size)
            What the last layer says after each step, both directions side by side; 0 after the end of a
            sequence. (B, T, …) with ``batch_first=True``. After a training call the network still reads it:
            change it only after :meth:`backward`.
        state
            The last state of each layer and direction, of each sequence at its own end: of shape
            (num_layers · D, B, hidden_size), the order being layer 0, layer 0 backwards, layer 1, …; D is 2
            with ``bidirectional=True``, else 1. Of an LSTM, the pair (h, c) of such arrays.

        Raises
        ------
        ValueError
            If a shape does not fit, or a length is not from 1 to T.
        TypeError
            If an argument holds no real numbers or has a wider dtype than the network. (The error is a
            ValueError as well.)
        MemoryError
            If the result does not fit; the message names its size.
        """
        X = _check.sequences(x, self.dtype, self.input_size, self.batch_first)
        T, B, _ = X.shape
        cells = self._cells or self._packed()
        first = _check.states(state, self._state_names, (len(cells), B, self.hidden_size), self.dtype)
        ends = None if lengths is None else _check.lengths(lengths, T, B)
        keep = training is not False and _check.flag(training, "training")
        if len(cells) == 1:
            y, last, tape = cells[0].run(X, [s[0] for s in first], ends, False, keep, self.n_jobs)
            tapes, ends_in = [tape], tuple(s[None] for s in last)
        else:
            y, ends_in, tapes = self._through(X, first, ends, keep)
        if keep:
            self._tape = _Tape(tapes, y.shape)
        output = np.ascontiguousarray(y.swapaxes(0, 1)) if self.batch_first else y
        return output, ends_in if len(ends_in) > 1 else ends_in[0]

    def _through(self, y: Any, first: Any, ends: Any, keep: bool) -> Any:
        """Read layer by layer; return the output, the last states and the tapes of the cells."""
        directions = 1 + self.bidirectional
        last, tapes = [], []
        for layer in range(self.num_layers):
            if layer > 0:
                y = self._between[layer - 1](y, training=keep)
            said = []
            for way in range(directions):
                at = layer * directions + way
                part, states, tape = self._packed()[at].run(
                    y, [s[at] for s in first], ends, way == 1, keep, self.n_jobs
                )
                said.append(part)
                last.append(states)
                tapes.append(tape)
            y = said[0] if directions == 1 else np.concatenate(said, axis=2)
        return y, tuple(np.stack(part) for part in zip(*last, strict=True)), tapes

    def backward(self, d_output: ArrayLike, d_state: Any = None) -> Gradients:
        """Go back through the last training call.

        Parameters
        ----------
        d_output : array-like of the shape of the output, real
            Derivatives of the loss by the output. What it holds after the end of a sequence is not read.
        d_state : None or of the form of the state, default=None
            Derivatives by the last states, beside those by the output; None is 0.

        Returns
        -------
        Gradients
            `x`, of the shape of the input, 0 after the end of a sequence; `weights`, by the names of
            :meth:`state_dict`; `state`, by the states at the beginning.

        Raises
        ------
        RuntimeError
            If there was no training call, or its way back has been gone.
        ValueError, TypeError
            If a gradient has not the shape of what it is by, or a wider dtype than the network.
        """
        if self._tape is None:
            raise RuntimeError(
                "there is nothing to go back through: call the network with training=True first, once for "
                "each time back."
            )
        tapes, shape = self._tape
        T, B, _ = shape
        dy = _check.gradient(
            d_output, "d_output", (B, T, shape[2]) if self.batch_first else shape, self.dtype
        )
        if self.batch_first:
            dy = dy.swapaxes(0, 1)
        names = tuple(f"d_{name}" for name in self._state_names)
        last = _check.states(d_state, names, (len(tapes), B, self.hidden_size), self.dtype)
        self._tape = None
        dx, weights, states = self._back(tapes, dy, last)
        if self.batch_first:
            dx = np.ascontiguousarray(dx.swapaxes(0, 1))
        by_state = tuple(np.stack(part) for part in zip(*states, strict=True))
        return Gradients(dx, weights, by_state if len(by_state) > 1 else by_state[0])

    def _back(self, tapes: list[Any], dy: Any, last: Any) -> Any:
        """Go back layer by layer; return derivatives by x, by the weights and by the first states."""
        directions, H = 1 + self.bidirectional, self.hidden_size
        suffixes, cells = list(self._suffixes()), self._packed()
        weights: dict[str, FloatArray] = {}
        states: list[Any] = [None] * len(cells)
        for layer in reversed(range(self.num_layers)):
            dx: Any = None
            for way in range(directions):
                at = layer * directions + way
                part = np.ascontiguousarray(dy[:, :, way * H : (way + 1) * H])
                by = cells[at].backward(tapes[at], part, [s[at] for s in last], self.n_jobs)
                for name, key in zip(_NAMES, ("w_ih", "w_hh", "b_ih", "b_hh"), strict=True):
                    if name + suffixes[at] in self._weights:
                        weights[name + suffixes[at]] = getattr(by, key)
                states[at] = tuple(getattr(by, name) for name in self._by_states)
                dx = by.x if dx is None else np.add(dx, by.x, out=dx)
            dy = self._between[layer - 1].backward(dx) if layer > 0 else dx
        return dy, {name: weights[name] for name in self._weights}, states

    @property
    def _by_states(self) -> tuple[str, ...]:
        return tuple(f"{name}0" for name in self._state_names)

    # One step

    def _checked_step(self, x: ArrayLike, state: Any) -> tuple[FloatArray, Any]:
        """Read one input of each sequence, whatever comes and however many layers there are."""
        if self.bidirectional:
            raise ValueError(
                "a bidirectional network cannot be streamed, its way back begins at the end: call it on "
                "whole sequences."
            )
        y: NDArray[Any] = _check.step_inputs(x, self.dtype, self.input_size)
        shape = self.num_layers, len(y), self.hidden_size
        before = _check.states(state, self._state_names, shape, self.dtype)
        after = tuple(np.empty(shape, self.dtype) for _ in before)
        for layer, cell in enumerate(self._packed()):
            new = cell.step(y, *(s[layer] for s in before))
            new = new if isinstance(new, tuple) else (new,)
            for part, to in zip(new, after, strict=True):
                to[layer] = part
            y = new[0]
        return y, after if len(after) > 1 else after[0]


class RNN(_Recurrent):
    """A plain recurrent network, as ``torch.nn.RNN``.

    Parameters
    ----------
    input_size, hidden_size : int
        Numbers of inputs and of units.
    num_layers : int, default=1
        How many layers; each reads the output of the one below.
    nonlinearity : {"tanh", "relu", "identity"}, default="tanh"
        What the sums go through.
    bias : bool, default=True
        Whether there are biases, two for each unit, as PyTorch has them.
    batch_first : bool, default=False
        Whether inputs and outputs are (B, T, …) rather than (T, B, …). States are not concerned.
    dropout : float, default=0.0
        The share of numbers dropped between layers, in training.
    bidirectional : bool, default=False
        Whether each layer reads in both directions.
    dtype : dtype, default=np.float32
        float32 or float64.
    backend : {"rust", "reference"}, default="rust"
        Which panel does the work.
    n_jobs : int or None, default=None
        Number of threads; None means :func:`diptych.get_num_threads`. The result does not depend on it.
    rng : None, int, SeedSequence or Generator, default=None
        Where first weights, and what is dropped, come from: uniform within ±1/√hidden_size, as in PyTorch.

    Notes
    -----
    The arithmetic, its determinism and its memory are those of :mod:`diptych.kernels.recurrent`; a step is a
    sequence of one, bit for bit, with either backend's own arithmetic.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych import nn
    >>> net = nn.RNN(3, 5, num_layers=2, rng=0)
    >>> output, h = net(np.zeros((4, 1, 3), np.float32), lengths=[2])  # the other two steps are not there
    >>> output.shape, h.shape, bool((output[1] == h[1]).all())
    ((4, 1, 5), (2, 1, 5), True)
    """

    _gates = 1
    _state_names = ("h",)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        dtype: DTypeLike = np.float32,
        backend: str = "rust",
        n_jobs: int | None = None,
        rng: Any = None,
    ) -> None:
        self.nonlinearity = _check.nonlinearity(nonlinearity)
        super().__init__(
            input_size, hidden_size, num_layers, bias=bias, batch_first=batch_first, dropout=dropout,
            bidirectional=bidirectional, dtype=dtype, backend=backend, n_jobs=n_jobs, rng=rng,
        )  # fmt: skip

    def _cell(self, weights: Any) -> Any:
        return rnn_cell(self.backend, weights, self.nonlinearity)

    def step(self, x: ArrayLike, state: Any = None) -> tuple[FloatArray, FloatArray]:
        """Read one input of each sequence.

        Parameters
        ----------
        x : array-like of shape (B, input_size), real
            One input of each of B sequences.
        state : ndarray of shape (num_layers, B, hidden_size), or None, default=None
            What the step or sequence before returned; None is 0.

        Returns
        -------
        y : ndarray of shape (B, hidden_size)
            What the last layer says.
        state : ndarray of shape (num_layers, B, hidden_size)
            The state after it.

        Raises
        ------
        ValueError
            If the network is bidirectional, or a shape does not fit.
        TypeError
            As when it is called.
        """
        step = self._step
        if step is not None:
            try:  # a stream of steps brings what fits; all else goes the slow way, which says what is wrong
                batch, inputs = x.shape  # type: ignore[union-attr]
                if (
                    inputs == self.input_size
                    and state.shape == (1, batch or 1, self.hidden_size)
                    and type(x) is type(state) is np.ndarray
                ):
                    h = step(x, state[0])
                    return h.copy(), h[None]
            except (AttributeError, TypeError, ValueError):
                pass
        return self._checked_step(x, state)


class LSTM(_Recurrent):
    """A network with long short-term memory, as ``torch.nn.LSTM``.

    Parameters
    ----------
    input_size, hidden_size : int
        Numbers of inputs and of units.
    num_layers : int, default=1
        How many layers; each reads the output of the one below.
    bias : bool, default=True
        Whether there are biases, two for each row of weights, as PyTorch has them.
    batch_first : bool, default=False
        Whether inputs and outputs are (B, T, …) rather than (T, B, …). States are not concerned.
    dropout : float, default=0.0
        The share of numbers dropped between layers, in training.
    bidirectional : bool, default=False
        Whether each layer reads in both directions.
    dtype : dtype, default=np.float32
        float32 or float64.
    backend : {"rust", "reference"}, default="rust"
        Which panel does the work.
    n_jobs : int or None, default=None
        Number of threads; None means :func:`diptych.get_num_threads`. The result does not depend on it.
    rng : None, int, SeedSequence or Generator, default=None
        Where first weights, and what is dropped, come from: uniform within ±1/√hidden_size, as in PyTorch.

    Notes
    -----
    The arithmetic, its determinism and its memory are those of :mod:`diptych.kernels.recurrent`. With
    ``backend="rust"`` a step is a sequence of one, and a sequence its steps, bit for bit. Weights are packed
    once, at the first call after they were replaced.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych import nn
    >>> net = nn.LSTM(3, 5, rng=0)
    >>> x = np.ones((4, 1, 3), np.float32)
    >>> output, state = net(x)
    >>> later = None
    >>> for x_t in x:
    ...     y, later = net.step(x_t, later)
    >>> bool((y == output[-1]).all())
    True
    """

    _gates = 4
    _state_names = ("h", "c")

    def _cell(self, weights: Any) -> Any:
        return lstm_cell(self.backend, weights)

    def step(self, x: ArrayLike, state: Any = None) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
        """Read one input of each sequence.

        Parameters
        ----------
        x : array-like of shape (B, input_size), real
            One input of each of B sequences.
        state : (h, c), each an ndarray of shape (num_layers, B, hidden_size), or None, default=None
            What the step or sequence before returned; None is 0.

        Returns
        -------
        y : ndarray of shape (B, hidden_size)
            What the last layer says.
        state : (h, c), each an ndarray of shape (num_layers, B, hidden_size)
            The state after it.

        Raises
        ------
        ValueError
            If the network is bidirectional, or a shape does not fit.
        TypeError
            As when it is called.
        """
        step = self._step
        if step is not None:
            try:  # a stream of steps brings what fits; all else goes the slow way, which says what is wrong
                h, c = state
                batch, inputs = x.shape  # type: ignore[union-attr]
                if (
                    inputs == self.input_size
                    and h.shape == c.shape == (1, batch or 1, self.hidden_size)
                    and type(x) is type(h) is type(c) is np.ndarray
                ):
                    h, c = step(x, h[0], c[0])
                    return h.copy(), (h[None], c[None])
            except (AttributeError, TypeError, ValueError):
                pass
        return self._checked_step(x, state)
