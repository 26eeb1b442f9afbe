"""The half matrix of a meta-path, checked and transposed once, for a fitted estimator to ask often."""

from typing import Any

import numpy as np

from diptych import _progress, _rust
from diptych import _validate_metapath as _check
from diptych.kernels.metapath import TopK, pathsim


class HalfMatrix:
    """Answers as :mod:`diptych.kernels.metapath` does, to the last bit; arguments are not checked.

    Parameters
    ----------
    W : csr_array of shape (n, m), int64 or float64
        The commuting matrix of a half path.

    Raises
    ------
    OverflowError
        If some ``M_xx`` is too large.
    MemoryError
        If the matrix does not fit a second time.

    Notes
    -----
    O(entries) to make, and holds the matrix twice, in 6 to 16 B per entry, with M_xx for each row. One row or
    one pair is answered on the calling thread, without the way through the pool.
    """

    def __init__(self, W: Any) -> None:
        self.W = W
        self.index = _check.chain([W], "half_path").give(lambda relations: _rust.metapath_index(relations[0]))

    def pair(self, x: int, y: int) -> float:
        """Return the score of two rows."""
        left, right = np.array([[x], [y]])
        return float(self.index.pairs(left, right, 1, None)[0])

    def top_k(self, k: int, row: int | None, include_self: bool, n_threads: int = 1) -> TopK:
        """Return the best of a row, or of every row by some threads."""
        if row is not None:
            return TopK(*self.index.top_k(k, np.array([row]), include_self, 1, None))
        return TopK(*self.index.top_k(k, None, include_self, n_threads, _progress.current()))

    def matrix(self, threshold: float, n_threads: int) -> Any:
        """Return the scores of all pairs that reach a threshold; this is checked."""
        return pathsim([self.W], threshold=threshold, n_jobs=n_threads)
