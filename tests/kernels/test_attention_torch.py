"""Attention beside PyTorch's scaled_dot_product_attention, there and back; skipped where PyTorch is not."""

import attending
import numpy as np
import pytest
from torch_parent import torch_answers

KIND = "scaled_dot_product_attention"
ROOM = {"float32": 2e-6, "float64": 1e-14}  # of the greatest entry that sums of such numbers could have

# lead, L, S, d, v, heads of keys, kind and axes of the mask, options
CASES = {
    "plain": ((2, 3), 40, 40, 16, 16, None, None, {}),
    "no axes before": ((), 7, 7, 5, 5, None, None, {}),
    "more keys": ((2, 3), 20, 150, 16, 16, None, None, {}),
    "more queries": ((2, 3), 150, 20, 16, 16, None, None, {}),
    "wider values": ((2, 2), 70, 33, 8, 24, None, None, {}),
    "narrower values": ((2, 2), 33, 70, 24, 8, None, None, {}),
    "scale": ((2, 2), 30, 50, 12, 12, None, None, {"scale": 0.7}),
    "a scale below 0": ((2, 2), 30, 50, 12, 20, None, None, {"scale": -0.2}),
    "causal": ((2, 2), 70, 70, 16, 16, None, None, {"is_causal": True}),
    "causal, more keys": ((2, 2), 20, 150, 16, 8, None, None, {"is_causal": True}),
    "causal, more queries": ((2, 2), 150, 20, 16, 24, None, None, {"is_causal": True}),
    "grouped": ((2, 6), 30, 50, 16, 16, 2, None, {"enable_gqa": True}),
    "grouped, causal, scale": (
        (2, 6), 50, 30, 16, 8, 3, None, {"enable_gqa": True, "is_causal": True, "scale": 1.0},
    ),
    "boolean": ((2, 3), 40, 60, 16, 16, None, ("boolean", (40, 60)), {}),
    "boolean of each head": ((2, 3), 40, 60, 16, 8, None, ("boolean", (2, 3, 40, 60)), {}),
    "boolean of keys": ((2, 3), 40, 60, 16, 24, None, ("boolean", (2, 1, 1, 60)), {}),
    "numbers": ((2, 3), 40, 60, 16, 16, None, ("additive", (40, 60)), {}),
    "numbers of each head, scale": (
        (2, 3), 60, 40, 16, 8, None, ("additive", (2, 3, 60, 40)), {"scale": 0.3},
    ),
    "grouped, numbers": ((2, 6), 30, 50, 16, 16, 2, ("additive", (1, 6, 30, 50)), {"enable_gqa": True}),
    "few queries of many keys": ((1, 4), 3, 1500, 64, 64, None, None, {}),
    "one query, grouped": ((1, 8), 1, 900, 64, 32, 2, None, {"enable_gqa": True}),
}  # fmt: skip
EACH = [f"{name}, {dtype}" for name in CASES for dtype in ROOM]


def given(each):
    name, dtype = each.rsplit(", ", 1)
    lead, L, S, d, v, key_heads, mask, _ = CASES[name]
    arrays = attending.heads(lead, L, S, d, v, key_heads=key_heads, dtype=dtype, seed=len(name))
    found = dict(zip(("query", "key", "value"), arrays, strict=True))
    if mask is not None:  # every query sees a key: where none is seen, releases of PyTorch differ
        found["attn_mask"] = attending.mask(mask[0], *mask[1], dtype=dtype)
    return found | {"d_output": attending.draw((*lead, L, v), dtype=dtype, seed=1)[0]}


@pytest.fixture(scope="module")
def torch(tmp_path_factory):
    cases = [
        {"name": each, "kind": KIND, "options": CASES[each.rsplit(", ", 1)[0]][-1], "dtype": each.split()[-1]}
        for each in EACH
    ]
    return torch_answers(cases, given, tmp_path_factory.mktemp("torch"))


@pytest.mark.parametrize("each", EACH)
def test_there_and_back_as_in_pytorch(torch, panel, each):
    name, dtype = each.rsplit(", ", 1)
    answers, own = torch(each), given(each)
    if "too_old" in answers:
        pytest.skip(f"PyTorch {answers['too_old']} has no such function, or not all of its arguments")
    q, k, v, dy = (own.pop(part) for part in ("query", "key", "value", "d_output"))
    found, by = attending.there_and_back(panel, (q, k, v), dy, **own, **CASES[name][-1])
    scale = abs(CASES[name][-1].get("scale", q.shape[-1] ** -0.5))
    times = 1 if q.ndim == 2 else q.shape[-3] / k.shape[-3]
    most = {part: float(np.abs(a).max()) for part, a in (("q", q), ("k", k), ("v", v), ("dy", dy))}
    slope = scale * most["dy"] * most["v"] * v.shape[-1] ** 0.5
    rows, keys = (q.shape[-2] * times) ** 0.5, k.shape[-2] ** 0.5
    for expected, got, size in (
        (answers["output"], found, most["v"]),
        (answers["gradients/query"], by.query, slope * most["k"] * keys),
        (answers["gradients/key"], by.key, slope * most["q"] * rows),
        (answers["gradients/value"], by.value, most["dy"] * rows),
    ):
        assert got.dtype == expected.dtype == np.dtype(dtype)
        np.testing.assert_allclose(got, expected, rtol=0, atol=ROOM[dtype] * size)
