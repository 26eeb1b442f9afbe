"""The way back through time and the memory of nets, plainly, and wrong versions of them.

The plain versions go through each sequence on its own and read what they need off the tape.
"""

import numpy as np
from mutants_recurrent import variant
from textbook import Steps


class Back(Steps):
    """The order of the steps of one sequence, and states before steps."""

    def order(self, tape, b):
        n = self.length(tape, b)
        return list(range(n - 1, -1, -1) if self.reversed(tape) else range(n))

    def length(self, tape, b):
        return len(tape.x) if tape.lengths is None else tape.lengths[b]

    def reversed(self, tape):
        return tape.reverse

    def before(self, tape, first, states, b, steps, k):
        return states[steps[k - 1], b] if k else first[b]


class RnnBack(Back):
    family = "recurrent.rnn_backward"

    def __call__(self, tape, dy, dh=None):
        names = ("x", "h0", "w_ih", "w_hh", "b_ih", "b_hh")
        found = {n: np.zeros_like(v) for n in names if (v := getattr(tape, n)) is not None}
        for b in range(len(tape.h0)):
            steps = self.order(tape, b)
            δ = self.begin(tape.h0[b], dh, b)
            for k in range(len(steps) - 1, -1, -1):
                t = steps[k]
                a = self.through(δ + dy[t, b], self.slope(tape.h[t, b], tape.nonlinearity))
                before = self.before(tape, tape.h0, tape.h, b, steps, k)
                δ = self.collect(found, tape, a, t, b, before)
            found["h0"][b] = δ
        return self.finish(tuple(found.get(name) for name in names), tape, dy)

    def begin(self, like, d, b):
        return np.zeros_like(like) if d is None else d[b]

    def slope(self, h, kind):
        return {"tanh": 1 - h**2, "relu": (h > 0) * 1.0, "identity": np.ones_like(h)}[kind]

    def through(self, d, slope):
        return d * slope

    def collect(self, found, tape, a, t, b, before):
        found["x"][t, b] = a @ tape.w_ih
        found["w_ih"] += np.outer(a, tape.x[t, b])
        self.add_recurrent(found, a, before)
        for name in self.biases(found):
            found[name] += a
        return a @ self.recurrent(tape.w_hh)

    def add_recurrent(self, found, a, before):
        found["w_hh"] += np.outer(a, before)

    def biases(self, found):
        return [name for name in ("b_ih", "b_hh") if name in found]

    def recurrent(self, w_hh):
        return w_hh

    def finish(self, found, tape, dy):
        return found


class LstmBack(RnnBack):
    family = "recurrent.lstm_backward"

    def __call__(self, tape, dy, dh=None, dc=None):
        names = ("x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh")
        found = {n: np.zeros_like(v) for n in names if (v := getattr(tape, n)) is not None}
        for b in range(len(tape.h0)):
            steps = self.order(tape, b)
            δ, ε = self.begin(tape.h0[b], dh, b), self.begin(tape.c0[b], dc, b)
            for k in range(len(steps) - 1, -1, -1):
                t = steps[k]
                i, f, g, o = tape.gates[t, b]
                τ, c = np.tanh(tape.c[t, b]), self.before(tape, tape.c0, tape.c, b, steps, k)
                δ = δ + dy[t, b]
                ε = self.into_cell(ε, δ * o * (1 - τ**2))
                a = np.concatenate(
                    [ε * g * i * (1 - i), ε * c * f * (1 - f), ε * i * (1 - g**2), δ * τ * o * (1 - o)]
                )
                δ = self.collect(found, tape, a, t, b, self.before(tape, tape.h0, tape.h, b, steps, k))
                ε = self.out_of_cell(ε, f)
            found["h0"][b], found["c0"][b] = δ, ε
        return self.finish(tuple(found.get(name) for name in names), tape, dy)

    def into_cell(self, ε, d):
        return ε + d

    def out_of_cell(self, ε, f):
        return ε * f


class LstmTerms(Back):
    family = "recurrent.lstm_memory_terms"

    def __call__(self, tape):
        terms = np.zeros((len(tape.c) + 1, *tape.c0.shape))
        for b in range(len(tape.c0)):
            kept = np.ones_like(tape.c0[b])
            for t in reversed(self.order(tape, b)):
                i, f, g, o = tape.gates[t, b]
                terms[1 + t, b] = kept * self.written(i, g, o)
                kept = self.keep(kept, f)
            terms[0, b] = kept * tape.c0[b]
        return self.finish(terms)

    def written(self, i, g, o):
        return i * g

    def keep(self, kept, f):
        return kept * f

    def finish(self, terms):
        return terms


class RnnTerms(Back):
    family = "recurrent.rnn_memory_terms"

    def __call__(self, tape):
        terms = np.zeros((len(tape.h) + 1, *tape.h0.shape))
        for b in range(len(tape.h0)):
            power = np.eye(tape.h0.shape[1])
            for t in reversed(self.order(tape, b)):
                a = tape.w_ih @ tape.x[t, b]
                for bias in self.biases(tape.b_ih, tape.b_hh):
                    a = a + bias
                terms[1 + t, b] = power @ a
                power = self.further(power, tape.w_hh)
            terms[0, b] = self.first(power @ tape.h0[b])
        return terms

    def biases(self, *both):
        return [b for b in both if b is not None]

    def further(self, power, w_hh):
        return power @ w_hh

    def first(self, term):
        return term


