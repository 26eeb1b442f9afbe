"""DBSCAN's definition in plain Python: the contract's expression pair by pair, no arrays, tiny inputs.

The laws of `diptych.testing.clustering` compare answers with it. It shares no code with either panel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

Case = dict[str, Any]
Row = Sequence[float]


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf


def settle_metric(case: Case) -> tuple[str, float]:
    """Metric and exponent, with Minkowski's three special exponents under their own names."""
    metric, p = case.get("metric", "euclidean"), case.get("p")
    if metric != "minkowski":
        return metric, 2.0
    special = {1.0: "manhattan", 2.0: "euclidean", math.inf: "chebyshev"}
    exponent = 2.0 if p is None else float(p)
    return special.get(exponent, "minkowski"), exponent


def reduced(x: Row, y: Row, metric: str, p: float) -> float:
    """Work out what is compared with `bound`: the distance, or a function that grows with it."""
    if metric == "haversine":
        s0, s1 = math.sin(0.5 * (x[0] - y[0])), math.sin(0.5 * (x[1] - y[1]))
        return s0 * s0 + math.cos(x[0]) * math.cos(y[0]) * s1 * s1
    total = 0.0
    if metric == "cosine":
        for a, b in zip(x, y, strict=True):
            total += a * b
        return 1.0 - total
    for a, b in zip(x, y, strict=True):
        t = abs(a - b)
        if metric == "euclidean":
            total += t * t
        elif metric == "manhattan":
            total += t
        elif metric == "chebyshev":
            total = max(total, t)
        else:
            total += _power(t, p)
    return total


def bound(eps: float, metric: str, p: float) -> float:
    """Return what `reduced` may be at most for a neighbour."""
    if metric == "euclidean":
        return eps * eps
    if metric == "minkowski":
        return _power(eps, p)
    if metric == "haversine":
        t = math.sin(0.5 * eps)
        return t * t
    return eps


def distance(s: float, metric: str, p: float) -> float:
    """Return the distance that belongs to a reduced one."""
    if metric == "euclidean":
        return math.sqrt(s)
    if metric == "minkowski":
        return _power(s, 1.0 / p)
    return 2.0 * math.asin(min(1.0, math.sqrt(s))) if metric == "haversine" else s


def rows_of(X: Any, metric: str) -> list[list[float]]:
    """Rows as Python floats (float32 widened), of unit length for the cosine; a zero row stays zero."""
    rows = [[float(value) for value in row] for row in X.tolist()] if len(X) else []
    if metric != "cosine":
        return rows
    units = []
    for row in rows:
        total = 0.0
        for value in row:
            total += value * value
        length = math.sqrt(total)
        units.append([value / length for value in row] if length else row)
    return units


def stored(matrix: Any) -> list[dict[int, float]]:
    """Read a precomputed matrix row by row: all of a dense one, what is stored of a sparse one."""
    if not hasattr(matrix, "indptr"):
        return [dict(enumerate(row)) for row in matrix.tolist()]
    ends = matrix.indptr.tolist()
    pairs = list(zip(matrix.indices.tolist(), matrix.data.tolist(), strict=True))
    return [dict(pairs[start:stop]) for start, stop in pairwise(ends)]


def reduced_table(case: Case) -> list[dict[int, float]]:
    """For each row, the reduced distance to every row it has one to."""
    metric, p = settle_metric(case)
    X = case["X"]
    if metric == "precomputed":
        table = stored(X)
        if hasattr(X, "indptr"):
            for i, row in enumerate(table):
                row[i] = 0.0
        return table
    rows = rows_of(X, metric)
    table = [{j: reduced(x, y, metric, p) for j, y in enumerate(rows)} for x in rows]
    if metric == "cosine":
        for i, row in enumerate(table):
            row[i] = 0.0
    return table


def neighbourhoods(case: Case) -> list[list[int]]:
    """For each row, the rows within eps of it, itself among them."""
    metric, p = settle_metric(case)
    limit = bound(case["eps"], metric, p)
    return [sorted(j for j, s in row.items() if s <= limit) for row in reduced_table(case)]


def core_rows(case: Case, near: list[list[int]]) -> set[int]:
    """Rows whose neighbours weigh at least min_samples."""
    weights = case.get("sample_weight")
    if weights is None:
        return {i for i, row in enumerate(near) if len(row) >= case["min_samples"]}
    w = weights.tolist()
    return {i for i, row in enumerate(near) if math.fsum(w[j] for j in row) >= case["min_samples"]}


def search(near: list[list[int]], core: set[int]) -> list[int]:
    """Labels by the literal search: each unlabelled core row, in order, starts a cluster and spreads."""
    labels = [-1] * len(near)
    cluster = 0
    for start in range(len(near)):
        if start not in core or labels[start] != -1:
            continue
        labels[start] = cluster
        queue = [start]
        for i in queue:
            for j in near[i] if i in core else ():
                if labels[j] == -1:
                    labels[j] = cluster
                    queue.append(j)
        cluster += 1
    return labels


def clusters(case: Case) -> tuple[list[int], list[int]]:
    """Core rows and labels."""
    near = neighbourhoods(case)
    core = core_rows(case, near)
    return sorted(core), search(near, core)


def kth_distances(case: Case) -> list[float]:
    """For each row the distance to the k-th other row."""
    metric, p = settle_metric(case)
    found = []
    for i, row in enumerate(reduced_table(case)):
        others = sorted(s for j, s in row.items() if j != i)
        s = others[case["k"] - 1] if len(others) >= case["k"] else math.inf
        found.append(distance(s, metric, p) if math.isfinite(s) else s)
    return found


def predicted(case: Case) -> list[int]:
    """For each new row the smallest label among the core points within eps, else -1."""
    metric, p = settle_metric(case)
    limit = bound(case["eps"], metric, p)
    labels = case["core_labels"].tolist()
    if metric == "precomputed":
        table = stored(case["X_new"])
    else:
        core = rows_of(case["core_points"], metric)
        table = [
            {j: reduced(x, y, metric, p) for j, y in enumerate(core)} for x in rows_of(case["X_new"], metric)
        ]
    return [min((labels[j] for j, s in row.items() if s <= limit), default=-1) for row in table]


def is_clear(case: Case) -> bool:
    """Whether no neighbour test hangs on rounding.

    Every pair is either well away from eps, or its distance and its comparison with eps are exact in float64:
    then every sensible way of computing them, with a square root or without, gives the same answer.
    """
    metric, p = settle_metric(case)
    eps = case["eps"]
    limit = bound(eps, metric, p)
    if metric == "precomputed":
        return True
    X = case["X"] if "X" in case else np.concatenate([case["X_new"], case["core_points"]])
    rows = rows_of(X, metric)
    for i, x in enumerate(rows):
        for y in rows[:i]:
            s = reduced(x, y, metric, p)
            if abs(s - limit) > 1e-9 * max(abs(s), limit):
                continue
            if (
                metric in ("cosine", "haversine", "minkowski")
                or s != limit
                or not _is_exact(x, y, eps, metric)
            ):
                return False
    return True


def _is_exact(x: Row, y: Row, eps: float, metric: str) -> bool:
    exact: Callable[[float], Fraction] = Fraction
    steps = [abs(exact(a) - exact(b)) for a, b in zip(x, y, strict=True)]
    if metric == "euclidean":
        return sum(t * t for t in steps) == exact(eps) ** 2 == exact(eps * eps)
    return (sum(steps) if metric == "manhattan" else max(steps)) == exact(eps)
