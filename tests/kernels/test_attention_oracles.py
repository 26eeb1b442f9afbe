"""Attention against what this project did not write: ONNX's tests, ONNX Runtime, differences, autograd."""

import attending
import numpy as np
import pytest

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])


# ONNX's own node tests ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def node_tests():
    """ONNX's tests of Attention, by name; those of the same operators written out in others are left out."""
    pytest.importorskip("onnx", reason="the package onnx, of the extra `test`, is not installed")
    from onnx.backend.test.case import node
    from onnx.backend.test.case.node import attention  # noqa: F401 (its import fills the list)

    return {
        case.name: case
        for case in node._NodeTestCases
        if case.name.startswith("test_attention") and not case.name.endswith("_expanded")
    }


HEADS = ("", "_gqa", "_diff_heads_sizes")
PLAIN = [
    *(
        f"test_attention_{axes}{heads}{what}"
        for axes in ("3d", "4d")
        for heads in HEADS
        for what in ("", "_scaled", "_causal", "_attn_mask")
    ),
    "test_attention_3d_transpose_verification",
    *(f"test_attention_4d_attn_mask_{what}" for what in ("3d", "3d_causal", "4d", "4d_causal")),
    *(f"test_attention_4d_attn_mask_{what}" for what in ("bool", "bool_4d")),
    *(f"test_attention_4d_with_qk_matmul{what}" for what in ("", "_bias", "_softmax")),
]
# In onnx from 1.23 on.
LATER = [
    "test_attention_causal_boolmask_nan_robustness",
    "test_attention_23_boolmask_fullymasked_row_nan_robustness",
    "test_attention_23_fullymasked_qk_matmul_output_mode3_zero",
    "test_attention_24_fullymasked_qk_matmul_output_mode3_zero",
    "test_attention_local_window_default",  # whose window is none
]
SETTINGS = {  # of a node; those that say nothing where they have this value
    "scale": None, "is_causal": None, "q_num_heads": None, "kv_num_heads": None,
    "qk_matmul_output_mode": None, "softcap": 0.0, "left_window_size": -1, "right_window_size": -1,
}  # fmt: skip
INPUTS = ("Q", "K", "V", "attn_mask", "past_key", "past_value", "nonpad_kv_seqlen")


def settings_of(case):
    return {
        a.name: a.f if a.name in ("scale", "softcap") else a.i for a in case.model.graph.node[0].attribute
    }


def unsupported(case):
    """Name what a test uses that this project does not offer."""
    given = {name for name, said in zip(INPUTS, case.model.graph.node[0].input, strict=False) if said}
    found = given & {"past_key", "past_value"}  # keys of earlier calls as inputs of their own
    found |= given & {"nonpad_kv_seqlen"}  # a length of keys for each sequence; a mask does that
    for name, value in settings_of(case).items():  # tanh over the scores; windows, which a mask does
        if name not in SETTINGS or SETTINGS[name] not in (None, value):
            found.add(name)
    for inputs, _ in case.data_sets:
        kinds = {str(np.asarray(x).dtype) for x in inputs}
        found |= kinds & {"float16", "bfloat16"}
    return found


def test_every_node_test_is_taken_or_uses_what_is_not_offered(node_tests):
    taken = {name for name in node_tests if name in PLAIN + LATER}
    assert taken >= set(PLAIN)
    assert {name for name in node_tests if not unsupported(node_tests[name])} == taken
    kinds = set().union(*map(unsupported, node_tests.values()))
    known = {
        "past_key",
        "past_value",
        "softcap",
        "float16",
        "bfloat16",
        "nonpad_kv_seqlen",
        "softmax_precision",
    }
    assert kinds <= known | {"left_window_size", "right_window_size"}


def split(x, heads):
    """(B, L, heads · d) as (B, heads, L, d)."""
    return x if x.ndim == 4 else x.reshape(*x.shape[:2], heads, -1).swapaxes(1, 2)


