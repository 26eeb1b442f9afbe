"""PathSim: how much company two nodes of one type share along a meta-path.

Sun, Han, Yan, Yu and Wu (2011), "PathSim: Meta path-based top-k similarity search in heterogeneous
information networks", PVLDB 4(11).

    A_1, …, A_l   the relations of the half path P_l, from the type of the nodes compared to the middle type
    W = A_1 · … · A_l     W_xt counts the paths from x to t along P_l; one weighs its entries' product
    M = W · Wᵀ            M_xy counts the paths from x to y along the round trip (P_l, P_l⁻¹)
    s(x, y) = 2 · M_xy / (M_xx + M_yy),    and 0 where x or y has no path back to itself

A matrix is a list of rows, and a row is a dictionary {t: W_xt} of what is not 0, with t ascending. Whole
numbers are Python's integers, which are exact and whose quotient ``/`` is rounded correctly; other numbers
are multiplied and added in float64, with t ascending. What 64 bits cannot hold is an OverflowError.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["TopK", "commuting_matrix", "pathsim", "pathsim_pairs", "pathsim_top_k"]

Row = dict[int, Any]  # t -> W_xt > 0
Rows = list[Row]


class TopK(NamedTuple):
    """The most similar nodes of each query, best first."""

    indices: NDArray[np.int64]  # (q, k), -1 where there are no more
    scores: NDArray[np.float64]  # (q, k), 0 there


def commuting_matrix(relations: Sequence[Any]) -> Any:
    """Multiply a chain of relations; see :func:`diptych.kernels.metapath.commuting_matrix`."""
    whole = all(A.dtype.kind in "biu" for A in relations)
    W = rows_of(relations[0], whole)
    for A in relations[1:]:
        B = rows_of(A, whole)
        W = [times(w, B) for w in W]
    return matrix_of(W, relations[-1].shape[1], np.int64 if whole else np.float64)


def pathsim(half_path: Sequence[Any], *, threshold: float = 0.0, n_jobs: int | None = None) -> Any:
    """Score all pairs of nodes; see :func:`diptych.kernels.metapath.pathsim`."""
    W, d = half(half_path)
    back = transposed(W, half_path[-1].shape[1])
    S = [scores(w, d_x, back, d) for w, d_x in zip(W, d, strict=True)]
    kept = [{y: s for y, s in row.items() if s >= threshold} for row in S]
    return matrix_of(kept, len(W), np.float64)


def pathsim_top_k(
    half_path: Sequence[Any],
    k: int = 10,
    *,
    queries: Any = None,
    include_self: bool = False,
    n_jobs: int | None = None,  # ignored
) -> TopK:
    """Find the most similar nodes; see :func:`diptych.kernels.metapath.pathsim_top_k`."""
    W, d = half(half_path)
    back = transposed(W, half_path[-1].shape[1])
    asked = range(len(W)) if queries is None else np.asarray(queries, dtype=np.int64).tolist()
    best = TopK(np.full((len(asked), k), -1), np.zeros((len(asked), k)))
    for i, x in enumerate(asked):
        row = scores(W[x], d[x], back, d)
        ranked = sorted((-s, y) for y, s in row.items() if include_self or y != x)[:k]
        for place, (minus_s, y) in enumerate(ranked):
            best.indices[i, place], best.scores[i, place] = y, -minus_s
    return best


def pathsim_pairs(
    half_path: Sequence[Any],
    left: Any,
    right: Any,
    *,
    n_jobs: int | None = None,  # ignored
) -> NDArray[np.float64]:
    """Score pairs of nodes; see :func:`diptych.kernels.metapath.pathsim_pairs`."""
    W, d = half(half_path)
    pairs = zip(np.asarray(left).tolist(), np.asarray(right).tolist(), strict=True)
    return np.array([score(inner(W[x], W[y]), d[x], d[y]) for x, y in pairs], dtype=np.float64)


def half(half_path: Sequence[Any]) -> tuple[Rows, list[Any]]:
    """Return W, and M_xx for each x."""
    W = commuting_matrix(half_path)
    rows = rows_of(W, W.dtype == np.int64)
    d = [inner(w, w) for w in rows]
    largest = max(d, default=0)
    if largest >= 2**62 if W.dtype == np.int64 else math.isinf(2 * largest):
        raise OverflowError(f"M_xx reaches {largest}: M_xx + M_yy does not fit in 64 bits.")
    return rows, d


def inner(u: Row, v: Row) -> Any:
    """Return the sum over t of u_t · v_t."""
    total = 0
    for t in u:
        if t in v:
            total += u[t] * v[t]
    return total


def times(w: Row, B: Rows) -> Row:
    """Return the row w · B."""
    product: Row = {}
    for t, w_t in w.items():
        for j, b in B[t].items():
            product[j] = product.get(j, 0) + w_t * b
    return {j: product[j] for j in sorted(product) if product[j] > 0}  # tiny floats may multiply to 0


def transposed(W: Rows, n_columns: int) -> Rows:
    """Return the rows of Wᵀ."""
    back: Rows = [{} for _ in range(n_columns)]
    for x, row in enumerate(W):
        for t, w in row.items():
            back[t][x] = w
    return back


def score(m: Any, d_x: Any, d_y: Any) -> float:
    """Return s(x, y) from M_xy, M_xx and M_yy."""
    return 2 * m / (d_x + d_y) if d_x > 0 and d_y > 0 else 0.0


def scores(w: Row, d_x: Any, back: Rows, d: list[Any]) -> Row:
    """Return {y: s(x, y)} of the node with the row w, without zeros."""
    row = {y: score(m, d_x, d[y]) for y, m in times(w, back).items()}  # M_x = w · Wᵀ
    return {y: s for y, s in row.items() if s > 0}


def rows_of(A: Any, whole: bool) -> Rows:
    """Return the rows of a sparse matrix: duplicates summed in their order, zeros gone, columns ascending."""
    number, entries = int if whole else float, A.tocoo()
    rows: Rows = [{} for _ in range(A.shape[0])]
    for i, j, a in zip(entries.row.tolist(), entries.col.tolist(), entries.data.tolist(), strict=True):
        rows[i][j] = rows[i].get(j, 0) + number(a)
    return [{j: row[j] for j in sorted(row) if row[j] > 0} for row in rows]


def matrix_of(rows: Rows, n_columns: int, dtype: Any) -> Any:
    """Return rows as a CSR array."""
    from scipy.sparse import csr_array  # here: the other families need NumPy alone

    data = np.array([value for row in rows for value in row.values()], dtype=dtype)
    if not np.isfinite(data).all():
        raise OverflowError("A product of the chain is greater than float64 can hold.")
    indices = np.array([j for row in rows for j in row], dtype=np.int32)
    indptr = np.cumsum([0, *map(len, rows)], dtype=np.int32)
    return csr_array((data, indices, indptr), shape=(len(rows), n_columns))
