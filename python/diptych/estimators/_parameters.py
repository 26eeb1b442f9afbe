"""Checks that every estimator makes, in scikit-learn's words."""

from numbers import Number
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array


class InvalidParameterError(ValueError, TypeError):
    """A parameter of an estimator has the wrong type or value; both, as in scikit-learn."""


def require(fulfilled: bool, owner: str, name: str, value: object, rule: str) -> None:
    """Refuse a parameter with the sentence scikit-learn would use."""
    if not fulfilled:
        raise InvalidParameterError(
            f"The {name!r} parameter of {owner} must be {rule}. Got {value!r} instead."
        )


def among(options: set[str]) -> str:
    """Return the rule for a parameter that is one of a few words."""
    return f"a str among {{{', '.join(map(repr, sorted(options)))}}}"


def row_weights(sample_weight: Any, n: int) -> NDArray[np.floating[Any]] | None:
    """Return one weight for each of n rows; None stays None."""
    if sample_weight is None:
        return None
    if isinstance(sample_weight, Number):
        sample_weight = np.full(n, sample_weight)
    w: NDArray[np.floating[Any]] = check_array(
        sample_weight, ensure_2d=False, dtype=[np.float64, np.float32], order="C", input_name="sample_weight"
    )
    if w.ndim != 1:
        raise ValueError(
            f"Sample weights must be 1D array or scalar, got {w.ndim}D array. Expected either a scalar value "
            f"or a 1D array of length {n}."
        )
    if w.shape != (n,):
        raise ValueError(f"sample_weight.shape == {w.shape}, expected {(n,)}!")
    if not w.any():
        raise ValueError("Sample weights must contain at least one non-zero number.")
    return w


def clustering_panel(backend: str) -> ModuleType:
    """Return the module whose functions do the work."""
    if backend == "reference":
        import diptych.reference.clustering as reference

        return reference
    import diptych.kernels.clustering as kernels

    return kernels
