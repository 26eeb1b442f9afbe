"""The two panels as cells: one layer in one direction, its weights at hand.

A cell has ``step(x, *states)``, ``run(x, states, lengths, reverse, keep, n_jobs) -> y, states, tape`` and
``backward(tape, dy, last, n_jobs)``; and for two directions of a layer ``run_both(other, x, states, lengths,
keep, n_jobs)`` and ``backward_both(tapes, dys, lasts, n_jobs)``, which return what each returns.
"""

from abc import ABC, abstractmethod
from importlib import import_module
from typing import Any

from diptych.reference import recurrent


def lstm_cell(backend: str, weights: Any) -> Any:
    """Return a cell of an LSTM."""
    return _ReferenceLSTM(weights) if backend == "reference" else _kernels().LSTMCell(weights)


def rnn_cell(backend: str, weights: Any, nonlinearity: str) -> Any:
    """Return a cell of an RNN."""
    if backend == "reference":
        return _ReferenceRNN(weights, nonlinearity)
    return _kernels().RNNCell(weights, nonlinearity)


def _kernels() -> Any:
    """Import the extension where it is needed: the reference does without."""
    return import_module("diptych.kernels._recurrent_cell")


class _Reference(ABC):
    def run_both(self, other: Any, x: Any, states: Any, lengths: Any, keep: bool, n_jobs: Any) -> Any:
        return (
            self.run(x, states[0], lengths, False, keep, n_jobs),
            other.run(x, states[1], lengths, True, keep, n_jobs),
        )

    def backward_both(self, tapes: Any, dys: Any, lasts: Any, n_jobs: Any) -> Any:
        return tuple(self.backward(*of, n_jobs) for of in zip(tapes, dys, lasts, strict=True))

    @abstractmethod
    def run(self, x: Any, states: Any, lengths: Any, reverse: bool, keep: bool, n_jobs: Any) -> Any: ...

    @staticmethod
    @abstractmethod
    def backward(tape: Any, dy: Any, last: Any, n_jobs: Any) -> Any: ...


class _ReferenceLSTM(_Reference):
    def __init__(self, weights: Any) -> None:
        self._weights = weights

    def step(self, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
        return recurrent.lstm_step(x, h, c, *self._weights)

    def run(self, x: Any, states: Any, lengths: Any, reverse: bool, keep: bool, n_jobs: Any) -> Any:
        y, h, c, tape = recurrent.lstm(
            x, *states, *self._weights, lengths=lengths, reverse=reverse, return_tape=True
        )
        return y, (h, c), tape if keep else None

    @staticmethod
    def backward(tape: Any, dy: Any, last: Any, n_jobs: Any) -> Any:
        return recurrent.lstm_backward(tape, dy, *last)


class _ReferenceRNN(_Reference):
    def __init__(self, weights: Any, nonlinearity: str) -> None:
        self._weights, self._nonlinearity = weights, nonlinearity

    def step(self, x: Any, h: Any) -> Any:
        return recurrent.rnn_step(x, h, *self._weights, nonlinearity=self._nonlinearity)

    def run(self, x: Any, states: Any, lengths: Any, reverse: bool, keep: bool, n_jobs: Any) -> Any:
        y, h, tape = recurrent.rnn(
            x,
            *states,
            *self._weights,
            nonlinearity=self._nonlinearity,
            lengths=lengths,
            reverse=reverse,
            return_tape=True,
        )
        return y, (h,), tape if keep else None

    @staticmethod
    def backward(tape: Any, dy: Any, last: Any, n_jobs: Any) -> Any:
        return recurrent.rnn_backward(tape, dy, *last)
