"""Small data to try things on: what scikit-learn ships, a graph, and points made from a seed.

Nothing is downloaded, and nothing but the 78 edges of the karate club is stored in this package.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Dataset",
    "GraphDataset",
    "load_digits",
    "load_iris",
    "load_karate",
    "load_photo",
    "load_wine",
    "make_moons_and_noise",
]


class Dataset(NamedTuple):
    """Points, the class of each, and the names of the classes.

    Attributes
    ----------
    X : ndarray of shape (n, d), float64
        The points.
    y : ndarray of shape (n,), intp
        The class of each point, known from outside.
    class_names : tuple of str
        ``class_names[y[i]]`` is the class of point i.
    """

    X: NDArray[np.float64]
    y: NDArray[np.intp]
    class_names: tuple[str, ...]


class GraphDataset(NamedTuple):
    """Edges of a graph, the class of each node, and the names of the classes.

    Attributes
    ----------
    edges : ndarray of shape (n_edges, 2), int64
        Undirected edges between nodes 0 … n - 1, each once; every node has one.
    y : ndarray of shape (n,), intp
        The class of each node, known from outside.
    class_names : tuple of str
        ``class_names[y[i]]`` is the class of node i.
    """

    edges: NDArray[np.int64]
    y: NDArray[np.intp]
    class_names: tuple[str, ...]


def _from_sklearn(name: str) -> Dataset:
    from sklearn import datasets

    bunch: Any = getattr(datasets, f"load_{name}")()
    return Dataset(
        np.ascontiguousarray(bunch.data, dtype=np.float64),
        np.ascontiguousarray(bunch.target, dtype=np.intp),
        tuple(str(name) for name in bunch.target_names),
    )


def load_iris() -> Dataset:
    """Return the measurements of 150 iris flowers, 4 lengths in cm each, 3 species (Fisher, 1936).

    Returns
    -------
    Dataset
    """
    return _from_sklearn("iris")


def load_wine() -> Dataset:
    """Return the chemical analysis of 178 wines, 13 quantities of unequal scale, 3 cultivars (UCI).

    Returns
    -------
    Dataset
    """
    return _from_sklearn("wine")


def load_digits() -> Dataset:
    """Return 1,797 handwritten digits of 8 × 8 pixels, grey values 0 to 16 (UCI, optdigits, the test part).

    Returns
    -------
    Dataset
    """
    return _from_sklearn("digits")


# Zachary (1977), whose numbers are one higher: to each node its neighbours that come after it.
_KARATE = {
    0: [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 17, 19, 21, 31],
    1: [2, 3, 7, 13, 17, 19, 21, 30],
    2: [3, 7, 8, 9, 13, 27, 28, 32],
    3: [7, 12, 13],
    4: [6, 10],
    5: [6, 10, 16],
    6: [16],
    8: [30, 32, 33],
    9: [33],
    13: [33],
    14: [32, 33],
    15: [32, 33],
    18: [32, 33],
    19: [33],
    20: [32, 33],
    22: [32, 33],
    23: [25, 27, 29, 32, 33],
    24: [25, 27, 31],
    25: [31],
    26: [29, 33],
    27: [33],
    28: [31, 33],
    29: [32, 33],
    30: [32, 33],
    31: [32, 33],
    32: [33],
}
_KARATE_OFFICER = (9, 14, 15, 18, 20, *range(22, 34))


def load_karate() -> GraphDataset:
    """Return who met whom outside a karate club, 34 members, and where each went when it split in two.

    Returns
    -------
    GraphDataset
        78 edges, without the weights that Zachary gives as well; node 0 is the instructor, 33 the officer.
        ``y`` is 0 for members who joined the instructor's new club, 1 for those who stayed with the officer.

    References
    ----------
    .. [1] W. W. Zachary, "An information flow model for conflict and fission in small groups", Journal of
       Anthropological Research 33(4), pp. 452-473, 1977.
    """
    edges = [(node, other) for node, others in _KARATE.items() for other in others]
    y = np.zeros(34, dtype=np.intp)
    y[list(_KARATE_OFFICER)] = 1
    return GraphDataset(np.array(edges, dtype=np.int64), y, ("instructor", "officer"))


def load_photo(name: str = "china.jpg", *, step: int = 1) -> NDArray[np.uint8]:
    """Return a photograph that scikit-learn ships; needs Pillow, which matplotlib brings.

    Parameters
    ----------
    name : {"china.jpg", "flower.jpg"}
        Photographs by danielbuechele and dany13 (flickr), both CC BY.
    step : int
        Keep each ``step``-th row and column.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        427 × 640 pixels with ``step=1``; red, green, blue.
    """
    from sklearn.datasets import load_sample_image

    return np.ascontiguousarray(load_sample_image(name)[::step, ::step])


def make_moons_and_noise(
    n: int = 200,
    *,
    noise_share: float = 0.1,
    spread: float = 0.06,
    rng: int | np.random.SeedSequence | np.random.Generator | None = None,
) -> Dataset:
    """Make two interleaved half circles and uniform noise.

    Parameters
    ----------
    n : int
        How many points.
    noise_share : float
        Share of the points drawn uniformly from the box around the half circles.
    spread : float
        Standard deviation of a point about its half circle (radius 1).
    rng : None, int, SeedSequence or Generator
        Where the draws come from.

    Returns
    -------
    Dataset
        ``y`` is 0 and 1 for the half circles, 2 for the noise.
    """
    generator = np.random.default_rng(rng)
    n_noise = round(n * noise_share)
    y = np.concatenate([np.arange(n - n_noise) % 2, np.full(n_noise, 2)]).astype(np.intp)
    angle = generator.uniform(0.0, np.pi, n - n_noise)
    upper = y[: n - n_noise] == 0
    arcs = np.column_stack(
        [
            np.where(upper, np.cos(angle), 1.0 - np.cos(angle)),
            np.where(upper, np.sin(angle), 0.5 - np.sin(angle)),
        ]
    )
    arcs += generator.normal(0.0, spread, arcs.shape)
    noise = generator.uniform((-1.4, -0.9), (2.4, 1.4), (n_noise, 2))
    return Dataset(np.vstack([arcs, noise]), y, ("upper", "lower", "noise"))
