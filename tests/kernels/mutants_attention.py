"""Attention written plainly, and wrong versions of it; `breaks` names a law that has to catch each."""

import numpy as np
from mutants_recurrent import variant
from textbook import Steps


class Pieces(Steps):
    """Weights of each query, in pieces, for the way there and back."""

    def weights(self, Q, K, attn_mask, is_causal, scale):
        Z = self.scores(Q, K, scale)
        L, S = Z.shape[-2:]
        if attn_mask is not None:
            Z = self.mask(Z, attn_mask)
        if is_causal:
            Z = self.hide(Z, self.past(L, S))
        return self.softmax(Z)

    def scores(self, Q, K, scale):
        return self.scale(Q, scale) * np.einsum("...id,...jd->...ij", Q, K)

    def scale(self, Q, scale):
        return Q.dtype.type(Q.shape[-1] ** -0.5 if scale is None else scale)

    def mask(self, Z, M):
        return (
            self.hide(Z, M)
            if M.dtype == bool
            else self.hide(Z + np.where(np.isfinite(M), M, 0), ~np.isneginf(M))
        )

    def hide(self, Z, seen):
        return np.where(seen, Z, -np.inf).astype(Z.dtype)

    def past(self, L, S):
        return np.tri(L, S, dtype=bool)

    def softmax(self, Z):
        E = np.exp(Z - self.greatest(Z))
        return np.where(self.seen(Z), E, 0) / self.total(np.where(self.seen(Z), E, 0))

    def seen(self, Z):
        return ~np.isneginf(Z)

    def greatest(self, Z):
        m = Z.max(axis=-1, keepdims=True)
        return np.where(m == -np.inf, 0, m)

    def total(self, E):
        total = E.sum(axis=-1, keepdims=True)
        return np.where(total == 0, 1, total)

    def heads(self, X, Q):
        if X.ndim == 2 or X.shape[-3] == Q.shape[-3]:
            return X
        return np.repeat(X, Q.shape[-3] // X.shape[-3], axis=-3)

    def blend(self, W, V, seen):
        # One query at a time, over what it sees.
        out = np.zeros((*W.shape[:-1], V.shape[-1]), V.dtype)
        for *head, i in np.ndindex(*W.shape[:-1]):
            part = seen[(*head, i)]
            out[(*head, i)] = W[(*head, i)][part] @ V[tuple(head)][part]
        return out


class Attention(Pieces):
    family = "attention.scaled_dot_product_attention"

    def __call__(
        self, query, key, value, *, attn_mask=None, is_causal=False, scale=None, enable_gqa=False,
        return_weights=False,
    ):  # fmt: skip
        K, V = self.heads(key, query), self.heads(value, query)
        W = self.weights(query, K, attn_mask, is_causal, scale)
        seen = np.broadcast_to(True if attn_mask is None else self.part(attn_mask), W.shape)
        if is_causal:
            seen = seen & self.past(*W.shape[-2:])
        O = self.output(self.blend(W, V, seen))  # noqa: E741
        return (O, W) if return_weights else O

    def part(self, M):
        return M if M.dtype == bool else ~np.isneginf(M)

    def output(self, O):  # noqa: E741
        return O


class Backward(Pieces):
    family = "attention.scaled_dot_product_attention_backward"

    def __call__(self, tape, d_output):
        Q, scale = tape.query, self.factor(tape)
        K, V = self.heads(tape.key, Q), self.heads(tape.value, Q)
        W = self.weights(Q, K, self.tape_mask(tape), self.tape_causal(tape), tape.scale)
        L, S = W.shape[-2:]
        seen = np.ones((L, S), bool) if self.tape_mask(tape) is None else self.visible(tape.attn_mask)
        seen = np.broadcast_to(seen & self.past(L, S) if tape.is_causal else seen, W.shape)
        dW = d_output @ V.mT
        δ = self.delta(W, dW, seen)
        dZ = self.slopes(W, dW, δ, seen)
        dQ, dK = scale * self.blend(dZ, K, seen), scale * self.blend(dZ.mT, Q, seen.mT)
        dV = self.blend(self.of_values(W), d_output, seen.mT)
        return dQ, self.summed(dK, tape.key), self.summed(dV, tape.value)

    def factor(self, tape):
        return tape.scale

    def tape_mask(self, tape):
        return tape.attn_mask

    def tape_causal(self, tape):
        return tape.is_causal

    def visible(self, M):
        return M if M.dtype == bool else ~np.isneginf(M)

    def delta(self, W, dW, seen):
        return np.where(seen, W * dW, 0).sum(axis=-1, keepdims=True)

    def slopes(self, W, dW, δ, seen):
        return np.where(seen, W * (dW - δ), 0)

    def of_values(self, W):
        return W.mT

    def summed(self, dX, X):
        if dX.shape == X.shape:
            return dX
        *lead, heads, S, n = X.shape
        return self.over_group(dX.reshape(*lead, heads, -1, S, n))

    def over_group(self, dX):
        return dX.sum(axis=-3)


RIGHT = [Attention, Backward]


# Changes


class DoesNotScale:
    def scale(self, Q, scale):
        return Q.dtype.type(1 if scale is None else scale)


class DividesByD:
    def scale(self, Q, scale):
        return Q.dtype.type(1 / Q.shape[-1] if scale is None else scale)


class IgnoresScale:
    def scale(self, Q, scale):
        return super().scale(Q, None)


class TakesTheSoftmaxOverQueries:
    def softmax(self, Z):
        E = np.exp(Z - Z.max(axis=-2, keepdims=True))
        return E / E.sum(axis=-2, keepdims=True)


class SumsOverAllHeads:
    def total(self, E):
        return E.sum(axis=-1, keepdims=True) if E.ndim < 3 else E.sum(axis=(-1, -3), keepdims=True)


class DoesNotDivide:
    def total(self, E):
        return np.ones_like(E[..., :1])


class SubtractsNothing:
    def greatest(self, Z):
        return np.zeros_like(Z[..., :1])


class TakesTheLastKeyTwice:
    def scores(self, Q, K, scale):
        Z = super().scores(Q, K, scale)
        Z[..., -1] *= 2
        return Z


class PrefersNeighbours:
    def scores(self, Q, K, scale):
        Z = super().scores(Q, K, scale)
        i, j = np.indices(Z.shape[-2:])
        return Z - abs(i - j)


class HidesTheNaN:
    def output(self, O):  # noqa: E741
        return np.nan_to_num(O)


class AddsTheBoolean:
    def mask(self, Z, M):
        return Z + M


class TakesTheMaskTheOtherWay:
    def mask(self, Z, M):
        return self.hide(Z, ~M) if M.dtype == bool else super().mask(Z, M)


class ReadsNumbersAsWords:
    def mask(self, Z, M):
        return self.hide(Z, ~np.isneginf(M))


class HidesByALargeNumber:
    """A query that sees nothing gets the mean of all."""

    def hide(self, Z, seen):
        return np.where(seen, Z, -1e30).astype(Z.dtype)

    def seen(self, Z):
        return np.ones(Z.shape, bool)

    def blend(self, W, V, seen):
        return W @ V


class DividesByZero:
    def total(self, E):
        return E.sum(axis=-1, keepdims=True)


class MultipliesByZero:
    """0 times NaN is NaN."""

    def blend(self, W, V, seen):
        return W @ V


class WeighsWhatIsHidden:
    """A sum of exponentials that is NaN makes weights of what is not seen."""

    def blend(self, W, V, seen):
        return W @ np.where(np.isfinite(V), V, 0)


class CountsFromTheLast:
    """Causal as flash attention has it: the last query sees the last key."""

    def past(self, L, S):
        return np.tri(L, S, S - L, dtype=bool)


class SeesTheNext:
    def past(self, L, S):
        return np.tri(L, S, 1, dtype=bool)


class TakesTheMaskAlone:
    def weights(self, Q, K, attn_mask, is_causal, scale):
        return super().weights(Q, K, attn_mask, is_causal and attn_mask is None, scale)


class TakesHeadsInTurn:
    def heads(self, X, Q):
        if X.ndim == 2 or X.shape[-3] == Q.shape[-3]:
            return X
        return np.concatenate([X] * (Q.shape[-3] // X.shape[-3]), axis=-3)


class ReturnsScores:
    def __call__(self, query, key, value, *, return_weights=False, **options):
        found = super().__call__(query, key, value, return_weights=return_weights, **options)
        return (found[0], np.log(found[1] + 1e-300)) if return_weights else found


class GrowsTo64Bits:
    strict = True

    def output(self, O):  # noqa: E741
        return O.astype(np.float64)


class ForgetsTheScale:
    def factor(self, tape):
        return 1.0


class ForgetsTheMean:
    def slopes(self, W, dW, δ, seen):
        return np.where(seen, W * dW, 0)


class TurnsNothing:
    def of_values(self, W):
        return np.ones_like(W.mT)


class IgnoresTheMask:
    def tape_mask(self, tape):
        return None


class IgnoresCausality:
    def tape_causal(self, tape):
        return False


class TakesTheMeanOverHeads:
    def over_group(self, dX):
        return dX.mean(axis=-3)


_FORWARD = [
    (DoesNotScale, "scores are divided by the root of d"),
    (DividesByD, "scores are divided by the root of d"),
    (IgnoresScale, "takes another scale"),
    (TakesTheSoftmaxOverQueries, "a query is on its own"),
    (TakesTheSoftmaxOverQueries, "two keys by hand"),
    (SumsOverAllHeads, "a head is on its own"),
    (DoesNotDivide, "equal values come out"),
    (SubtractsNothing, "nothing overflows"),
    (TakesTheLastKeyTwice, "keys move with their values"),
    (TakesTheLastKeyTwice, "follows its formula"),
    (PrefersNeighbours, "tokens move with what they get"),
    (HidesTheNaN, "nan stays where it is seen"),
    (AddsTheBoolean, "true takes part"),
    (TakesTheMaskTheOtherWay, "true takes part"),
    (ReadsNumbersAsWords, "numbers are added to scores"),
    (HidesByALargeNumber, "who sees nothing gets zeros"),
    (DividesByZero, "weights make the output"),
    (MultipliesByZero, "what is hidden does not matter"),
    (MultipliesByZero, "the future does not matter"),
    (CountsFromTheLast, "query i sees keys up to i"),
    (SeesTheNext, "query i sees keys up to i"),
    (TakesTheMaskAlone, "a key must be seen by both"),
    (TakesHeadsInTurn, "a head of keys serves several in a row"),
    (ReturnsScores, "weights make the output"),
    (GrowsTo64Bits, "float32 stays float32"),
]
_BACK = [
    (ForgetsTheScale, "the scale has its part"),
    (ForgetsTheMean, "gradients are derivatives of the loss"),
    (ForgetsTheMean, "towards the greater value"),
    (TurnsNothing, "values share what the output is asked for"),
    (IgnoresTheMask, "masks hide on the way back"),
    (IgnoresCausality, "the future gets nothing"),
    (TakesTheMeanOverHeads, "heads that share keys add up"),
    (TakesHeadsInTurn, "heads that share keys add up"),
    (MultipliesByZero, "nan that is hidden stays hidden"),
    (WeighsWhatIsHidden, "nan reaches what it sees alone"),
]


def named(pairs, plain):
    """One mutant for each pair; a change that is there again is numbered."""
    for number, (change, law) in enumerate(pairs):
        again = any(change is other for other, _ in pairs[:number])
        base = type(f"{plain.__name__}Again", (plain,), {}) if again else plain
        yield variant(change, base, law)


MUTANTS = [*named(_FORWARD, Attention), *named(_BACK, Backward)]
