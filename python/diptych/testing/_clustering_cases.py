"""Seeded inputs for the clustering laws: small, full of ties and repeated rows, growing from case to case."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import numpy as np

from diptych.testing._clustering_definition import reduced

Case = dict[str, Any]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Cases = Callable[[Random], Iterator[Case]]

RADII = (1.0, 1.5, 2.0, 2.5, 5.0)  # 5 is the hypotenuse of 3 and 4: ties off the axes too


def sizes(random: Random, largest: int = 26) -> Iterator[int]:
    """Numbers of rows, small ones first."""
    step = 0
    while True:
        yield random.randint(1 + min(step, 12) // 4, 3 + min(step, largest - 3))
        step += 1


def points(random: Random, rows: int, columns: int) -> Floats:
    """Rows on a lattice, on a fine dyadic lattice, in decimals, or on a lattice far from the origin."""
    style = random.choice(("lattice", "lattice", "fine", "decimal", "far"))
    span = random.choice((3, 6, 12))
    if style == "decimal":
        cells = [[round(random.uniform(-span, span) / 2, 2) for _ in range(columns)] for _ in range(rows)]
    else:
        scale = 0.25 if style == "fine" else 1.0
        shift = 2.0**30 if style == "far" else 0.0
        cells = [[shift + scale * random.randint(0, span) for _ in range(columns)] for _ in range(rows)]
    return np.array(repeat_some(random, cells), dtype=np.float64).reshape(rows, columns)


def repeat_some(random: Random, cells: list[list[float]]) -> list[list[float]]:
    """Now and then, some rows become copies of others."""
    if random.random() < 0.4:
        for i in range(len(cells)):
            if random.random() < 0.3:
                cells[i] = list(random.choice(cells))
    return cells


def dbscan_cases(random: Random) -> Iterator[Case]:
    """Euclidean inputs."""
    for rows in sizes(random):
        X = points(random, rows, random.randint(1, 3))
        yield {"X": X, "eps": random.choice(RADII), "min_samples": random.randint(1, 5)}


def bridges(random: Random) -> Iterator[Case]:
    """Yield clumps in a row, and between them single rows that reach one row of the clump on each side."""
    while True:
        places, left = [], 0.0
        for _ in range(random.randint(2, 4)):
            inner = [left + 0.125 * random.randint(3, 5) for _ in range(random.randint(2, 3))]
            middle = left + 1.0 + 0.125 * random.randint(6, 8)
            places += [left, *inner, left + 1.0, middle]
            left = middle + 0.125 * random.randint(6, 8)
        random.shuffle(places)
        axis = random.choice(([1.0], [0.0, 1.0], [-1.0]))
        yield {"X": np.outer(places, axis), "eps": 1.0, "min_samples": random.choice((3, 4, 4, 4, 5))}


def weighted(cases: Cases, *, lowest: int = -2048, step: float = 2.0**-10) -> Cases:
    """Add weights that are multiples of `step`: a power of two makes their sums exact in any order."""

    def with_weights(random: Random) -> Iterator[Case]:
        for case in cases(random):
            rows = case["X"].shape[0]
            weights = [step * random.randint(lowest, 3072) for _ in range(rows)]
            yield case | {"sample_weight": np.array(weights), "min_samples": random.randint(1, 3)}

    return with_weights


def repeated(random: Random) -> Iterator[Case]:
    """Yield inputs with whole positive weights."""
    for case in dbscan_cases(random):
        weights = [float(random.randint(1, 3)) for _ in range(case["X"].shape[0])]
        yield case | {"sample_weight": np.array(weights), "min_samples": random.randint(1, 7)}


def lattice_cases(random: Random) -> Iterator[Case]:
    """Yield whole coordinates below 10, which can be moved and scaled without rounding."""
    for rows in sizes(random):
        columns = random.randint(1, 3)
        cells = [[float(random.randint(0, 9)) for _ in range(columns)] for _ in range(rows)]
        X = np.array(repeat_some(random, cells)).reshape(rows, columns)
        yield {"X": X, "eps": random.choice(RADII[:3]), "min_samples": random.randint(1, 4)}


def under(metric: str) -> Cases:
    """Put the Euclidean inputs under another metric of the Minkowski family."""

    def cases(random: Random) -> Iterator[Case]:
        for case in dbscan_cases(random):
            yield case | {"metric": metric}

    def powered(random: Random) -> Iterator[Case]:
        for case in cases(random):
            yield case | {"p": random.choice((None, 1, 1.5, 2, 3.0, math.inf))}

    return powered if metric == "minkowski" else cases


def directions(random: Random) -> Iterator[Case]:
    """Rows for the cosine: whole numbers, zero rows and parallel rows among them."""
    for rows in sizes(random):
        columns = random.randint(1, 5)
        cells = [[float(random.randint(-3, 3)) for _ in range(columns)] for _ in range(rows)]
        X = np.array(repeat_some(random, cells)).reshape(rows, columns)
        eps = round(random.choice((random.uniform(0.01, 0.3), random.uniform(0.1, 0.95), 1.05)), 3)
        yield {"X": X, "eps": eps, "min_samples": random.randint(1, 4), "metric": "cosine"}


def places(random: Random) -> Iterator[Case]:
    """Latitudes and longitudes in radians: all over the globe, about the date line, about a pole."""
    for rows in sizes(random):
        style = random.choice(("globe", "date line", "pole"))
        cells = []
        for _ in range(rows):
            latitude = random.uniform(-1.5, 1.5)
            longitude = random.uniform(-math.pi, math.pi)
            if style == "date line":
                latitude = random.uniform(-0.2, 0.2)
                longitude = random.choice((-1, 1)) * (math.pi - random.uniform(0.0, 0.2))
            elif style == "pole":
                latitude = random.choice((math.pi / 2, math.pi / 2 - random.uniform(0.0, 0.2)))
            cells.append([latitude, longitude])
        eps = round(random.uniform(0.05, 1.0 if style == "globe" else 0.2), 3)
        X = np.array(repeat_some(random, cells)).reshape(rows, 2)
        yield {"X": X, "eps": eps, "min_samples": random.randint(1, 4), "metric": "haversine"}


def tables(random: Random) -> Iterator[Case]:
    """Dense distance matrices: lopsided, and with diagonals that are not zero."""
    for rows in sizes(random, largest=14):
        lopsided, hollow = random.random() < 0.6, random.random() < 0.6
        D = np.array([float(random.randint(0, 9)) for _ in range(rows * rows)]).reshape(rows, rows)
        if not lopsided:
            D = np.maximum(D, D.T)
        if hollow:
            np.fill_diagonal(D, 0.0)
        yield {
            "X": D,
            "eps": float(random.randint(1, 3)),
            "min_samples": random.randint(1, 4),
            "metric": "precomputed",
        }


def sparse_tables(random: Random) -> Iterator[Case]:
    """Sparse distance matrices: absent entries are far, stored zeros are near."""
    from scipy.sparse import csr_array

    for case in tables(random):
        rows = case["X"].shape[0]
        held = [[random.random() < 0.4 for _ in range(rows)] for _ in range(rows)]
        indices = [j for i in range(rows) for j in range(rows) if held[i][j]]
        indptr = np.cumsum([0] + [sum(row) for row in held])
        data = np.array(
            [case["X"][i, j] for i in range(rows) for j in range(rows) if held[i][j]], dtype=np.float64
        )
        matrix = csr_array((data, np.array(indices, dtype=np.int64), indptr), shape=(rows, rows))
        yield case | {"X": matrix}


def any_metric(random: Random) -> Iterator[Case]:
    """Yield inputs under each metric in turn."""
    sources = [
        make(random)
        for make in (
            under("manhattan"),
            under("chebyshev"),
            under("minkowski"),
            directions,
            places,
            tables,
            sparse_tables,
        )
    ]
    while True:
        for source in sources:
            yield next(source)


def between(random: Random, X: np.ndarray[Any, Any], Y: np.ndarray[Any, Any]) -> float:
    """Choose the distance of two rows, if possible one whose square rounds below the sum of squares."""
    xs, ys = X.tolist(), Y.tolist()
    eps = 0.0
    for _ in range(20):
        x, y = random.choice(xs), random.choice(ys)
        eps, s = math.dist(x, y) or eps, reduced(x, y, "euclidean", 2.0)
        if s > eps * eps:
            break
    return eps


def rounding_cases(random: Random) -> Iterator[Case]:
    """Lattices with steps that are no binary fractions: rounding decides whether two rows are neighbours."""
    for rows in sizes(random, largest=12):
        columns, span = random.randint(1, 3), random.choice((6, 40))
        step = random.choice((0.1, 0.3, 1 / 3, 0.7, 1e-3))
        shift = random.choice((0.0, 0.0, 0.1, 500000.3, 4500000.7))
        cells = [[shift + step * random.randint(0, span) for _ in range(columns)] for _ in range(rows)]
        X = np.array(cells).reshape(rows, columns)
        eps = random.choice((step, 3 * step, between(random, X, X) or step, between(random, X, X) or step))
        case = {"X": X, "eps": eps, "min_samples": random.randint(1, 3)}
        metric = random.choice(("euclidean", "euclidean", "manhattan", "chebyshev"))
        yield case if metric == "euclidean" else case | {"metric": metric}


def extreme_cases(random: Random) -> Iterator[Case]:
    """Coordinates and radii whose squares overflow or vanish."""
    for rows in sizes(random, largest=8):
        scale = random.choice((1e-320, 1e-200, 1e-160, 1e155, 1e200, 1e308))
        cells = [[scale * random.choice((-1.0, 0.0, 0.5, 1.0)) for _ in range(2)] for _ in range(rows)]
        eps = scale * random.choice((0.25, 0.5, 1.0))
        yield {
            "X": np.array(cells).reshape(rows, 2),
            "eps": eps or 5e-324,
            "min_samples": random.randint(1, 3),
        }


def narrow_cases(random: Random) -> Iterator[Case]:
    """Float32 rows, in decimals that float32 rounds."""
    for rows in sizes(random):
        columns = random.randint(1, 4)
        shift = random.choice((0.0, 100.0))
        cells = [[shift + random.randint(0, 8) / 10 for _ in range(columns)] for _ in range(rows)]
        X = np.array(cells, dtype=np.float32).reshape(rows, columns)
        yield {"X": X, "eps": between(random, X, X) or 0.1, "min_samples": random.randint(1, 4)}


def with_k(cases: Cases) -> Cases:
    """Turn inputs into those of k_distances: two rows at least, k in place of eps and min_samples."""

    def changed(random: Random) -> Iterator[Case]:
        for case in cases(random):
            kept = {name: case[name] for name in ("X", "metric", "p") if name in case}
            rows = case["X"].shape[0]
            if rows > 1:
                yield kept | {"k": random.randint(1, min(rows - 1, 5))}

    return changed


def with_core(cases: Cases) -> Cases:
    """Turn inputs into those of dbscan_predict: new rows, and core points with any labels."""

    def changed(random: Random) -> Iterator[Case]:
        for case in cases(random):
            X, rows = case["X"], case["X"].shape[0]
            if rows < 2:
                continue
            cut = random.randint(1, rows - 1)
            labels = np.array([random.randint(0, 3) for _ in range(rows - cut)], dtype=np.intp)
            options = {name: case[name] for name in ("metric", "p") if name in case}
            given = options.get("metric") == "precomputed"
            arrays = (
                {"X_new": X[:cut, cut:], "core_points": None}
                if given
                else {"X_new": X[:cut], "core_points": X[cut:]}
            )
            yield arrays | {"core_labels": labels, "eps": case["eps"]} | options

    return changed


def chained(*first: Case, then: Cases) -> Cases:
    """Put worked examples before the cases of a generator."""

    def all_of_them(random: Random) -> Iterator[Case]:
        yield from first
        yield from then(random)

    return all_of_them
