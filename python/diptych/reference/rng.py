"""Counter-based random words: SplitMix64, addressed by (seed, stream, index).

Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators", OOPSLA, with the constants of
Vigna's ``splitmix64.c``. All arithmetic is modulo 2**64.

    word(seed, stream, i) = mix(base(seed, stream) + (i + 1) * GAMMA)
    base(seed, 0)         = seed                                  # stream 0 is the published sequence
    base(seed, stream)    = mix(seed ^ mix(stream * GAMMA))

A word depends on nothing but its address, so any part of a sequence can be drawn in any order by any thread.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["splitmix64"]

GAMMA = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1


def mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Finalise: spread every input bit over the whole word."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def base(seed: int, stream: int) -> int:
    """Return the start of a stream; stream 0 starts at the seed itself."""
    if stream == 0:
        return seed & MASK
    key = mix(np.array([stream * GAMMA & MASK], dtype=np.uint64))
    return int(mix(np.array([seed & MASK], dtype=np.uint64) ^ key)[0])


def splitmix64(seed: int, stream: int, start: int, count: int) -> NDArray[np.uint64]:
    """Return words ``start`` to ``start + count - 1`` of a stream.

    Parameters
    ----------
    seed, stream, start : int
        Address of the first word, each from 0 to 2**64 - 1.
    count : int
        Number of words.

    Returns
    -------
    ndarray of shape (count,), uint64

    Examples
    --------
    >>> splitmix64(1234567, 0, 0, 2)
    array([6457827717110365317, 3203168211198807973], dtype=uint64)
    """
    first = (base(seed, stream) + (start + 1) * GAMMA) & MASK
    steps = np.arange(count, dtype=np.uint64) * np.uint64(GAMMA)
    return mix(steps + np.uint64(first))
