"""The inputs: every synthetic one is a function of its seed, every real one a file of DIPTYCH_DATA."""

from __future__ import annotations

import gzip
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csr_array

if TYPE_CHECKING:
    from diptych import HeteroGraph

EARTH_RADIUS_M = 6_371_008.8  # mean radius (IUGG), for an eps in metres under haversine


def mixture(n: int, d: int, *, centres: int, box: float, noise: float = 0.05, seed: int = 0) -> np.ndarray:
    """Mix unit-deviation Gaussians, centres uniform in [-box, box]^d, and a share of uniform noise."""
    rng = np.random.default_rng([seed, n, d])
    means = rng.uniform(-box, box, (centres, d))
    n_noise = int(noise * n)
    X = np.empty((n, d))
    X[:n_noise] = rng.uniform(-box, box, (n_noise, d))
    X[n_noise:] = means[rng.integers(0, centres, n - n_noise)]
    X[n_noise:] += rng.standard_normal((n - n_noise, d))
    rng.shuffle(X)
    return X


def unit_cube(n: int, d: int, *, seed: int = 0) -> np.ndarray:
    """Draw uniformly from the unit cube: no structure for an index to use."""
    return np.random.default_rng([seed, n, d]).random((n, d))


def directions(n: int, d: int, *, groups: int = 200, spread: float = 0.5, seed: int = 0) -> np.ndarray:
    """Draw around random directions (standard normal, not normalised), plus spread * N(0, 1); float32.

    Two rows of a group are at cosine distance 1 - 1 / (1 + spread**2) = 0.2 on average, of two groups at 1.
    """
    rng = np.random.default_rng([seed, n, d])
    means = rng.standard_normal((groups, d))
    X = means[rng.integers(0, groups, n)]
    X += spread * rng.standard_normal((n, d))
    return X.astype(np.float32)


def knots(n: int, d: int, *, per_knot: int, spacing: float, seed: int = 0) -> np.ndarray:
    """Put knots of exactly ``per_knot`` points on a lattice, each much tighter than ``spacing``.

    With a spacing just above eps / sqrt(d) every cell of a grid holds one knot and has a full house of
    neighbours; with a wide one every knot is alone. min_samples = per_knot fills each cell, one more leaves
    it one short.
    """
    rng = np.random.default_rng([seed, n, d, per_knot])
    count = n // per_knot
    side = int(np.ceil(count ** (1 / d)))
    lattice = np.stack(np.unravel_index(np.arange(count), (side,) * d), axis=1) * spacing
    X = np.repeat(lattice, per_knot, axis=0) + rng.uniform(0, 1e-3 * spacing, (count * per_knot, d))
    rng.shuffle(X)
    return X


class DataMissing(Exception):  # noqa: N818  (a reason to skip a row, not a failure)
    """A real data set was asked for and is not on this machine."""


def _file(folder: str, name: str) -> Path:
    root = os.environ.get("DIPTYCH_DATA")
    if not root:
        raise DataMissing("DIPTYCH_DATA is not set")
    path = Path(root) / folder / name
    if not path.exists():
        raise DataMissing(f"{name} is not in DIPTYCH_DATA/{folder}")
    return path


def bunny() -> np.ndarray:
    """Read the vertices of the Stanford bunny, (35947, 3)."""
    return np.loadtxt(_file("points", "stanford-bunny_vertices.csv"), delimiter=",")


def letter() -> np.ndarray:
    """Read the letter image features, (20000, 16) small integers as float64: many ties and equal rows."""
    lines = _file("points", "letter.arff").read_text().splitlines()
    rows = lines[[line.strip().lower() for line in lines].index("@data") + 1 :]
    return np.array([row.split(",")[:16] for row in rows if row.strip() and row[0] != "%"], dtype=np.float64)


def geolife() -> np.ndarray:
    """Read the GeoLife sample as (latitude, longitude) in radians, (217653, 2)."""
    with gzip.open(_file("points", "geolife_sample.txt.gz"), "rt") as file:
        return np.radians(np.loadtxt(file, delimiter=",", skiprows=1, usecols=(0, 1)))


def eps_for_degree(X: np.ndarray, degree: float, *, sample: int = 256, seed: int = 0) -> float:
    """Find the eps at which a seeded sample of rows has ``degree`` neighbours on average, itself included.

    Bisection to four significant digits, rounded so that the value can be quoted.
    """
    rows = np.random.default_rng(seed).choice(len(X), min(sample, len(X)), replace=False)
    squares = np.stack([np.square(X - X[row]).sum(axis=1) for row in rows])
    low, high = 0.0, float(np.sqrt(squares.max()))
    while high - low > 1e-5 * high:
        middle = (low + high) / 2
        mean = np.count_nonzero(squares <= middle * middle) / len(rows)
        low, high = (middle, high) if mean < degree else (low, middle)
    return float(f"{high:.4g}")