@pytest.mark.parametrize("name", PLAIN + LATER)
def test_onnx_node(panel, node_tests, name):
    if name not in node_tests and name in LATER:
        pytest.skip("onnx before 1.23 has no such test")
    case = node_tests[name]
    settings = settings_of(case)
    for inputs, outputs in case.data_sets:
        q, k, v, *mask = (np.asarray(x) for x in inputs)
        assert {x.dtype for x in (q, k, v)} == {np.dtype(np.float32)}
        heads = settings.get("q_num_heads"), settings.get("kv_num_heads")
        Q, K, V = split(q, heads[0]), split(k, heads[1]), split(v, heads[1])
        with np.errstate(all="ignore"):
            found, weights = panel.attention.scaled_dot_product_attention(
                Q, K, V, attn_mask=mask[0] if mask else None, is_causal=bool(settings.get("is_causal")),
                scale=settings.get("scale"), enable_gqa=True, return_weights=True,
            )  # fmt: skip
        if q.ndim == 3:
            found = found.swapaxes(1, 2).reshape(*q.shape[:2], -1)
        np.testing.assert_allclose(found, outputs[0], rtol=case.rtol, atol=case.atol)
        if settings.get("qk_matmul_output_mode") == 3:
            np.testing.assert_allclose(weights, outputs[-1], rtol=case.rtol, atol=case.atol)


# Finite differences -------------------------------------------------------------------------------


def loss(panel, given, weights, options):
    return float((attending.attend(panel, given, **options) * weights).sum())


CASES = {
    "plain": ((2, 3), 4, 5, 3, 2, None, {}),
    "one head": ((), 3, 4, 2, 3, None, {}),
    "causal": ((2,), 5, 5, 3, 4, None, {"is_causal": True}),
    "causal, few keys": ((2,), 6, 3, 3, 4, None, {"is_causal": True}),
    "scale": ((2,), 3, 4, 3, 2, None, {"scale": 0.7}),
    "a boolean mask": ((2, 2), 4, 5, 3, 2, None, {"attn_mask": "boolean"}),
    "an additive mask": ((2, 2), 4, 5, 3, 2, None, {"attn_mask": "additive"}),
    "a mask and causal": ((2,), 4, 5, 3, 2, None, {"attn_mask": "boolean", "is_causal": True}),
    "grouped heads": ((2, 6), 3, 4, 3, 2, 2, {"enable_gqa": True}),
}


def drawn(name):
    lead, L, S, d, v, key_heads, options = CASES[name]
    given = attending.heads(lead, L, S, d, v, key_heads=key_heads)
    if "attn_mask" in options:
        options = options | {"attn_mask": attending.mask(options["attn_mask"], L, S)}
    return given, attending.draw((*lead, L, v), seed=7)[0], options


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_differences(panel, name):
    given, d_output, options = drawn(name)
    _, found = attending.there_and_back(panel, given, d_output, **options)
    step = 1e-6
    for which, gradient in enumerate(found):
        for place in np.ndindex(gradient.shape):
            ends = []
            for sign in (-1, 1):
                moved = [a.copy() for a in given]
                moved[which][place] += sign * step
                ends.append(loss(panel, moved, d_output, options))
            assert abs(gradient[place] - (ends[1] - ends[0]) / (2 * step)) < 1e-7, (which, place)


# autograd -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_autograd(panel, name):
    autograd = pytest.importorskip("autograd", reason="the package autograd, of the extra `test`, is missing")
    import autograd.numpy as anp

    given, d_output, options = drawn(name)
    L, S, d = given[0].shape[-2], given[1].shape[-2], given[0].shape[-1]
    seen = np.ones((L, S), bool)
    added = np.zeros((L, S))
    mask = options.get("attn_mask")
    if mask is not None:
        seen &= mask if mask.dtype == bool else mask > -np.inf
        added += 0 if mask.dtype == bool else np.where(seen, mask, 0)
    if options.get("is_causal"):
        seen &= np.arange(S) <= np.arange(L)[:, None]
    times = given[0].shape[-3] // given[1].shape[-3] if given[0].ndim > 2 else 1

    def by_hand(q, k, v):
        if times > 1:
            of = np.arange(given[0].shape[-3]) // times
            k, v = k[..., of, :, :], v[..., of, :, :]
        z = anp.einsum("...id,...jd->...ij", q, k) * options.get("scale", d**-0.5) + added
        e = anp.exp(anp.where(seen, z, -1e9))
        w = e / (anp.sum(e, axis=-1, keepdims=True) + ~seen.any(axis=-1, keepdims=True))
        return anp.sum(anp.einsum("...ij,...jv->...iv", w, v) * d_output)

    _, found = attending.there_and_back(panel, given, d_output, **options)
    for which, gradient in enumerate(found):
        expected = autograd.grad(by_hand, which)(*given)
        np.testing.assert_allclose(gradient, expected, rtol=1e-10, atol=1e-12, err_msg=found._fields[which])
