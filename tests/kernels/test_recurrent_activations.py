"""σ and tanh of the kernels: units in the last place over the whole float32 line, and never out of range.

By default every 1021st float32 is tried; DIPTYCH_EXHAUSTIVE=1 tries all 2**32, which takes minutes. What is
right is computed in float64 for float32, and in long double for float64.
"""

import os

import numpy as np
import pytest

from diptych import _rust

EXHAUSTIVE = os.environ.get("DIPTYCH_EXHAUSTIVE", "") not in ("", "0")
STRIDE = 1 if EXHAUSTIVE else 1021  # a prime: all low bits come up
CHUNK = 2**22
NORMAL = np.finfo(np.float32).smallest_normal
BOTH = pytest.mark.parametrize("name", ["sigmoid", "tanh"])
FUNCTIONS = {"sigmoid": _rust.recurrent_sigmoid, "tanh": _rust.recurrent_tanh}
LEAST = {"sigmoid": 0, "tanh": -1}


def exact(name, x):
    """The function of x, in a wider format."""
    if name == "tanh":
        return np.tanh(x)
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def units(got, expected):
    """How far apart, in units in the last place of the result."""
    return np.abs(got - expected) / np.spacing(np.abs(expected).astype(got.dtype))


def line():
    """The float32 numbers, but for NaN, chunk by chunk."""
    for start in range(0, 2**32, CHUNK * STRIDE):
        stop = min(start + CHUNK * STRIDE, 2**32)
        x = np.arange(start, stop, STRIDE, dtype=np.uint64).astype(np.uint32).view(np.float32)
        if not np.isnan(x).all():
            yield x[~np.isnan(x)]


@BOTH
@np.errstate(all="ignore")
def test_float32(name):
    tried, worst = 0, 0.0
    for x in line():
        got, expected = FUNCTIONS[name](x), exact(name, x.astype(np.float64))
        assert got.dtype == np.float32
        assert LEAST[name] <= got.min() <= got.max() <= 1
        off = units(got, expected)
        normal = np.abs(expected) >= NORMAL
        worst = max(worst, off[normal].max(initial=0))
        assert worst <= 6, x[normal][off[normal].argmax()]
        assert np.abs(got - expected)[~normal].max(initial=0) <= NORMAL
        tried += len(x)
    assert tried > 4e6
    print(f"{name}: {worst:.2f} units at most, of {tried} numbers")


@BOTH
@np.errstate(all="ignore")
def test_float64(name):
    if np.finfo(np.longdouble).nmant < 63:
        pytest.skip("long double is no wider than double here: nothing to compare with")
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**64, 400_000, dtype=np.uint64).view(np.float64)
    x = np.concatenate(
        [
            bits[np.isfinite(bits)],
            rng.uniform(-1, 1, 400_000),
            rng.uniform(-40, 40, 400_000),
            rng.uniform(-710, 710, 200_000),
        ]
    )
    got, expected = FUNCTIONS[name](x), exact(name, x.astype(np.longdouble))
    assert LEAST[name] <= got.min() <= got.max() <= 1
    normal = np.abs(expected) >= np.finfo(np.float64).smallest_normal
    off = units(got, expected)[normal]
    assert off.max() <= 4, x[normal][off.argmax()]
    assert np.abs(got - expected)[~normal].max(initial=0) <= np.finfo(np.float64).smallest_normal


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_ends(name, dtype):
    x = np.array(
        [-np.inf, np.inf, np.nan, 0.0, -0.0, 1e4, -1e4, np.finfo(dtype).max, np.finfo(dtype).min], dtype
    )
    got = FUNCTIONS[name](x)
    low, middle = (0, 0.5) if name == "sigmoid" else (-1, 0)
    np.testing.assert_array_equal(got, np.array([low, 1, np.nan, middle, middle, 1, low, 1, low], dtype))


@BOTH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_number_gives_the_same_in_any_place(name, dtype):
    x = np.random.default_rng(1).normal(scale=5, size=67).astype(dtype)
    whole = FUNCTIONS[name](x)
    for start in range(67):
        for stop in (start + 1, min(start + 9, 67), 67):
            np.testing.assert_array_equal(FUNCTIONS[name](x[start:stop].copy()), whole[start:stop])


def test_tanh_is_odd():
    x = np.linspace(0, 20, 200_001)
    for values in (x, x.astype(np.float32)):
        np.testing.assert_array_equal(_rust.recurrent_tanh(-values), -_rust.recurrent_tanh(values))
