"""Recurrent nets written plainly, and wrong versions of them; `breaks` names a law that has to catch each."""

import numpy as np
from textbook import Steps


class Cell(Steps):
    """One step of either net, in pieces."""

    def sums(self, x, h, w_ih, w_hh, b_ih, b_hh):
        a = self.inputs(x) @ w_ih.T + self.recurrence(h, w_hh)
        for b in self.biases(b_ih, b_hh):
            a = a + b
        return a

    def inputs(self, x):
        return x

    def recurrence(self, h, w_hh):
        return h @ w_hh.T

    def biases(self, *both):
        return [b for b in both if b is not None]

    def sigma(self, a):
        return (1 + np.tanh(a / 2)) / 2

    def tanh(self, a):
        return np.tanh(a)

    def nonlinear(self, a, kind):
        return {"tanh": self.tanh, "relu": lambda a: np.maximum(a, 0), "identity": np.copy}[kind](a)

    def order(self, i, f, g, o):
        return i, f, g, o

    def forget(self, f, i):
        return f

    def squeeze(self, c):
        return np.tanh(c)

    def output(self, h):
        return h

    def elman(self, x, h, w_ih, w_hh, b_ih, b_hh, nonlinearity):
        return self.output(self.nonlinear(self.sums(x, h, w_ih, w_hh, b_ih, b_hh), nonlinearity))

    def long_short(self, x, h, c, w_ih, w_hh, b_ih, b_hh):
        i, f, g, o = self.order(*np.split(self.sums(x, h, w_ih, w_hh, b_ih, b_hh), 4, axis=1))
        i, f, g, o = self.sigma(i), self.sigma(f), self.tanh(g), self.sigma(o)
        c = self.forget(f, i) * c + i * g
        return self.output(o * self.squeeze(c)), self.output(c)


class RnnStep(Cell):
    family = "recurrent.rnn_step"

    def __call__(self, x, h, w_ih, w_hh, b_ih=None, b_hh=None, *, nonlinearity="tanh"):
        return self.elman(x, h, w_ih, w_hh, b_ih, b_hh, nonlinearity)


class LstmStep(Cell):
    family = "recurrent.lstm_step"

    def __call__(self, x, h, c, w_ih, w_hh, b_ih=None, b_hh=None):
        return self.long_short(x, h, c, w_ih, w_hh, b_ih, b_hh)


class Sequence(Cell):
    """Each sequence on its own, cut to its length."""

    def read(self, x, states, step, lengths, reverse):
        T, B, H = len(x), len(states[0]), states[0].shape[1]
        y, last = self.padding(T, B, H, x.dtype), [s.copy() for s in states]
        for b in range(B):
            n = T if lengths is None else self.end(lengths, b, T)
            steps = range(n) if not reverse else reversed(range(self.start(lengths, b, n, T)))
            state = [s[[b]] for s in states]
            for k, t in enumerate(steps):
                state = step(self.at(x, t, b), state)
                y[self.place(t, k, reverse), b] = state[0]
            for s, end in zip(last, state, strict=True):
                s[b] = end
        return (self.output(y), *map(self.output, self.last(last)))

    def padding(self, T, B, H, dtype):
        return np.zeros((T, B, H), dtype)

    def end(self, lengths, b, T):
        return lengths[b]

    def start(self, lengths, b, n, T):
        return n

    def place(self, t, k, reverse):
        return t

    def at(self, x, t, b):
        return x[t, [b]]

    def last(self, last):
        return last


class Rnn(Sequence):
    family = "recurrent.rnn"

    def __call__(
        self, x, h0, w_ih, w_hh, b_ih=None, b_hh=None, *, nonlinearity="tanh", lengths=None, reverse=False
    ):
        def step(x_t, state):
            return [self.elman(x_t, *state, w_ih, w_hh, b_ih, b_hh, nonlinearity)]

        return self.read(x, [h0], step, lengths, reverse)


class Lstm(Sequence):
    family = "recurrent.lstm"

    def __call__(self, x, h0, c0, w_ih, w_hh, b_ih=None, b_hh=None, *, lengths=None, reverse=False):
        def step(x_t, state):
            return list(self.long_short(x_t, *state, w_ih, w_hh, b_ih, b_hh))

        return self.read(x, [h0, c0], step, lengths, reverse)


RIGHT = [RnnStep, LstmStep, Rnn, Lstm]


# What may go wrong in a step ----------------------------------------------------------------------


class TransposesTheState:
    """W_hh transposed."""

    def recurrence(self, h, w_hh):
        H = h.shape[1]
        return np.hstack([h @ block for block in w_hh.reshape(-1, H, H)])


class DropsTheState:
    """The recurrence dropped."""

    def recurrence(self, h, w_hh):
        return 0


class DropsTheBias:
    def biases(self, *both):
        return []


class TakesOneBias:
    def biases(self, b_ih, b_hh):
        return [b for b in (b_ih,) if b is not None]


class MixesRows:
    def inputs(self, x):
        return x - (x.mean(axis=0) - x[0])


class DividesInfinities:
    def sigma(self, a):
        return np.exp(a) / (1 + np.exp(a))

    def tanh(self, a):
        return (np.exp(a) - np.exp(-a)) / (np.exp(a) + np.exp(-a))


class OverwritesTheState:
    def sums(self, x, h, *weights):
        a = super().sums(x, h, *weights)
        h += 1
        return a


class GrowsTo64Bits:
    strict = True

    def output(self, h):
        return h.astype(np.float64)


