"""Weights packed once for many calls: what the layers of :mod:`diptych.nn` run on.

No checks here: the layers make them, and hand over arrays of one dtype, C-contiguous, aligned and native.
"""

from abc import ABC, abstractmethod
from typing import Any

from diptych import _progress, _rust
from diptych._threads import resolve_n_jobs
from diptych._validate import FloatArray
from diptych._validate_recurrent import Tape
from diptych._validate_recurrent import Weights as Known
from diptych.kernels._recurrent_backward import backward_both, lstm_back, rnn_back
from diptych.kernels._recurrent_tapes import LSTMGradients, LSTMTape, RNNGradients, RNNTape

Weights = tuple[FloatArray, FloatArray, FloatArray | None, FloatArray | None]


class _Cell(ABC):
    """What two directions of a layer do at once: no thread of one waits for a thread of the other."""

    _packed: _rust.RecurrentCell

    def run_both(
        self, other: Any, x: Any, states: Any, lengths: Any, keep: bool, n_jobs: int | None
    ) -> tuple[Any, Any]:
        """Return what `run` returns, of this cell and of another, which reads in reverse."""
        first, second = states
        (h0, *c0), (h0_back, *c0_back) = states
        ran = _rust.recurrent_run_both(
            self._packed,
            other._packed,
            x,
            ((h0, *c0, None)[:2], (h0_back, *c0_back, None)[:2]),
            lengths,
            keep,
            resolve_n_jobs(n_jobs),
            _progress.current(),
        )
        return (
            self._taken(x, first, lengths, False, keep, ran[0]),
            other._taken(x, second, lengths, True, keep, ran[1]),
        )

    @classmethod
    def backward_both(cls, tapes: Any, dys: Any, lasts: Any, n_jobs: int | None) -> tuple[Any, Any]:
        """Return what `backward` returns, of both."""
        return backward_both([cls._known(tape) for tape in tapes], dys, lasts, n_jobs)

    @abstractmethod
    def _taken(self, x: Any, states: Any, lengths: Any, reverse: bool, keep: bool, ran: Any) -> Any:
        """Return what `run` returns, of what the extension gave."""

    @staticmethod
    @abstractmethod
    def _known(tape: Any) -> Tape:
        """Return the parts of a tape that `run` left: they fit."""


class LSTMCell(_Cell):
    """One layer, in one direction, of an LSTM."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._packed = _rust.RecurrentCell("lstm", *weights)
        self.step = self._packed.step  # x, h, c -> h, c
        # None where not all is just so:
        self.stream = self._packed.stream  # x, (h, c) -> y, (h, c)
        self.sequences = self._packed.sequences  # x, (h, c) or None, n_threads -> y, (h, c)

    def run(
        self, x: Any, states: Any, lengths: Any, reverse: bool, keep: bool, n_jobs: int | None
    ) -> tuple[Any, ...]:
        """Return y, the last states, and a tape if it is to be kept."""
        h0, c0 = states
        ran = self._packed.run(x, h0, c0, lengths, reverse, keep, resolve_n_jobs(n_jobs), _progress.current())
        return self._taken(x, states, lengths, reverse, keep, ran)

    def _taken(
        self, x: Any, states: Any, lengths: Any, reverse: bool, keep: bool, ran: Any
    ) -> tuple[Any, ...]:
        (h0, c0), (y, h, c, gates, cells) = states, ran
        if gates is None or cells is None:
            return y, (h, c), None
        return y, (h, c), LSTMTape(x, h0, c0, *self._weights, gates, cells, y, lengths, reverse)

    @staticmethod
    def _known(tape: LSTMTape) -> Tape:
        return Tape(
            tape.x, tape.h0, Known(tape.w_ih, tape.w_hh, tape.b_ih, tape.b_hh), tape.h, tape.lengths,
            tape.reverse, "", tape.c0, tape.gates, tape.c,
        )  # fmt: skip

    @classmethod
    def backward(cls, tape: LSTMTape, dy: Any, last: Any, n_jobs: int | None) -> LSTMGradients:
        """Go back through time."""
        dh, dc = last
        return lstm_back(cls._known(tape), dy, dh, dc, n_jobs)


class RNNCell(_Cell):
    """One layer, in one direction, of an RNN."""

    def __init__(self, weights: Weights, nonlinearity: str) -> None:
        self._weights, self._nonlinearity = weights, nonlinearity
        self._packed = _rust.RecurrentCell(nonlinearity, *weights)
        self.step = self._packed.step  # x, h -> h
        # None where not all is just so:
        self.stream = self._packed.stream  # x, h -> y, h
        self.sequences = self._packed.sequences  # x, h or None, n_threads -> y, h

    def run(
        self, x: Any, states: Any, lengths: Any, reverse: bool, keep: bool, n_jobs: int | None
    ) -> tuple[Any, ...]:
        """Return y, the last state, and a tape if it is to be kept."""
        (h0,) = states
        ran = self._packed.run(
            x, h0, None, lengths, reverse, keep, resolve_n_jobs(n_jobs), _progress.current()
        )
        return self._taken(x, states, lengths, reverse, keep, ran)

    def _taken(
        self, x: Any, states: Any, lengths: Any, reverse: bool, keep: bool, ran: Any
    ) -> tuple[Any, ...]:
        (h0,), (y, h, *_) = states, ran
        tape = RNNTape(x, h0, *self._weights, self._nonlinearity, y, lengths, reverse) if keep else None
        return y, (h,), tape

    @staticmethod
    def _known(tape: RNNTape) -> Tape:
        none = tape.h[:0]  # no gates, no cell states
        return Tape(
            tape.x, tape.h0, Known(tape.w_ih, tape.w_hh, tape.b_ih, tape.b_hh), tape.h, tape.lengths,
            tape.reverse, tape.nonlinearity, none, none, none,
        )  # fmt: skip

    @classmethod
    def backward(cls, tape: RNNTape, dy: Any, last: Any, n_jobs: int | None) -> RNNGradients:
        """Go back through time."""
        (dh,) = last
        return rnn_back(cls._known(tape), dy, dh, n_jobs)
