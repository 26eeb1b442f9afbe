"""Path counts along chains of relations, and PathSim: which nodes share most company along a meta-path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diptych import _progress, _rust, _validate
from diptych import _validate_metapath as _check
from diptych._threads import resolve_n_jobs

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_Answer = TypeVar("_Answer")

__all__ = ["TopK", "commuting_matrix", "pathsim", "pathsim_pairs", "pathsim_top_k"]


class TopK(NamedTuple):
    """The most similar nodes of each query, best first; made by :func:`pathsim_top_k`.

    Attributes
    ----------
    indices : ndarray of shape (q, k), int64
        Numbers of nodes, -1 where a query has no more.
    scores : ndarray of shape (q, k), float64
        Their scores, 0 where a query has no more.
    """

    indices: NDArray[np.int64]
    scores: NDArray[np.float64]


def commuting_matrix(relations: Sequence[Any]) -> csr_array:
    """Multiply the relations along a meta-path: count its paths from node to node.

    Parameters
    ----------
    relations : sequence of SciPy sparse matrices or arrays
        The first has shape (n_0, n_1), the next (n_1, n_2), and so on. ``relations[i][x, y]`` is the number,
        or the weight, of the edges from x to y; not negative, of any real or boolean type and any sparse
        format. Entries stored more than once are summed, stored zeros are no edges.

    Returns
    -------
    csr_array of shape (n_0, n_l), int64 or float64
        Entry (x, y) is the sum over all paths from x to y of the product of their entries; for entries of 1,
        the number of paths. int64 where all relations are of integers or booleans, float64 where any is of
        floating-point numbers. Columns ascend within a row, and no zeros are stored.

    Raises
    ------
    OverflowError
        If a count does not fit in int64, or a weight not in float64, in the result or in a product on the way
        there. A count never wraps around.
    ValueError
        If there are no relations, the columns of one are not the rows of the next, a node type has 2**31
        nodes or more, a matrix holds a negative, infinite or NaN value, or malformed indices.
    TypeError
        If an argument has the wrong type: a single matrix, dense arrays, complex numbers. (The error is a
        ValueError as well.)
    MemoryError
        If the result or an intermediate product does not fit; the message names its size.

    See Also
    --------
    pathsim_top_k : The most similar nodes, without this matrix of the round trip.

    Notes
    -----
    The chain is multiplied in the order that is expected to take the fewest multiplications. Counts do not
    depend on that order. Weights do, by rounding, from three relations on; of two relations, an entry is the
    sum over the inner index ascending of the products, each rounded to float64. Products that round to 0 are
    not stored.

    The result does not depend on the number of threads, of which there are ``diptych.get_num_threads()``.
    Time is O(m log r) for m multiplications and rows of r entries. Memory at the peak is the result and the
    largest intermediate products; for each of them a second copy, where that holds at most four times the
    entries of its two factors; for each thread 64 bytes per column and 4 MiB; and a copy of relations that
    are not in canonical form, or of index arrays that are not of the widths the kernel takes (`indptr` 64
    bits, `indices` 32).

    References
    ----------
    .. [1] Y. Sun, J. Han, X. Yan, P. S. Yu and T. Wu, "PathSim: Meta path-based top-k similarity search in
       heterogeneous information networks", PVLDB 4(11), pp. 992-1003, 2011.
    .. [2] F. G. Gustavson, "Two fast algorithms for sparse matrices: multiplication and permuted
       transposition", ACM Transactions on Mathematical Software 4(3), 1978.

    Examples
    --------
    Three authors, four papers, two venues:

    >>> from scipy.sparse import csr_array
    >>> from diptych.kernels.metapath import commuting_matrix
    >>> writes = csr_array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    >>> appears_in = csr_array([[1, 0], [0, 1], [1, 0], [0, 1]])
    >>> commuting_matrix([writes, appears_in]).toarray()
    array([[1, 1],
           [1, 0],
           [0, 1]])
    >>> commuting_matrix([writes, appears_in, appears_in.T, writes.T]).toarray()
    array([[2, 1, 1],
           [1, 1, 0],
           [1, 0, 1]])
    """
    chain, threads = _check.chain(relations, "relations"), resolve_n_jobs(None)
    return _csr(
        *chain.give(lambda relations: _rust.metapath_chain(relations, threads)),
        (chain.n_nodes, chain.n_columns),
    )


def pathsim(half_path: Sequence[Any], *, threshold: float = 0.0, n_jobs: int | None = None) -> csr_array:
    """Score all pairs of nodes by PathSim, and keep the scores that reach a threshold.

    Two nodes are similar when many paths lead from one to the other, measured against the paths that lead
    from each back to itself: company in common, not an equal role.

    Parameters
    ----------
    half_path : sequence of SciPy sparse matrices or arrays
        The relations from the type of the nodes to the middle of the round trip, as for
        :func:`commuting_matrix`: [author × paper, paper × venue] for author-paper-venue-paper-author.
    threshold : float, default=0.0
        The least score that is kept, itself included; 0 to 1.
    n_jobs : int or None, default=None
        Number of threads; None means :func:`diptych.get_num_threads`, -1 all cores the process may use. The
        result does not depend on it.

    Returns
    -------
    csr_array of shape (n, n), float64
        Entry (x, y) is ``s(x, y)``; the diagonal is 1 where a node has a path at all. Pairs that share no
        path are not stored, nor those below the threshold. Columns ascend within a row.

    Raises
    ------
    OverflowError
        If a count of the half path does not fit in int64, or some ``M_xx`` reaches 2**62; of weights, if one
        of them, or ``2 * M_xx``, does not fit in float64.
    ValueError
        If the threshold is not between 0 and 1, and as for :func:`commuting_matrix`.
    TypeError
        If an argument has the wrong type. (The error is a ValueError as well.)
    MemoryError
        If the result does not fit; the message names its size. :func:`pathsim_top_k` needs far less.

    See Also
    --------
    pathsim_top_k : The best of each row alone.
    pathsim_pairs : Chosen pairs alone.

    Notes
    -----
    Let W be the commuting matrix of the half path and ``M_xy`` the sum over t ascending of ``W[x, t] * W[y,
    t]``, the number of round trips from x to y. Then [1]_

        ``s(x, y) = 2 * M_xy / (M_xx + M_yy)``,

    and 0 where x or y has no path. Counts are exact, and the score is the quotient of whole numbers, rounded
    once. Weights are computed in float64 in the order written, without fused multiply-add; there a score may
    exceed its bounds by rounding, and a node whose ``M_xx`` rounds to 0 counts as one without paths.

    Scores are symmetric and lie between 0 and 1; nodes with equal rows of W score 1; and ``s(x, y) <= 2 /
    (sqrt(M_xx / M_yy) + sqrt(M_yy / M_xx))``: a node with few paths is not similar to one with many.

    Time is O(sum over t of c_t²), with c_t nodes that reach t. Memory at the peak is the result, the half
    matrix and its transpose, and 64 MiB, besides what :func:`commuting_matrix` takes for the half matrix.

    References
    ----------
    .. [1] Y. Sun, J. Han, X. Yan, P. S. Yu and T. Wu, "PathSim: Meta path-based top-k similarity search in
       heterogeneous information networks", PVLDB 4(11), pp. 992-1003, 2011.

    Examples
    --------
    The first author shares a venue with each of the others, who mirror each other but never meet:

    >>> from scipy.sparse import csr_array
    >>> from diptych.kernels.metapath import pathsim
    >>> writes = csr_array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    >>> appears_in = csr_array([[1, 0], [0, 1], [1, 0], [0, 1]])
    >>> pathsim([writes, appears_in]).toarray().round(3)
    array([[1.   , 0.667, 0.667],
           [0.667, 1.   , 0.   ],
           [0.667, 0.   , 1.   ]])
    """
    least, threads = _check.threshold(threshold), resolve_n_jobs(n_jobs)
    chain = _check.chain(half_path, "half_path")
    found = _ask(
        chain, threads, lambda half: _rust.metapath_pathsim(half, least, threads, _progress.current())
    )
    return _csr(*found, (chain.n_nodes, chain.n_nodes))


def pathsim_top_k(
    half_path: Sequence[Any],
    k: int = 10,
    *,
    queries: ArrayLike | None = None,
    include_self: bool = False,
    n_jobs: int | None = None,
) -> TopK:
    """Find the nodes most similar to each query by PathSim.

    Parameters
    ----------
    half_path : sequence of SciPy sparse matrices or arrays
        As for :func:`pathsim`.
    k : int, default=10
        How many to return for each query, at least 1; where there are fewer, rows are padded.
    queries : array-like of shape (q,), integer, or None, default=None
        Nodes to ask about, in any order and as often as wanted; None means every node once, in order.
    include_self : bool, default=False
        Whether a query may be among its own answers. It scores 1, as its twins do.
    n_jobs : int or None, default=None
        As for :func:`pathsim`.

    Returns
    -------
    TopK
        `indices` (q, k) int64 padded with -1, and `scores` (q, k) float64 padded with 0. Only scores above 0
        count. The highest come first, and of equal scores the lower index.

    Raises
    ------
    OverflowError
        As for :func:`pathsim`.
    ValueError
        If `k` is below 1, a query is not the number of a node, and as for :func:`commuting_matrix`.
    TypeError
        If an argument has the wrong type. (The error is a ValueError as well.)
    MemoryError
        If the result does not fit; the message names its size.

    See Also
    --------
    pathsim : All scores, or those above a threshold.

    Notes
    -----
    The scores are those of :func:`pathsim`, bit for bit. The matrix of all scores is never built: rows are
    scored block by block, and nodes that cannot reach the k-th best score so far are passed over. Queries
    that are less than an eighth of the nodes, with less than an eighth of the entries, take of a half matrix
    of a million entries or more only the transpose of the columns that they reach. The result does not
    depend on the number of threads.

    Time is at worst O(sum over t of c_t²) for all nodes, with c_t nodes that reach t. Memory at the peak is
    the half matrix and its transpose, the result of 16 q k bytes, and 64 MiB, besides what
    :func:`commuting_matrix` takes for the half matrix.

    References
    ----------
    .. [1] Y. Sun, J. Han, X. Yan, P. S. Yu and T. Wu, "PathSim: Meta path-based top-k similarity search in
       heterogeneous information networks", PVLDB 4(11), pp. 992-1003, 2011.

    Examples
    --------
    The authors of the paper, Mike, Jim, Mary, Bob and Ann, by how often they published at four venues. Most
    paths lead from Mike to Jim, but Bob publishes just as Mike does; Ann has no venue in common with him:

    >>> from scipy.sparse import csr_array
    >>> from diptych.kernels.metapath import pathsim_top_k
    >>> papers = csr_array([[2, 1, 0, 0], [50, 20, 0, 0], [2, 0, 1, 0], [2, 1, 0, 0], [0, 0, 1, 1]])
    >>> indices, scores = pathsim_top_k([papers], k=4, queries=[0])
    >>> indices
    array([[ 3,  2,  1, -1]])
    >>> scores.round(4)
    array([[1.    , 0.8   , 0.0826, 0.    ]])
    """
    number, with_self = _validate.count(k, "k"), _check.include_self(include_self)
    threads, chain = resolve_n_jobs(n_jobs), _check.chain(half_path, "half_path")
    asked = _check.queries(queries, chain.n_nodes)
    found = _ask(
        chain,
        threads,
        lambda half: _rust.metapath_top_k(half, number, asked, with_self, threads, _progress.current()),
    )
    return TopK(*found)


def pathsim_pairs(
    half_path: Sequence[Any], left: ArrayLike, right: ArrayLike, *, n_jobs: int | None = None
) -> NDArray[np.float64]:
    """Score chosen pairs of nodes by PathSim.

    Parameters
    ----------
    half_path : sequence of SciPy sparse matrices or arrays
        As for :func:`pathsim`.
    left, right : array-like of shape (m,), integer
        The two nodes of each pair.
    n_jobs : int or None, default=None
        As for :func:`pathsim`.

    Returns
    -------
    ndarray of shape (m,), float64
        ``s(left[i], right[i])``; 0 where either has no path.

    Raises
    ------
    OverflowError
        As for :func:`pathsim`.
    ValueError
        If `left` and `right` differ in length or hold what is not the number of a node, and as for
        :func:`commuting_matrix`.
    TypeError
        If an argument has the wrong type. (The error is a ValueError as well.)
    MemoryError
        If the result does not fit; the message names its size.

    See Also
    --------
    pathsim : All scores, or those above a threshold.

    Notes
    -----
    The scores are those of :func:`pathsim`, bit for bit, for any number of threads. Time is O(r) for each
    pair whose rows of the half matrix hold r entries. Memory at the peak is the half matrix, the result, and
    what :func:`commuting_matrix` takes for the half matrix.

    References
    ----------
    .. [1] Y. Sun, J. Han, X. Yan, P. S. Yu and T. Wu, "PathSim: Meta path-based top-k similarity search in
       heterogeneous information networks", PVLDB 4(11), pp. 992-1003, 2011.

    Examples
    --------
    >>> from scipy.sparse import csr_array
    >>> from diptych.kernels.metapath import pathsim_pairs
    >>> papers = csr_array([[2, 1, 0, 0], [50, 20, 0, 0], [2, 0, 1, 0], [2, 1, 0, 0], [0, 0, 1, 1]])
    >>> pathsim_pairs([papers], left=[0, 0, 0, 0], right=[1, 2, 3, 4]).round(4)
    array([0.0826, 0.8   , 1.    , 0.    ])
    """
    threads, chain = resolve_n_jobs(n_jobs), _check.chain(half_path, "half_path")
    pairs = _check.pairs(left, right, chain.n_nodes)
    return _ask(chain, threads, lambda half: _rust.metapath_pairs(half, *pairs, threads, _progress.current()))


def _ask(chain: _check.Chain, threads: int, kernel: Callable[[_check.Relation], _Answer | None]) -> _Answer:
    """Call a kernel with the half matrix W, which a single relation is already."""
    if len(chain.matrices) == 1:
        return chain.give(lambda relations: kernel(relations[0]))
    W = chain.give(lambda relations: _rust.metapath_chain(relations, threads))
    return cast(_Answer, kernel((*W, chain.n_columns)))


def _csr(
    indptr: NDArray[np.int64], indices: NDArray[np.int32], data: NDArray[Any], shape: tuple[int, int]
) -> csr_array:
    from scipy.sparse import csr_array  # here: the other families need NumPy alone

    short = indptr[-1] <= np.iinfo(np.int32).max  # SciPy wants both index arrays of one width
    matrix = csr_array((data, indices, indptr.astype(np.int32) if short else indptr), shape=shape)
    matrix.has_canonical_format = True
    return matrix
