"""What is measured: the rows of the speed table, each with its peers, its bar and its goal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from benches import data
from benches.section import Target


@dataclass(frozen=True)
class Row:
    """One input and its parameters; eps None: a mean degree of about 20; ``k``: a k_distances row."""

    name: str
    input: str
    make: Callable[[], np.ndarray]
    eps: float | None
    min_samples: int
    targets: tuple[Target, ...]
    metric: str = "euclidean"
    k: int | None = None
    sklearn: dict[str, Any] = field(default_factory=dict)  # arguments for scikit-learn alone
    eps_shown: str = ""

    def parameters(self, eps: float | None) -> str:
        """Return eps and min_samples, or k, as the table shows them."""
        return f"k = {self.k}" if self.k else f"{self.eps_shown or f'{eps:.4g}'}, {self.min_samples}"


def sklearn(bar: float | None = None, goal: float | None = None) -> Target:
    return Target("scikit-learn", bar, goal)


def wang(bar: float | None = None, goal: float | None = None) -> Target:
    return Target("dbscan", bar, goal)


plane = partial(data.mixture, d=2, centres=50, box=100.0)
space = partial(data.mixture, d=3, centres=50, box=100.0)
seven = partial(data.mixture, d=7, centres=30, box=50.0)
sixteen = partial(data.mixture, d=16, centres=30, box=20.0, noise=0.0)
sixty_four = partial(data.mixture, d=64, centres=30, box=5.0, noise=0.0)

ROWS = (
    Row("2d-1m", "2-D, 1,000,000", partial(plane, 1_000_000), 0.5, 10, (wang(3, 5),)),
    Row("2d-100k", "2-D, 100,000", partial(plane, 100_000), 0.5, 10, (sklearn(40, 100), wang())),
    Row("3d-100k", "3-D, 100,000", partial(space, 100_000), 0.6, 10, (wang(3, 5), sklearn(25, 50))),
    Row("7d-100k", "7-D, 100,000", partial(seven, 100_000), 2.0, 10, (wang(10, 20), sklearn(30, 60))),
    Row(
        "7d-cube",
        "7-D, 100,000, uniform",
        partial(data.unit_cube, 100_000, 7),
        0.237,
        10,
        (wang(3, 6), sklearn(15, 30)),
    ),
    Row("16d-50k", "16-D, 50,000", partial(sixteen, 50_000), 4.0, 10, (wang(3, 5), sklearn(15, 30))),
    Row("64d-20k", "64-D, 20,000", partial(sixty_four, 20_000), 10.5, 10, (sklearn(8, 15),)),
    Row(
        "cosine",
        "768-D float32, 10,000, cosine",
        partial(data.directions, 10_000, 768),
        0.3,
        5,
        (sklearn(6, 15),),
        metric="cosine",
    ),
    Row(
        "geolife",
        "GeoLife sample, haversine, 217,653",
        data.geolife,
        5.0 / data.EARTH_RADIUS_M,
        10,
        (sklearn(20, 50),),
        metric="haversine",
        sklearn={"algorithm": "ball_tree"},
        eps_shown="5 m",
    ),
    Row("bunny", "Stanford bunny, 3-D, 35,947", data.bunny, None, 10, (sklearn(10, 20), wang())),
    Row("letter", "letter, 16-D, 20,000", data.letter, None, 10, (sklearn(10, 20), wang())),
    Row("k-2d", "k_distances, 2-D, 100,000", partial(plane, 100_000), 0.0, 0, (sklearn(3, 6),), k=10),
    Row("k-16d", "k_distances, 16-D, 100,000", partial(sixteen, 100_000), 0.0, 0, (sklearn(3, 6),), k=10),
)


def _all_neighbours(d: int) -> Row:
    eps = 2.0 * d**0.5  # more than the diagonal of the unit cube
    return Row(
        f"all-{d}d",
        f"{d}-D, 100,000, everybody a neighbour",
        partial(data.unit_cube, 100_000, d),
        eps,
        10,
        (),
    )


ALL_NEIGHBOURS = tuple(_all_neighbours(d) for d in (2, 7, 64))

LARGE = (
    Row("2d-10m", "2-D, 10,000,000", partial(plane, 10_000_000), 0.5, 10, (wang(),)),
    Row(
        "2d-10m-sparse",
        "2-D, 10,000,000, eps for the degree of 2d-1m",
        partial(plane, 10_000_000),
        0.158,
        10,
        (wang(),),
    ),
)

SCALING_SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)


def scaling(n: int) -> Row:
    """2-D with the expected degree of the 100,000 row at every n; scikit-learn up to a million."""
    eps = 0.5 * (100_000 / n) ** 0.5
    peers = (wang(), sklearn()) if n <= 1_000_000 else (wang(),)
    return Row(f"n-{n}", f"2-D, {n:,}", partial(plane, n), eps, 10, peers)


def mean_degree_20(X: np.ndarray) -> float:
    """Return the eps of a row that asks for a mean degree of about 20."""
    return data.eps_for_degree(X, 20)


def named(name: str) -> Row:
    """Return the row of that name."""
    return next(row for row in (*ROWS, *ALL_NEIGHBOURS, *LARGE) if row.name == name)


def names() -> list[str]:
    """Return the names of all rows but those of the scaling section."""
    return [row.name for row in (*ROWS, *ALL_NEIGHBOURS, *LARGE)]
