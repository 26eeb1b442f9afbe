"""Checks that every estimator makes, in scikit-learn's words."""

import math
from importlib import import_module
from numbers import Integral, Number, Real
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


def is_count(value: Any, least: int | None) -> bool:
    """Tell whether a value is an integer, and not below the least."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        return False
    return least is None or int(value) >= least


def is_real(value: Any) -> bool:
    """Tell whether a value is a finite real number."""
    return not isinstance(value, bool) and isinstance(value, Real) and math.isfinite(value)


def is_random_state(value: Any) -> bool:
    """Tell whether :func:`seed_of` takes a value."""
    kinds = np.random.RandomState | np.random.Generator | np.random.SeedSequence
    return value is None or isinstance(value, kinds) or is_count(value, 0)


def seed_of(random_state: Any) -> int | np.random.SeedSequence:
    """Return a seed that means the same to every kernel it is passed to; generators move on by one draw."""
    if random_state is None:
        return np.random.SeedSequence()
    if isinstance(random_state, np.random.Generator):
        return int(random_state.bit_generator.random_raw())
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**63, dtype=np.uint64))
    return random_state if isinstance(random_state, np.random.SeedSequence) else int(random_state)


def panel(stem: str, backend: str) -> ModuleType:
    """Return the module of a family whose functions do the work."""
    return import_module(f"diptych.{'reference' if backend == 'reference' else 'kernels'}.{stem}")


def clustering_panel(backend: str) -> ModuleType:
    """Return the module whose functions do the work."""
    return panel("clustering", backend)
