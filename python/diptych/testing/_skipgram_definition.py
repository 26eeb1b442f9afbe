"""Skip-gram's definitions in plain Python: pairs, noise, the loss to 50 digits, and training on a few pairs.

The laws of `diptych.testing.skipgram` compare answers with them. They share no code with either panel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from typing import Any

Case = dict[str, Any]
Row = Sequence[float]

_EXACT = Context(prec=50)


def pairs(walk: Sequence[int], radii: Sequence[int]) -> list[tuple[int, int]]:
    """(center, context) for each two positions of a walk within the radius of the first of them."""
    nodes = [int(node) for node in walk if node >= 0]
    return [
        (nodes[i], nodes[j])
        for i in range(len(nodes))
        for j in range(i - radii[i], i + radii[i] + 1)
        if j != i and 0 <= j < len(nodes)
    ]


def noise(counts: Row, exponent: float) -> list[float]:
    """Return the share of each node: of the powers of what was seen."""
    logs = [exponent * math.log(count) if count > 0 else -math.inf for count in counts]
    powers = [math.exp(value - max(logs)) for value in logs]
    return [power / math.fsum(powers) for power in powers]


def loss(center: Row, positive: Row, negatives: Iterable[Row]) -> Decimal:
    """−log σ(s · p) − Σ log σ(−s · n)."""
    total = _softplus(_EXACT.minus(_dot(center, positive)))
    for row in negatives:
        total = _EXACT.add(total, _softplus(_dot(center, row)))
    return total


def derivative(case: Case, name: str, *place: int) -> float:
    """Return the derivative of the loss by one entry, as a difference quotient that is exact to 15 digits."""
    step = Decimal("1e-20")
    moved = [_with_entry(case, name, place, sign * step) for sign in (1, -1)]
    return float((loss(*moved[0]) - loss(*moved[1])) / (2 * step))


def sigma(x: float) -> float:
    """1 / (1 + exp(−x))."""
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0


def descend(
    vectors: list[list[float]],
    contexts: list[list[float]],
    steps: Iterable[tuple[int, int, list[int], float]],
) -> float:
    """Step for each (input, target, negatives, rate), in place; return the sum of the losses before."""
    total = 0.0
    for v, target, drawn, rate in steps:
        kept = [u for u in drawn if u != target]
        total += float(loss(vectors[v], contexts[target], [contexts[u] for u in kept]))
        before = list(vectors[v])
        gains = [(target, 1.0)] + [(u, 0.0) for u in kept]
        slopes = [rate * (label - sigma(_product(before, contexts[u]))) for u, label in gains]
        rows = [list(contexts[u]) for u, _ in gains]
        for g, row, (u, _) in zip(slopes, rows, gains, strict=True):
            vectors[v] = [x + g * y for x, y in zip(vectors[v], row, strict=True)]
            contexts[u] = [y + g * x for y, x in zip(contexts[u], before, strict=True)]
    return total


def _product(x: Row, y: Row) -> float:
    return math.fsum(a * b for a, b in zip(x, y, strict=True))


def _dot(x: Iterable[Any], y: Iterable[Any]) -> Decimal:
    total = Decimal(0)
    for a, b in zip(x, y, strict=True):
        total = _EXACT.add(total, _EXACT.multiply(Decimal(a), Decimal(b)))
    return total


def _softplus(x: Decimal) -> Decimal:
    """log(1 + exp(x))."""
    if x > 0:
        return _EXACT.add(x, _softplus(_EXACT.minus(x)))
    power = _EXACT.exp(x)
    return power if x < -60 else _EXACT.ln(_EXACT.add(Decimal(1), power))


def _with_entry(case: Case, name: str, place: tuple[int, ...], change: Decimal) -> tuple[Any, Any, Any]:
    rows = {key: case[key].tolist() for key in ("center", "positive", "negatives")}
    row = rows[name] if len(place) == 1 else rows[name][place[0]]
    row[place[-1]] = _EXACT.add(Decimal(row[place[-1]]), change)
    return rows["center"], rows["positive"], rows["negatives"]