class SwapsInputAndForget:
    def order(self, i, f, g, o):
        return f, i, g, o


class TakesTheOrderOfOnnx:
    def order(self, i, o, f, g):
        return i, f, g, o


class NeverForgets:
    def forget(self, f, i):
        return np.ones_like(f)


class ForgetsWhatItLetsIn:
    def forget(self, f, i):
        return 1 - i


class ForgetsALittle:
    def sigma(self, a):
        return np.clip((1 + np.tanh(a / 2)) / 2, 1e-6, 1 - 1e-6)


class ShowsTheBareCell:
    """tanh(c) missing."""

    def squeeze(self, c):
        return c


class IsAlwaysTanh:
    def nonlinear(self, a, kind):
        return np.tanh(a)


class IsLinear:
    def nonlinear(self, a, kind):
        return a if kind == "tanh" else super().nonlinear(a, kind)


# … and in a sequence ------------------------------------------------------------------------------


class ForgetsTheState:
    """Begins every step anew."""

    def read(self, x, states, step, lengths, reverse):
        return super().read(x, states, lambda x_t, state: step(x_t, [0 * s for s in state]), lengths, reverse)


class BeginsAtZero:
    def read(self, x, states, step, lengths, reverse):
        return super().read(x, [0 * s for s in states], step, lengths, reverse)


class IgnoresLengths:
    def end(self, lengths, b, T):
        return T


class EndsWithTheShortest:
    def end(self, lengths, b, T):
        return min(lengths)


class SumsOverThePadding:
    """Multiplies by a mask, so that NaN in the padding goes everywhere."""

    def read(self, x, states, step, lengths, reverse):
        found = super().read(x, states, step, lengths, reverse)
        return found if lengths is None else tuple(part + 0 * x.sum() for part in found)


class FlipsTheOutput:
    """Reverse misaligned: y[0] belongs to the input read first."""

    def place(self, t, k, reverse):
        return k


class IgnoresReverse:
    def read(self, x, states, step, lengths, reverse):
        return super().read(x, states, step, lengths, False)


class ReversesThePadding:
    """Begins each sequence at the end of the batch."""

    def start(self, lengths, b, n, T):
        return T


class SharesAState:
    def read(self, x, states, step, lengths, reverse):
        return super().read(
            x, [s.mean(axis=0, keepdims=True) + 0 * s for s in states], step, lengths, reverse
        )


class ReadsInPlace:
    """h0 is where the running state is kept."""

    def read(self, x, states, *rest):
        found = super().read(x, states, *rest)
        states[0][...] = found[1]
        return found


def variant(change, plain, breaks):
    """Make a mutant: a plain implementation with one change."""
    strict = getattr(change, "strict", False)
    body = {"breaks": breaks, "strict": strict, "__doc__": change.__doc__}
    return type(f"{plain.__name__}{change.__name__}", (change, plain), body)


_STEP = [
    (TransposesTheState, "follows its formula"),
    (DropsTheState, "added and concatenated are one map"),
    (DropsTheBias, "adds both biases"),
    (TakesOneBias, "adds both biases"),
    (MixesRows, "a row is on its own"),
    (DividesInfinities, "nothing overflows"),
    (OverwritesTheState, "the arguments are left alone"),
    (GrowsTo64Bits, "float32 stays float32"),
]
_RNN = [
    (IsAlwaysTanh, "takes another nonlinearity"),
    (IsLinear, "nothing overflows"),
]
_GATES = [
    (SwapsInputAndForget, "follows its formula"),
    (TakesTheOrderOfOnnx, "the gates stand in the order i f g o"),
    (NeverForgets, "the gates stand in the order i f g o"),
    (ForgetsWhatItLetsIn, "follows its formula"),
    (ForgetsALittle, "forget 1 and input 0 keep the memory"),
    (ShowsTheBareCell, "follows its formula"),
]
_SEQUENCE = [
    (TransposesTheState, "a step follows a step"),
    (DropsTheState, "the order of inputs matters"),
    (ForgetsTheState, "the order of inputs matters"),
    (BeginsAtZero, "the whole is its parts"),
    (DropsTheBias, "adds both biases"),
    (SharesAState, "a sequence is on its own"),
    (ReadsInPlace, "the arguments are left alone"),
    (IgnoresLengths, "each sequence ends at its own end"),
    (EndsWithTheShortest, "each sequence ends at its own end"),
    (SumsOverThePadding, "what follows the end is not read"),
    (FlipsTheOutput, "reverse reads from the end"),
    (IgnoresReverse, "reverse reads from the end"),
    (ReversesThePadding, "each sequence reverses at its own end"),
    (GrowsTo64Bits, "float32 stays float32"),
]
_LSTM = [(change, "a step follows a step") for change, _ in _GATES if change is not ForgetsALittle]

MUTANTS = [
    *(variant(change, RnnStep, law) for change, law in _STEP + _RNN),
    variant(TransposesTheState, type("RnnStepAgain", (RnnStep,), {}), "a row of weights makes a unit"),
    *(variant(change, LstmStep, law) for change, law in _STEP + _GATES),
    *(variant(change, Rnn, law) for change, law in _SEQUENCE),
    variant(IsAlwaysTanh, Rnn, "takes another nonlinearity"),
    *(variant(change, Lstm, law) for change, law in _LSTM + _SEQUENCE if change is not DropsTheState),
    variant(DropsTheState, Lstm, "a step follows a step"),  # c alone remembers the order
]
