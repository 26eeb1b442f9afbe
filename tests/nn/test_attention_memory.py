"""What masks cost a layer of attention: the arrays that the docstring says are made, and no others."""

import tracemalloc

import numpy as np
import pytest

from diptych import nn

B, H, L, E = 2, 2, 600, 4
PAIRS = L * L
BOOLEAN, NUMBERS = np.zeros((L, L), bool), np.zeros((L, L), np.float32)
OF_HEADS = np.zeros((B * H, L, L), bool)
PADDING, ADDED = np.zeros((B, L), bool), np.zeros((B, L), np.float32)

MASKS = {  # and how many bytes of one new array
    "no mask": ({}, 0),
    "padding": ({"key_padding_mask": PADDING}, 0),
    "numbers": ({"attn_mask": NUMBERS}, 0),
    "booleans": ({"attn_mask": BOOLEAN}, PAIRS),
    "booleans of each head": ({"attn_mask": OF_HEADS}, B * H * PAIRS),
    "booleans and padding": ({"attn_mask": BOOLEAN, "key_padding_mask": PADDING}, B * PAIRS),
    "booleans of each head and padding": (
        {"attn_mask": OF_HEADS, "key_padding_mask": PADDING},
        B * H * PAIRS,
    ),
    "numbers and numbers": ({"attn_mask": NUMBERS, "key_padding_mask": ADDED}, 4 * B * PAIRS),
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_take_what_the_docstring_says(name):
    masks, expected = MASKS[name]
    layer = nn.MultiheadAttention(E, H, rng=0, n_jobs=1)
    x = np.random.default_rng(0).normal(size=(L, B, E)).astype(np.float32)
    layer(x[:9], x[:9], x[:9], attn_mask=BOOLEAN[:9, :9])  # imports, too, what checks masks
    tracemalloc.start()  # which sees the arrays of NumPy, not those of the extension
    try:
        layer(x, x, x, need_weights=False, training=True, **masks)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    room = 15 * x.nbytes  # projections and heads
    assert expected <= kept <= expected + room
    assert peak <= 1.5 * expected + room  # booleans may pass by on the way
    assert room < PAIRS