class Norms(Back):
    family = "recurrent.state_jacobian_norms"

    def __call__(self, tape):
        norms = np.zeros(tape.h.shape[:2])
        for b in range(len(tape.h0)):
            J, K = np.eye(tape.h0.shape[1]), np.zeros((tape.h0.shape[1],) * 2)
            steps = self.order(tape, b)
            for k in range(len(steps) - 1, -1, -1):
                t = steps[k]
                norms[t, b] = self.norm(J)
                if hasattr(tape, "gates"):
                    i, f, g, o = tape.gates[t, b]
                    τ, c = np.tanh(tape.c[t, b]), self.before(tape, tape.c0, tape.c, b, steps, k)
                    K = self.memory(K) + J * o * (1 - τ**2)
                    rows = [K * g * i * (1 - i), K * c * f * (1 - f), K * i * (1 - g**2), J * τ * o * (1 - o)]
                    J, K = np.hstack(rows) @ tape.w_hh, K * f
                else:
                    J = self.further(J * self.slope(tape.h[t, b], tape.nonlinearity), tape.w_hh)
        return norms

    def norm(self, J):
        return np.linalg.norm(J, 2)

    def memory(self, K):
        return K

    def slope(self, h, kind):
        return {"tanh": 1 - h**2, "relu": (h > 0) * 1.0, "identity": np.ones_like(h)}[kind]

    def further(self, J, w_hh):
        return J @ w_hh


RIGHT = [RnnBack, LstmBack, LstmTerms, RnnTerms, Norms]


class TransposesOnTheWay:
    def recurrent(self, w_hh):
        H = w_hh.shape[1]
        return np.vstack([block.T for block in w_hh.reshape(-1, H, H)])

    def further(self, power, w_hh):
        return power @ w_hh.T


class StopsAfterAStep:
    """Truncates: nothing goes further back than one step."""

    def recurrent(self, w_hh):
        return 0 * w_hh


class TakesTheStateAfter:
    def before(self, tape, first, states, b, steps, k):
        return states[steps[k], b]


class CountsOneBias:
    def biases(self, *found):
        return super().biases(*found)[:1]


class DropsTheLast:
    def begin(self, like, d, b):
        return np.zeros_like(like)


class IgnoresLengths:
    def length(self, tape, b):
        return len(tape.x)


class IgnoresReverse:
    def reversed(self, tape):
        return False


class MultipliesByAMask:
    """NaN in the padding goes everywhere."""

    def finish(self, found, tape, dy):
        spoilt = 0 * (tape.x.sum() + dy.sum())
        return tuple(None if part is None else part + spoilt for part in found)


class HasTheSlopeOfTanh:
    def slope(self, h, kind):
        return 1 - h**2


class HasNoSlope:
    def slope(self, h, kind):
        return np.ones_like(h)


class CutsTheMemory:
    """The gradient of the cell stops at each step."""

    def out_of_cell(self, ε, f):
        return 0 * ε

    def memory(self, K):
        return 0 * K


class ForgetsTheForgetGate:
    def out_of_cell(self, ε, f):
        return ε

    def keep(self, kept, f):
        return kept


class WritesWhatIsShown:
    def written(self, i, g, o):
        return o * g


class TakesShares:
    """Terms over their sum: shares of 1, not terms."""

    def finish(self, terms):
        return terms / terms.sum(axis=0)


class NeverFades:
    def further(self, power, w_hh):
        return power


class DropsTheStart:
    def first(self, term):
        return 0 * term


class TakesFrobenius:
    def norm(self, J):
        return np.linalg.norm(J)


_BACK = [
    (TransposesOnTheWay, "gradients are derivatives of the loss"),
    (StopsAfterAStep, "gradients are derivatives of the loss"),
    (TakesTheStateAfter, "gradients are derivatives of the loss"),
    (CountsOneBias, "both biases have the gradient of the sums"),
    (DropsTheLast, "the last state has its share"),
    (IgnoresLengths, "gradients end where sequences end"),
    (MultipliesByAMask, "padding is not read on the way back"),
    (IgnoresReverse, "reverse goes back the other way"),
]

MUTANTS = [
    *(variant(change, RnnBack, law) for change, law in _BACK),
    variant(HasTheSlopeOfTanh, RnnBack, "each nonlinearity has its slope"),
    variant(HasNoSlope, RnnBack, "gradients are derivatives of the loss"),
    *(variant(change, LstmBack, law) for change, law in _BACK),
    variant(CutsTheMemory, LstmBack, "gradients are derivatives of the loss"),
    variant(ForgetsTheForgetGate, LstmBack, "gradients are derivatives of the loss"),
    variant(ForgetsTheForgetGate, LstmTerms, "terms sum to the last cell state"),
    variant(WritesWhatIsShown, LstmTerms, "a term is what was written times what was kept"),
    variant(TakesShares, LstmTerms, "terms sum to the last cell state"),
    variant(IgnoresLengths, LstmTerms, "memory ends with its sequence"),
    variant(IgnoresReverse, LstmTerms, "in reverse the first input is the latest"),
    variant(TransposesOnTheWay, RnnTerms, "a term goes through w hh once a step"),
    variant(NeverFades, RnnTerms, "by hand three terms"),
    variant(CountsOneBias, RnnTerms, "terms sum to the last state"),
    variant(DropsTheStart, RnnTerms, "terms sum to the last state"),
    variant(IgnoresLengths, RnnTerms, "terms end with their sequence"),
    variant(IgnoresReverse, RnnTerms, "in reverse the first term is the latest"),
    variant(TransposesOnTheWay, Norms, "slopes of tanh shrink it"),
    variant(TakesFrobenius, Norms, "a linear state shrinks by powers of w hh"),
    variant(CutsTheMemory, Norms, "a state of an lstm goes through its gates and memory"),
    variant(HasNoSlope, Norms, "slopes of tanh shrink it"),
    variant(IgnoresLengths, Norms, "norms end with their sequence"),
    variant(IgnoresReverse, Norms, "in reverse the last state is that of the first input"),
]
