"""Layers over layers of recurrent cells, in one direction or both: all that RNN and LSTM have in common."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from diptych import _progress
from diptych import _validate_nn as _check
from diptych._threads import resolve_n_jobs
from diptych._validate import FloatArray, seed_key
from diptych.nn._layer import Gradients, Layer, left_behind
from diptych.nn._onnx import weights_of
from diptych.nn._sizes import sizes_of
from diptych.nn._small import Dropout

_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_SIZES = ("input_size", "hidden_size", "num_layers", "bias", "bidirectional")
# What weights and packed cells are made by; to set it later would be to be ignored, or contradicted.
_FIXED = {*_SIZES, "dropout", "dtype", "backend", "nonlinearity"}


def _suffixes(layers: int, both: bool) -> Iterator[str]:
    for layer in range(layers):
        yield f"_l{layer}"
        if both:
            yield f"_l{layer}_reverse"


class _Tape(NamedTuple):
    """What a training call leaves for the way back."""

    of_cells: list[Any]
    shape: tuple[int, ...]  # of the output, time first


class Stack(Layer):
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
        self.backend, self.n_jobs = _check.backend(backend), _check.n_jobs(n_jobs)
        self._cells: list[Any] | None = None
        # A step, and whole sequences, of the only cell, where there is one and it is packed:
        self._stream: Any = None
        self._sequences: Any = None
        self._tape: _Tape | None = None
        key = seed_key(rng)
        self._between = [Dropout(self.dropout, rng=key ^ layer) for layer in range(1, self.num_layers)]
        bound = self.hidden_size**-0.5
        shapes = self._shapes(**{name: getattr(self, name) for name in _SIZES})
        self._draw(shapes, key, lambda draws: draws.uniform(bound))

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and name in self.__dict__:
            raise AttributeError(
                f"{name} is {getattr(self, name)!r} for the life of this network: make another, and "
                "load_state_dict what fits."
            )
        super().__setattr__(name, value)

    # Weights

    @classmethod
    def from_state_dict(
        cls, state_dict: Mapping[str, Any], *, prefix: str = "", rng: Any = 0, **options: Any
    ) -> Self:
        """Make a network of weights, its sizes read off them.

        Parameters
        ----------
        state_dict : mapping of str to array-like
            Weights by their names in PyTorch: ``weight_ih_l0``, ``weight_hh_l0_reverse``, …
        prefix : str, default=""
            What stands before the names, as "lstm." where the network is part of another; all other names
            are passed over.
        rng : None, int, SeedSequence or Generator, default=0
            Where what is dropped comes from, in training.
        **options
            As when a network is made: `batch_first`, `backend`, `n_jobs`, and of an RNN its `nonlinearity`,
            which weights do not tell. `dtype` is that of the weights, float32 of shorter ones.

        Raises
        ------
        ValueError, TypeError
            As by :meth:`load_state_dict`.

        Examples
        --------
        >>> from diptych import nn
        >>> nn.LSTM.from_state_dict(nn.LSTM(3, 5, 2, bidirectional=True).state_dict())
        LSTM(3, 5, num_layers=2, bidirectional=True)
        """
        sizes, weights = sizes_of(state_dict, prefix, cls.__name__, cls._gates)
        shapes = cls._shapes(**{name: sizes[name] for name in _SIZES})
        _check.fields(weights, shapes, "state_dict")
        for name, shape in shapes.items():  # before a network of this size is made
            if isinstance(weights[name], np.ndarray):
                _check.shaped(weights[name], name, shape)
        net = cls(**(sizes | options), rng=rng)
        net.load_state_dict(weights)
        return net

    @classmethod
    def from_onnx(cls, model: Any, *, node: str | None = None, **options: Any) -> Self:
        """Make a network of the nodes of an ONNX model; the gates are put in PyTorch's order.

        Parameters
        ----------
        model : str, path-like, bytes or onnx.ModelProto
            The model. What else it computes is passed over.
        node : str or None, default=None
            The name of the node to take; None takes all of the kind, as the layers of one network.
        **options
            `backend` and `n_jobs`, as when a network is made. `batch_first` is read off the model: True
            where a Transpose, or the layout of the node, exchanges the axes; passing it decides.

        Raises
        ------
        ImportError
            If the package onnx, of the extra ``nn``, is not installed.
        ValueError
            If the model has no such node, several that are no layers of one network, or one that is
            something else: with peepholes, input_forget, clip, other activations, a first state or lengths
            of its own, backwards alone, or weights that are computed; or if it takes and returns sequences
            in different orders and `batch_first` is not passed.

        Notes
        -----
        The network takes and returns what it does as ``torch.nn`` has it; ONNX's own outputs have an axis of
        directions.
        """
        found = weights_of(model, cls.__name__, node, options.get("batch_first"))
        kind = {"nonlinearity": found.nonlinearity} if found.nonlinearity else {}
        return cls.from_state_dict(found.state_dict, **(options | {"batch_first": found.batch_first} | kind))

    def _suffixes(self) -> Iterator[str]:
        """Yield what ends the names of each cell's weights, in the order of the states."""
        return _suffixes(self.num_layers, self.bidirectional)

    @classmethod
    def _shapes(
        cls, input_size: int, hidden_size: int, num_layers: int, bias: bool, bidirectional: bool
    ) -> dict[str, tuple[int, ...]]:
        rows, directions = cls._gates * hidden_size, 1 + bidirectional
        found: dict[str, tuple[int, ...]] = {}
        for number, suffix in enumerate(_suffixes(num_layers, bidirectional)):
            inputs = input_size if number < directions else directions * hidden_size
            shapes = [(rows, inputs), (rows, hidden_size), (rows,), (rows,)]
            for name, shape in zip(_NAMES[: 2 + 2 * bias], shapes, strict=False):
                found[name + suffix] = shape
        return found

    def _replace(self, weights: Any) -> None:
        super()._replace(weights)
        self._cells = self._stream = self._sequences = None  # packed from the old ones

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
                self._stream, self._sequences = cells[0].stream, cells[0].sequences
        return cells

    def _cell(self, weights: Any) -> Any:
        """Return the cell of one layer and direction; a kind of net, RNN or LSTM, says which."""
        raise NotImplementedError(f"{type(self).__name__} is no kind of net: it has no cell.")

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_cells": None, "_stream": None, "_sequences": None, "_tape": None}

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
            The inputs; (B, T, input_size) with ``batch_first=True``. After a training call the network still
            reads the array: change it only after :meth:`backward`, whose gradients would else be wrong.
        state : None or what an earlier call returned, default=None
            What to begin with; None is 0. After a training call it is still read, as `x` is.
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
        quick = None if lengths is not None or training is not False or self.batch_first else self._sequences
        if quick and _progress.current() is None:  # only the slow way reports
            found = quick(x, state, resolve_n_jobs(self.n_jobs))
            if found is not None:  # else something does not fit, and the slow way says what
                return found  # type: ignore[no-any-return]
        keep = training is not False and _check.flag(training, "training")
        if keep:
            self._tape = None  # a call that is refused closes the way back through the one before
        X = _check.sequences(x, self.dtype, self.input_size, self.batch_first)
        T, B, _ = X.shape
        cells = self._cells or self._packed()
        first = _check.states(state, self._state_names, (len(cells), B, self.hidden_size), self.dtype)
        ends = None if lengths is None else _check.lengths(lengths, T, B)
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
        cells = self._packed()
        last: list[Any] = []
        tapes: list[Any] = []
        for layer in range(self.num_layers):
            if layer > 0:
                y = self._between[layer - 1](y, training=keep)
            at = layer * directions
            states = [tuple(s[cell] for s in first) for cell in range(at, at + directions)]
            if directions == 1:
                ran = (cells[at].run(y, *states, ends, False, keep, self.n_jobs),)
            else:
                ran = cells[at].run_both(cells[at + 1], y, states, ends, keep, self.n_jobs)
            said, after, kept = zip(*ran, strict=True)
            last += after
            tapes += kept
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
        tapes, shape = left_behind(self._tape)
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
            first = layer * directions
            of = range(first, first + directions)
            parts = [np.ascontiguousarray(dy[:, :, way * H : (way + 1) * H]) for way in range(directions)]
            by_last = [tuple(s[at] for s in last) for at in of]
            if directions == 1:
                found = (cells[first].backward(tapes[first], *parts, *by_last, self.n_jobs),)
            else:
                found = cells[first].backward_both([tapes[at] for at in of], parts, by_last, self.n_jobs)
            dx: Any = None
            for at, by in zip(of, found, strict=True):
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
