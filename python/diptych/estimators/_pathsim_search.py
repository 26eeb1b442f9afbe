"""The half matrix of a meta-path, ready to be asked again and again, by either panel."""

from typing import Any, Protocol

import numpy as np

from diptych import _validate_metapath


class Search(Protocol):
    """What a fitted PathSim asks."""

    def pair(self, x: int, y: int) -> float:
        """Return the score of two rows."""

    def top_k(self, k: int, row: int | None, include_self: bool, n_threads: int = 1) -> Any:
        """Return the best of a row, or of every row, as :func:`~diptych.kernels.metapath.pathsim_top_k`."""

    def matrix(self, threshold: float, n_threads: int) -> Any:
        """Return the scores of all pairs that reach a threshold."""


def search(backend: str, W: Any) -> Search:
    """Return the half matrix as a panel asks it; OverflowError if its counts are too large for scores."""
    if backend == "rust":
        from diptych.kernels._metapath_index import HalfMatrix

        return HalfMatrix(W)
    return _ReferenceSearch(W)


class _ReferenceSearch:
    def __init__(self, W: Any) -> None:
        from diptych.reference import metapath

        self.panel, self.W = metapath, W
        metapath.pathsim_pairs([W], [], [])

    def pair(self, x: int, y: int) -> float:
        both = self.W[np.array([x, y])]
        return float(self.panel.pathsim_pairs([both], [0], [1])[0])

    def top_k(self, k: int, row: int | None, include_self: bool, n_threads: int = 1) -> Any:
        queries = None if row is None else [row]
        return self.panel.pathsim_top_k([self.W], k, queries=queries, include_self=include_self)

    def matrix(self, threshold: float, n_threads: int) -> Any:
        return self.panel.pathsim([self.W], threshold=_validate_metapath.threshold(threshold))
