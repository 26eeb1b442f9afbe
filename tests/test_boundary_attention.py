"""What attention refuses, by name, and what it says to do instead."""

import re

import numpy as np
import pytest

from diptych import _rust
from diptych.kernels.attention import (
    scaled_dot_product_attention,
    scaled_dot_product_attention_backward,
)

B, H, L, S, D, V = 2, 4, 3, 5, 6, 7
nan, inf = float("nan"), float("inf")


def given(**changes):
    rng = np.random.default_rng(0)
    arguments = {
        "query": rng.normal(size=(B, H, L, D)),
        "key": rng.normal(size=(B, H, S, D)),
        "value": rng.normal(size=(B, H, S, V)),
    }
    return arguments | changes


def zeros(*shape, dtype=np.float64):
    return np.zeros(shape, dtype)


REFUSED = {
    # shapes
    "a vector": ({"query": zeros(D)}, r"query has shape \(6,\): at least two axes"),
    "a number": ({"key": 1.0}, r"key has shape \(\): at least two axes"),
    "other features": (
        {"key": zeros(B, H, S, D + 1)},
        r"key has shape \(2, 4, 5, 7\), 7 features on its last axis: query of shape \(2, 4, 3, 6\) has 6",
    ),
    "other positions": (
        {"value": zeros(B, H, S + 1, V)},
        r"value has shape \(2, 4, 6, 7\), 6 positions on axis -2: key of shape \(2, 4, 5, 6\) has 5",
    ),
    "value of another batch": ({"value": zeros(1, H, S, V)}, r"value has shape .*those of key, \(2, 4\)"),
    "another batch": (
        {"key": zeros(3, H, S, D), "value": zeros(3, H, S, V)},
        r"key has shape .*\(3, 4\), must be those of query, \(2, 4\); np.broadcast_to",
    ),
    "no batch": (
        {"key": zeros(S, D), "value": zeros(S, V)},
        r"key has shape \(5, 6\): .*\(\), must be those of query",
    ),
    "fewer heads": (
        {"key": zeros(B, 2, S, D), "value": zeros(B, 2, S, V)},
        r"key has 2 heads on axis -3 and query 4; pass enable_gqa=True",
    ),
    "heads that do not divide": (
        {"key": zeros(B, 3, S, D), "value": zeros(B, 3, S, V), "enable_gqa": True},
        r"query has 4 heads and key 3 on axis -3: the first must be a multiple",
    ),
    "heads that would not divide": (
        {"key": zeros(B, 3, S, D), "value": zeros(B, 3, S, V)},
        r"key has 3 heads on axis -3 and query 4\.",
    ),
    "more heads of keys": (
        {"key": zeros(B, 8, S, D), "value": zeros(B, 8, S, V), "enable_gqa": True},
        r"query has 4 heads and key 8",
    ),
    "no query": ({"query": zeros(B, H, 0, D)}, r"query has shape \(2, 4, 0, 6\): no axis may be empty"),
    "no key": (
        {"key": zeros(B, H, 0, D), "value": zeros(B, H, 0, V)},
        r"key has shape \(2, 4, 0, 6\): no axis may be empty",
    ),
    "no feature": ({"query": zeros(B, H, L, 0)}, r"query has shape \(2, 4, 3, 0\): no axis"),
    "no batch at all": ({"query": zeros(0, H, L, D)}, r"query has shape \(0, 4, 3, 6\): no axis"),
    "ragged": ({"query": [[1.0, 2.0], [1.0]]}, r"query is not a table of numbers, its rows differ"),
    # dtypes
    "integers": ({"query": np.ones((B, H, L, D), int)}, r"query has dtype int64: float32 or float64"),
    "integer keys": ({"key": np.ones((B, H, S, D), int)}, r"key has dtype int64: float32 or float64"),
    "booleans": ({"value": np.ones((B, H, S, V), bool)}, r"value has dtype bool: float32 or float64"),
    "half precision": ({"query": zeros(B, H, L, D, dtype=np.float16)}, r"query has dtype float16: float32"),
    "two precisions": (
        {"key": zeros(B, H, S, D, dtype=np.float32)},
        r"key has dtype float32 and query float64: .*key.astype\(np.float64\)",
    ),
    "complex": ({"query": zeros(B, H, L, D, dtype=complex)}, r"query has dtype complex128"),
    "words": ({"query": [["a", "b"]]}, r"query has dtype <U1"),
    # masks
    "mask of integers": (
        {"attn_mask": np.ones((L, S), int)},
        r"attn_mask has dtype int64: bool, or float64 .*astype\(bool\), True where",
    ),
    "mask of bytes": ({"attn_mask": np.ones((L, S), np.uint8)}, r"attn_mask has dtype uint8: bool"),
    "mask of another precision": (
        {"attn_mask": zeros(L, S, dtype=np.float32)},
        r"attn_mask has dtype float32: .*attn_mask.astype\(np.float64\)",
    ),
    "mask of other keys": (
        {"attn_mask": np.ones((L, S + 1), bool)},
        r"attn_mask has shape \(3, 6\), .* the scores' \(2, 4, 3, 5\): axis -1, keys, has 6",
    ),
    "mask turned": ({"attn_mask": np.ones((S, L), bool)}, r"axis -1, keys, has 3 entries, 1 or 5 are needed"),
    "mask of other queries": (
        {"attn_mask": np.ones((2, S), bool)},
        r"axis -2, queries, has 2 entries, 1 or 3",
    ),
    "mask of a batch, no axis of heads": (
        {"attn_mask": np.ones((B, L, S), bool)},
        r"axis -3, has 2 entries, 1 or 4 are needed",
    ),
    "mask of too many axes": (
        {"attn_mask": np.ones((1, B, H, L, S), bool)},
        r"it has 5 axes, the scores have 4",
    ),
    "mask with masked entries": (
        {"attn_mask": np.ma.masked_array(np.ones((L, S), bool), np.eye(L, S))},
        r"attn_mask has masked entries: .*attn_mask.filled",
    ),
    "mask of more axes than NumPy had": (
        {
            **{name: np.ones((1,) * 31 + (2, 2)) for name in ("query", "key", "value")},
            "attn_mask": np.ones((2, 2), bool),
        },
        r"query has 33 axes: with attn_mask 32 at most; reshape",
    ),
    "mask in a list of integers": (
        {"attn_mask": [[1] * S] * L},
        r"attn_mask has dtype int64: .*pass np\.asarray\(attn_mask, dtype=bool\), True where a key",
    ),
    "mask of booleans and numbers": (
        {"attn_mask": [[True] * S, [True] * S, [True, True, 0.0, True, True]]},
        r"attn_mask\[0, 0\]=True stands beside numbers: a mask is all booleans, or all numbers",
    ),
    "mask of words": ({"attn_mask": [["x"]]}, r"attn_mask has dtype <U1"),
    # the rest
    "infinite scale": ({"scale": inf}, r"scale=inf: must be a finite number, or None"),
    "scale that is none": ({"scale": nan}, r"scale=nan: must be"),
    "a scale beyond float32": (
        {**{name: zeros(2, 2, dtype=np.float32) for name in ("query", "key", "value")}, "scale": -1e39},
        r"scale=-1e\+39: a number beyond the range of float32, the dtype of query",
    ),
    "a list beyond float32": (
        {"query": zeros(1, 2, dtype=np.float32), "key": [[0, 1e39]], "value": [[1.0]]},
        r"key\[0, 1\]=1e\+39: a number beyond the range of float32\.",
    ),
    "a list of a mask beyond float32": (
        {**{n: zeros(2, 2, dtype=np.float32) for n in ("query", "key", "value")}, "attn_mask": [0.0, 1e39]},
        r"attn_mask\[1\]=1e\+39: a number beyond the range of float32\.",
    ),
    "a word for scale": ({"scale": "d"}, r"scale='d': must be"),
    "a number for is_causal": ({"is_causal": 1}, r"is_causal=1: must be True or False"),
    "a word for enable_gqa": ({"enable_gqa": "no"}, r"enable_gqa='no': must be"),
    "a number for return_weights": ({"return_weights": 0}, r"return_weights=0: must be"),
    "a number for return_tape": ({"return_tape": 1}, r"return_tape=1: must be"),
    "no threads": ({"n_jobs": 0}, r"n_jobs=0"),
}
TYPES = {"integers", "integer keys", "booleans", "half precision", "two precisions", "complex", "words"} | {
    name
    for name in REFUSED
    if name.startswith(
        ("mask of integers", "mask of bytes", "mask of another", "mask in a list", "mask of bool")
    )
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    changes, message = REFUSED[case]
    with pytest.raises(ValueError, match=message) as caught:
        scaled_dot_product_attention(**given(**changes))
    if case in TYPES:
        assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("axis", [-1, -2, 0])
@pytest.mark.parametrize("name", ["query", "key", "value"])
def test_empty_axes_are_named(panel, name, axis):
    shape = list(given()[name].shape)
    shape[axis] = 0
    with pytest.raises(ValueError, match=rf"{name} has shape {re.escape(str(tuple(shape)))}: no axis may be"):
        panel.attention.scaled_dot_product_attention(**given(**{name: zeros(*shape)}))


def test_as_many_axes_as_the_extension_reads():
    arrays = [np.random.default_rng(0).normal(size=(2, 2)) for _ in range(3)]
    mask = np.array([[True, False], [True, True]])
    many = [a.reshape((1,) * 30 + (2, 2)) for a in arrays]
    found = scaled_dot_product_attention(*many, attn_mask=mask)
    np.testing.assert_array_equal(found.reshape(2, 2), scaled_dot_product_attention(*arrays, attn_mask=mask))


def taped(**changes):
    output, tape = scaled_dot_product_attention(**given(), return_tape=True)
    return tape._replace(**changes), np.ones_like(output)


BACK = {
    "no tape": (lambda: (None, zeros(1)), r"tape is of type NoneType and has no query: what attention\."),
    "the output for the tape": (lambda: (zeros(2, 3), zeros(2, 3)), r"tape is of type ndarray"),
    "gradient of another shape": (
        lambda: (taped()[0], zeros(B, H, L, V + 1)),
        r"d_output has shape \(2, 4, 3, 8\): \(2, 4, 3, 7\) is needed",
    ),
    "gradient that would broadcast": (lambda: (taped()[0], zeros(L, V)), r"d_output has shape \(3, 7\)"),
    "gradient of another precision": (
        lambda: (taped()[0], zeros(B, H, L, V, dtype=np.float32)),
        r"d_output has dtype float32 and query float64",
    ),
    "a tape of parts that do not fit": (
        lambda: taped(maximum=zeros(B, H, L + 1)),
        r"tape.maximum has shape \(2, 4, 4\): \(2, 4, 3\) is needed",
    ),
    "a tape with another output": (lambda: taped(output=zeros(1, 1)), r"tape.output has shape \(1, 1\)"),
}


@pytest.mark.parametrize("case", BACK)
def test_the_way_back_refuses(case):
    make, message = BACK[case]
    tape, d_output = make()
    with pytest.raises(ValueError, match=message):
        scaled_dot_product_attention_backward(tape, d_output)


def test_what_is_too_large_is_named():
    one = np.broadcast_to(np.float32(0), (1, 1))
    many = np.broadcast_to(one, (1 << 22, 1)).copy()
    with pytest.raises(MemoryError, match=r"no memory for the weights: 64.0 TiB"):
        scaled_dot_product_attention(many, many, many, return_weights=True)


# The extension checks for itself what memory safety needs.

ARRAYS = [np.ones((2, 3, 4)), np.ones((2, 5, 4)), np.ones((2, 5, 6))]
UNSAFE = {
    "Fortran order": ([np.asfortranarray(ARRAYS[0]), *ARRAYS[1:]], None, "query must be C-contiguous"),
    "values of fewer keys": ([*ARRAYS[:2], np.ones((2, 4, 6))], None, "value holds 48 numbers"),
    "keys of other features": ([ARRAYS[0], np.ones((2, 5, 3)), ARRAYS[2]], None, "key holds 30 numbers"),
    "heads that do not divide": (
        [np.ones((3, 3, 4)), *ARRAYS[1:]],
        None,
        "key holds 40 numbers|equally many heads",
    ),
    "no keys": ([ARRAYS[0], np.ones((2, 0, 4)), np.ones((2, 0, 6))], None, "no empty axis"),
    "a vector": ([np.ones(3), *ARRAYS[1:]], None, "at least two axes"),
    "another precision": ([ARRAYS[0], ARRAYS[1].astype(np.float32), ARRAYS[2]], None, "key must be an array"),
    "a mask of other keys": (ARRAYS, np.ones((2, 3, 4), bool), "attn_mask has shape"),
    "a mask of fewer heads": (ARRAYS, np.ones((1, 3, 5), bool), "attn_mask has shape"),
    "a mask of one axis": (ARRAYS, np.ones(5, bool), "attn_mask has shape"),
    "a mask of integers": (ARRAYS, np.ones((2, 3, 5), int), "attn_mask must be an array"),
}


@pytest.mark.parametrize("case", UNSAFE)
def test_the_extension_refuses(case):
    arrays, mask, message = UNSAFE[case]
    with pytest.raises((ValueError, TypeError), match=message):
        _rust.attention_forward(*arrays, mask, False, 1.0, False, False, 1, None)


def test_the_extension_refuses_on_the_way_back():
    output, maximum, total, _ = _rust.attention_forward(*ARRAYS, None, False, 1.0, False, True, 1, None)
    good = [output, maximum, total, output]
    for which, name in enumerate(("output", "maximum", "total", "d_output")):
        bad = list(good)
        bad[which] = bad[which][..., :1].copy() if which in (0, 3) else bad[which][:1].copy()
        with pytest.raises(ValueError, match=re.escape(f"{name} holds")):
            _rust.attention_backward(*ARRAYS, None, False, 1.0, *bad, 1, None)
