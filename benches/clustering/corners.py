"""No soft corners: what a variation of a call may cost, as a ratio of two of our own calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benches import data
from benches.clustering import rows
from benches.clustering.peers import Run, Timed

NO_SLOWER = 1.05  # five per cent for the noise of two medians


@dataclass(frozen=True)
class Corner:
    """Two calls, varied and plain; ``bar`` is the most their ratio may be (None: only shown)."""

    name: str
    shown: str
    varied: Callable[[], Run]
    plain: Callable[[], Run]
    bar: float | None


def _timed(call: Callable[..., Any], *args: Any, **options: Any) -> Timed:
    return Timed(partial(call, *args, **options))


def corners(threads: int, wanted: Callable[[str], bool]) -> Iterator[Corner]:
    """Yield the corners whose name is wanted, building their data on the way."""
    from diptych.kernels.clustering import dbscan

    fit = partial(dbscan, n_jobs=threads)
    if any(map(wanted, ("manhattan", "chebyshev", "unit-weights", "integer-weights"))):
        yield from (corner for corner in _in_space(fit) if wanted(corner.name))
    for shown, make, eps in (
        ("2d", partial(rows.plane, 100_000), 0.5),
        ("3d", partial(rows.space, 100_000), 0.6),
        ("7d", partial(rows.seven, 100_000), 2.0),
        ("16d", partial(rows.sixteen, 50_000), 4.0),
        ("64d", partial(rows.sixty_four, 20_000), 10.5),
    ):
        if wanted(f"float32-{shown}"):
            X = make()
            narrow = _timed(fit, X.astype(np.float32), eps, min_samples=10)
            wide = _timed(fit, X, eps, min_samples=10)
            yield Corner(f"float32-{shown}", f"float32 / float64, {shown}", narrow, wide, NO_SLOWER)
    for d in (2, 3, 7):
        for spread in ("side by side", "alone"):
            name = f"cells-{d}d-{spread.split()[0]}"
            if wanted(name):
                yield _short_cells(name, d, spread, fit)
    for shown, make, eps in (
        ("2d", rows.plane, 0.5),
        ("3d", rows.space, 0.6),
        ("7d", rows.seven, 2.0),
        ("16d", rows.sixteen, 4.0),
    ):
        if wanted(f"predict-{shown}"):
            yield _predict(f"predict-{shown}", make(200_000), eps, threads)


def _in_space(fit: Callable[..., Any]) -> Iterator[Corner]:
    """Metrics and weights, on the 3-D row; eps of the other metrics gives the Euclidean ball's volume."""
    X = rows.space(100_000)
    ball = 4 / 3 * np.pi * 0.6**3
    plain = _timed(fit, X, 0.6, min_samples=10)
    for metric, eps in (("manhattan", (ball * 3 / 4) ** (1 / 3)), ("chebyshev", ball ** (1 / 3) / 2)):
        varied = _timed(fit, X, float(eps), min_samples=10, metric=metric)
        yield Corner(metric, f"{metric} / euclidean, 3-D", varied, plain, 2.0)
        same = _timed(fit, X, 0.6, min_samples=10, metric=metric)
        yield Corner(metric, f"{metric} / euclidean, 3-D, the same eps", same, plain, 2.0)
    weighted = _timed(fit, X, 0.6, min_samples=10, sample_weight=np.ones(len(X)))
    yield Corner("unit-weights", "unit weights / none, 3-D", weighted, plain, 1.3)
    integers = np.random.default_rng(0).integers(0, 4, len(X)).astype(np.float64)
    weighted = _timed(fit, X, 0.6, min_samples=10, sample_weight=integers)
    yield Corner("integer-weights", "weights 0 to 3 / none, 3-D", weighted, plain, None)
    tenths = integers / 10 + 0.1
    weighted = _timed(fit, X, 0.6, min_samples=3, sample_weight=tenths)
    yield Corner("integer-weights", "weights in tenths / none, 3-D", weighted, plain, None)


def _short_cells(name: str, d: int, spread: str, fit: Callable[..., Any]) -> Corner:
    """Cells one point short of min_samples against cells just full; the bar is our reading of 'no cliff'."""
    spacing = 1.0 if spread == "side by side" else 10.0
    X = data.knots(100_000, d, per_knot=10, spacing=spacing)
    eps = spacing * d**0.5 * 0.999 if spread == "side by side" else d**0.5
    short = _timed(fit, X, eps, min_samples=11)
    full = _timed(fit, X, eps, min_samples=10)
    return Corner(name, f"cells one short / just full, {d}-D, {spread}", short, full, 3.0)


def _predict(name: str, X: np.ndarray, eps: float, threads: int) -> Corner:
    """Predict 100,000 new points against fitting 100,000."""
    import diptych

    half = len(X) // 2
    model = diptych.DBSCAN(eps, min_samples=10, n_jobs=threads).fit(X[:half])
    new, old = X[half:].copy(), X[:half].copy()
    fitted = diptych.DBSCAN(eps, min_samples=10, n_jobs=threads)
    return Corner(
        name,
        f"predict 100,000 / fit 100,000, {X.shape[1]}-D",
        _timed(model.predict, new),
        _timed(fitted.fit, old),
        NO_SLOWER,
    )