def rmat(scale: int, *, edge_factor: int = 8, seed: int = 0) -> csr_array:
    """R-MAT graph (.57, .19, .19, .05) of 2**scale nodes, made simple and undirected, nodes shuffled.

    Weights are symmetric, uniform between 0.1 and 1.1.
    """
    rng, n = np.random.default_rng(seed), 1 << scale
    i, j = np.zeros((2, edge_factor * n), dtype=np.int64)
    for _ in range(scale):
        corner = rng.random(len(i))
        i = 2 * i + (corner >= 0.76)
        j = 2 * j + (((corner >= 0.57) & (corner < 0.76)) | (corner >= 0.95))
    order = rng.permutation(n)
    i, j = order[i], order[j]
    low, high = np.divmod(np.unique((np.minimum(i, j) * n + np.maximum(i, j))[i != j]), n)
    weights = rng.uniform(0.1, 1.1, len(low))
    ends = np.append(low, high), np.append(high, low)
    A = csr_array((np.tile(weights, 2), ends), shape=(n, n))
    A.sort_indices()
    return csr_array((A.data, A.indices.astype(np.int32), A.indptr.astype(np.int32)), shape=(n, n))


def real_graph(name: str) -> csr_array:
    """Read the adjacency matrix of a real graph; rows are ordered by the numbers that name the nodes."""
    from diptych import Graph

    return Graph.from_file(_file("graphs", name)).adjacency


def blogcatalog_labels() -> csr_array:
    """Read the groups of the nodes of BlogCatalog, (10312, 39): a node has one, or several."""
    from scipy.io import loadmat

    return csr_array(loadmat(_file("graphs", "blogcatalog.mat"))["group"])


def cora_labels() -> np.ndarray:
    """Read the class of each node of Cora, (2708,)."""
    nodes, labels = np.loadtxt(_file("graphs", "cora_labels.txt"), dtype=int).T
    return labels[np.argsort(nodes)]


def zipf(n: int, m: int, entries: int, *, exponent: float, seed: int = 0) -> csr_array:
    """Draw the entries of an (n, m) matrix of counts: rows uniform, columns by Zipf's law.

    An entry drawn more than once is a larger count.
    """
    rng = np.random.default_rng([seed, n, m, entries])
    shares = np.cumsum(np.arange(1, m + 1, dtype=np.float64) ** -exponent)
    columns = np.searchsorted(shares, rng.random(entries) * shares[-1]).astype(np.int32)
    rows = rng.integers(0, n, entries, dtype=np.int32)
    counts = csr_array((np.ones(entries, dtype=np.int64), (rows, columns)), shape=(n, m))
    counts.sum_duplicates()
    return counts


@cache
def four_area() -> HeteroGraph:
    """Read DBLP's four areas: authors, papers, terms and venues, named by their keys in the files."""
    from diptych import HeteroGraph

    def table(name: str) -> list[list[str]]:
        lines = _file("hin/four_area", f"{name}.txt").read_text(encoding="utf-8-sig").splitlines()
        return [line.split("\t") for line in lines if line.strip()]

    kinds = {"author": "author", "paper": "paper", "venue": "conf", "term": "term"}
    return HeteroGraph(
        {
            ("author", "writes", "paper"): [(author, paper) for paper, author in table("paper_author")],
            ("paper", "appears at", "venue"): [tuple(pair) for pair in table("paper_conf")],
            ("paper", "has", "term"): [tuple(pair) for pair in table("paper_term")],
        },
        nodes={kind: [key for key, _ in table(file)] for kind, file in kinds.items()},
    )


def atis(part: str) -> tuple[list[list[str]], list[list[str]], list[str]]:
    """Read the words, tags and intents of one part of ATIS: train, dev or test."""
    words, tags, intents = (
        _file(f"sequences/atis/{part}", name).read_text(encoding="utf-8").splitlines()
        for name in ("seq.in", "seq.out", "label")
    )
    return (
        [line.split() for line in words],
        [line.split() for line in tags],
        [line.strip() for line in intents],
    )


def half_path(metapath: str) -> list[csr_array]:
    """Return the relations along the first half of a round trip in DBLP's four areas."""
    graph = four_area()
    return graph.relations_along(graph.metapath(metapath).half)


def shakespeare() -> str:
    """Read the plays that Karpathy put together as tiny-shakespeare, 1,115,394 characters."""
    return _file("sequences/tinyshakespeare", "input.txt").read_text(encoding="utf-8")
