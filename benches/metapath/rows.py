"""What is measured: inputs with their peers, bars and goals, and the rows of the other sections by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.sparse import csr_array

from benches import data
from benches.section import Target

SPARSE_DOT_TOPN = "sparse_dot_topn, products alone"
SCIPY = "scipy, exact, block by block"
SCIPY_SORT = "scipy, row product and sort"
SCIPY_PARTITION = "scipy, row product and partition"
SCIPY_PRODUCT = "scipy @"
GRAPHBLAS = "python-graphblas mxm"

K = 10  # similar nodes to find, everywhere


@dataclass(frozen=True)
class Row:
    """A half path, and of how many nodes the similar ones are asked for; None: of all."""

    name: str
    input: str
    make: Callable[[], list[csr_array]]
    targets: tuple[Target, ...]
    n_queries: int | None = None

    def queries(self, n: int) -> np.ndarray | None:
        """Draw the nodes to ask for, without repetition; None means all."""
        if self.n_queries is None:
            return None
        return np.random.default_rng(0).choice(n, self.n_queries, replace=False)


def sparse_dot_topn(bar: float | None = None, goal: float | None = None) -> Target:
    return Target(SPARSE_DOT_TOPN, bar, goal)


def scipy(bar: float | None = None, goal: float | None = None) -> Target:
    return Target(SCIPY, bar, goal)


def synthetic(n: int) -> list[csr_array]:
    """Draw a half matrix of five entries a row, a fifth as many columns as rows, Zipf with exponent 0.6."""
    return [data.zipf(n, n // 5, 5 * n, exponent=0.6)]


ROWS = (
    Row(
        "apcpa",
        "DBLP, author-paper-venue and back, 28,702 authors",
        partial(data.half_path, "APVPA"),
        (sparse_dot_topn(10, 25), scipy(80, 200)),
    ),
    Row(
        "aptpa",
        "DBLP, author-paper-term and back, 28,702 authors",
        partial(data.half_path, "APTPA"),
        (sparse_dot_topn(4, 6), scipy(40, 60)),
    ),
    Row(
        "zipf-1m",
        "1,000,000 × 200,000, 5 M entries, columns Zipf 0.6, 20,000 queries",
        partial(synthetic, 1_000_000),
        (sparse_dot_topn(3, 6), scipy()),
        n_queries=20_000,
    ),
)

ONE_AUTHOR = "one-author"
ONE_AUTHOR_TARGETS = (Target(SCIPY_SORT, 20), Target(SCIPY_PARTITION))
AT_MOST, BETTER = 0.5e-3, 0.1e-3  # seconds for one author: bar and goal

AUTHOR_TERM = "author-term"
AUTHOR_TERM_TARGETS = (Target(SCIPY_PRODUCT, 3, 5), Target(GRAPHBLAS, 1, 2))

SCALING_SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)


def scaling(n: int) -> Row:
    """Return the synthetic half matrix at n rows, asked for all; exact scipy up to 100,000."""
    peers = (sparse_dot_topn(), scipy()) if n <= 100_000 else (sparse_dot_topn(),)
    return Row(f"n-{n}", f"{n:,} × {n // 5:,}", partial(synthetic, n), peers)


def named(name: str) -> Row:
    """Return the row of that name."""
    return next(row for row in ROWS if row.name == name)


def names() -> list[str]:
    """Return the names of all rows but those of the scaling section."""
    return [*(row.name for row in ROWS), ONE_AUTHOR, AUTHOR_TERM]
