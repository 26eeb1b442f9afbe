"""A task for memories, after the adding problem of Hochreiter and Schmidhuber: add up the marked numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MARKS = 2  # of a sequence, on average


def marked_numbers(
    generator: np.random.Generator, steps: int, n: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Make sequences of numbers, a few of them marked, and the sums of those.

    Each step is marked by chance, so that a sequence without one of its steps is such a sequence as well:
    what is left when a step is taken away is known. (In the adding problem two steps are marked, always.)

    Parameters
    ----------
    generator : Generator
        Where numbers and marks come from.
    steps : int
        T.
    n : int
        How many sequences.

    Returns
    -------
    x : ndarray of shape (T, n, 2), float32
        A number in [0, 1), and 1 where it is marked, else 0.
    y : ndarray of shape (n,), float32
        The sum of the marked numbers.
    """
    x = np.empty((steps, n, 2), np.float32)
    x[:, :, 0] = generator.uniform(size=(steps, n))
    x[:, :, 1] = generator.uniform(size=(steps, n)) < MARKS / steps
    return x, worth(x).sum(axis=0)


def worth(x: NDArray[Any]) -> NDArray[Any]:
    """Return what each step adds to the sum, (T, n)."""
    return np.asarray(x[:, :, 0] * x[:, :, 1])


def error_of_the_mean(steps: int) -> float:
    """Return the mean square error of who always says the mean.

    A step adds v·m, m = 1 with probability p = MARKS / T: variance p/3 − p²/4.
    """
    p = MARKS / steps
    return steps * (p / 3 - p * p / 4)
