"""What counting alone can do: an n-gram of characters, interpolated Kneser–Ney, modified.

Kneser and Ney (1995), "Improved backing-off for m-gram language modeling"; Chen and Goodman (1999), "An
empirical study of smoothing techniques for language modeling", for the interpolation and three discounts.

    p_n(w | h) = (c(hw) − D(c(hw)) + Σ_v D(c(hv)) · p_{n−1}(w | h′)) / c(h),   h′ being h without its first

c counts in the text for the longest order; below, it counts how many characters there are to the left of hw.
D(k) = k − (k + 1) Y n_{k+1} / n_k for k = 1, 2 and 3 or more, Y = n_1 / (n_1 + 2 n_2), n_k being how many
grams of the order are there k times. Below the single characters stands 1 / vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Order:
    """Grams as numbers in base V, sorted, and their contexts."""

    grams: np.ndarray
    left: np.ndarray  # counts of the grams less their discounts
    contexts: np.ndarray
    totals: np.ndarray
    taken: np.ndarray  # sums of the discounts


def _find(codes: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where each code is, and whether it is there at all."""
    at = np.minimum(np.searchsorted(among, codes), len(among) - 1)
    return at, among[at] == codes


def _codes(numbers: np.ndarray, n: int, v: int) -> np.ndarray:
    """Return the grams of n characters, as numbers in base v."""
    codes = np.zeros(len(numbers) - n + 1, np.int64)
    for k in range(n):
        codes = codes * v + numbers[k : len(numbers) - n + 1 + k]
    return codes


def _order(grams: np.ndarray, counts: np.ndarray, v: int) -> Order:
    contexts, first = np.unique(grams // v, return_index=True)
    discounts = _discounts(counts)[np.minimum(counts, 3)]
    totals, taken = np.add.reduceat(counts, first), np.add.reduceat(discounts, first)
    return Order(grams, counts - discounts, contexts, totals, taken)


def _discounts(counts: np.ndarray) -> np.ndarray:
    """Return D by count, from 0 to 3; a text so short that some count is not there has none."""
    n = [int((counts == k).sum()) for k in range(5)]
    if 0 in n[1:]:
        return np.zeros(4)
    y = n[1] / (n[1] + 2 * n[2])
    return np.array([0.0, *(k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3))])


class KneserNey:
    """An n-gram of characters, numbered from 0 to v − 1."""

    def __init__(self, numbers: np.ndarray, n: int, v: int) -> None:
        self.n, self.v = n, v
        grams, counts = np.unique(_codes(numbers, n, v), return_counts=True)
        orders = [_order(grams, counts, v)]
        for length in range(n - 1, 0, -1):
            grams, counts = np.unique(grams % v**length, return_counts=True)  # without their first character
            orders.append(_order(grams, counts, v))
        self.orders = orders[::-1]  # single characters first

    def probabilities(self, numbers: np.ndarray) -> np.ndarray:
        """Return the probability of each character after as many before it as there are, at most n − 1."""
        p = np.full(len(numbers), 1.0 / self.v)
        for length, order in enumerate(self.orders, start=1):
            if len(numbers) < length:
                break
            codes = _codes(numbers, length, self.v)
            at, known = _find(codes // self.v, order.contexts)
            total = np.where(known, order.totals[at], 1)
            share = np.where(known, order.taken[at] / total, 1.0)
            at, there = _find(codes, order.grams)
            own = np.where(there, order.left[at], 0.0) / total
            p[length - 1 :] = own + share * p[length - 1 :]
        return p
