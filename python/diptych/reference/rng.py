"""Counter-based random words: SplitMix64, addressed by (seed, stream, index).

Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators", OOPSLA, with the constants of
Vigna's ``splitmix64.c``. All arithmetic is modulo 2**64.

    word(seed, stream, i) = mix(base(seed, stream) + (i + 1) * GAMMA)
    base(seed, 0)         = seed                                  # stream 0 is the published sequence
    base(seed, stream)    = mix(seed ^ mix(stream * GAMMA))

A word depends on nothing but its address, so any part of a sequence can be drawn in any order by any thread.

What is made of a word: a number in [0, 1), or one of n slots (Lemire 2019, "Fast random integer generation in
an interval", without his rejection: a slot's share is off by less than 2**-64).

    uniform(word) = floor(word / 2**11) / 2**53
    pick(word, n) = the product word * n of 128 bits: its high half is the slot, its low half the fraction,
                    which is uniform within the slot and so serves as a second number
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["pick", "seed_key", "splitmix64", "uniform", "words_at"]

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
    return words_at(seed, stream, np.arange(count, dtype=np.uint64) + np.uint64(start))


def words_at(seed: int, stream: int, indices: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the words of a stream at any indices, in their shape.

    Examples
    --------
    >>> words_at(1234567, 0, np.array([[1], [0]], dtype=np.uint64))
    array([[3203168211198807973],
           [6457827717110365317]], dtype=uint64)
    """
    first = np.array([base(seed, stream) + GAMMA & MASK], dtype=np.uint64)
    return mix(indices * np.uint64(GAMMA) + first)


def uniform(words: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return one number in [0, 1) per word, a multiple of 2**-53."""
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def pick(words: NDArray[np.uint64], n: int) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return one of n < 2**32 slots per word, and the place within the slot as a fraction of 2**64.

    Examples
    --------
    >>> slot, fraction = pick(np.array([0, 2**63, 2**64 - 1], dtype=np.uint64), 3)
    >>> slot, fraction * 2.0**-64
    (array([0, 1, 2]), array([0. , 0.5, 1. ]))
    """
    half, mask, count = np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(n)
    low = (words & mask) * count  # word = high * 2**32 + low, so nothing overflows
    t = (words >> half) * count + (low >> half)
    return (t >> half).astype(np.int64), (t << half) | (low & mask)


def seed_key(rng: Any) -> int:
    """Return the seed that None, an integer, a SeedSequence or a Generator stands for."""
    if isinstance(rng, np.random.Generator):
        return int(rng.bit_generator.random_raw())
    sequence = rng if isinstance(rng, np.random.SeedSequence) else np.random.SeedSequence(rng)
    return int(sequence.generate_state(1, np.uint64)[0])
