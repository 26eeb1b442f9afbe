"""Attention made of weights from elsewhere: sizes, prefixes, and what does not fit is named."""

import numpy as np
import pytest

from diptych import nn

LAYERS = {
    "MultiheadAttention": lambda **options: nn.MultiheadAttention(6, 3, **options),
    "TransformerEncoderLayer": lambda **options: nn.TransformerEncoderLayer(6, 3, 10, **options),
}
HEADS = 3
ATTENTION = LAYERS["MultiheadAttention"](rng=0).state_dict()
ENCODER = LAYERS["TransformerEncoderLayer"](rng=0).state_dict()


def made(kind, weights, *args, **options):
    return getattr(nn, kind).from_state_dict(weights, *(args or (HEADS,)), **options)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sizes_are_read_off_the_weights(kind, bias, dtype):
    layer = LAYERS[kind](bias=bias, dtype=dtype, rng=0)
    again = made(kind, layer.state_dict())
    assert repr(again) == repr(layer)
    assert again.dtype == dtype
    assert list(again.state_dict()) == list(layer.state_dict())
    for name, array in layer.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], array)
    inside = {f"layers.0.{name}": a for name, a in layer.state_dict().items()} | {"head.weight": np.ones(3)}
    assert repr(made(kind, inside, prefix="layers.0.")) == repr(layer)


def test_options_that_weights_do_not_tell():
    options = {"norm_first": True, "activation": "gelu", "batch_first": True, "backend": "reference"}
    layer = made("TransformerEncoderLayer", ENCODER, **options)
    assert repr(layer) == repr(nn.TransformerEncoderLayer(6, 3, 10, **options))
    assert made("MultiheadAttention", ATTENTION, batch_first=True).batch_first
    again = made("MultiheadAttention", ENCODER, 2, prefix="self_attn.")
    assert repr(again) == "MultiheadAttention(6, 2)"
    single = {name: array.astype(np.float16) for name, array in ATTENTION.items()}
    assert made("MultiheadAttention", single).dtype == np.float32
    assert made("MultiheadAttention", ATTENTION, dtype=np.float64).dtype == np.float64


def without(weights, *names):
    return {name: array for name, array in weights.items() if name not in names}


def with_(weights, name, change):
    return weights | {name: change(weights[name])}


@pytest.mark.parametrize(
    ("kind", "weights", "words"),
    [
        ("MultiheadAttention", {}, "state_dict has no in_proj_weight, it is empty"),
        ("MultiheadAttention", [1], "state_dict is of type list"),
        ("MultiheadAttention", ENCODER, r"no in_proj_weight: pass prefix='self_attn\.'"),
        (
            "MultiheadAttention",
            {"q_proj_weight": np.ones((6, 6))},
            "no in_proj_weight, it has q_proj_weight: PyTorch's kdim and vdim",
        ),
        ("MultiheadAttention", without(ATTENTION, "out_proj.bias"), r"out_proj\.bias is missing"),
        ("MultiheadAttention", without(ATTENTION, "in_proj_bias"), r"out_proj\.bias is not expected"),
        ("MultiheadAttention", ATTENTION | {"bias_k": np.ones(6)}, "bias_k is not expected"),
        (
            "MultiheadAttention",
            with_(ATTENTION, "in_proj_weight", np.transpose),
            r"in_proj_weight has shape \(6, 18\), which is transposed: pass in_proj_weight\.T",
        ),
        (
            "MultiheadAttention",
            with_(ATTENTION, "in_proj_weight", lambda w: w[:12]),
            r"in_proj_weight has shape \(12, 6\): \(3 · embed_dim, embed_dim\)",
        ),
        (
            "MultiheadAttention",
            with_(ATTENTION, "in_proj_weight", np.ravel),
            r"in_proj_weight has shape \(108,\): two dimensions",
        ),
        (
            "MultiheadAttention",
            with_(ATTENTION, "out_proj.weight", lambda w: w[:5]),
            r"out_proj\.weight has shape \(5, 6\): \(6, 6\) is needed",
        ),
        (
            "MultiheadAttention",
            with_(ATTENTION, "out_proj.weight", lambda w: w.astype(np.float64)),
            r"out_proj\.weight has dtype float64, wider than the float32",
        ),
        (
            "MultiheadAttention",
            with_(ATTENTION, "in_proj_bias", lambda b: b.astype(complex)),
            "in_proj_bias has dtype complex128",
        ),
        (
            "MultiheadAttention",
            with_(ATTENTION, "in_proj_bias", lambda b: b * np.nan),
            r"in_proj_bias\[0\]=nan",
        ),
        ("TransformerEncoderLayer", ATTENTION, r"no self_attn\.in_proj_weight; it has in_proj_weight"),
        (
            "TransformerEncoderLayer",
            {f"layers.1.{name}": array for name, array in ENCODER.items()},
            r"no self_attn\.in_proj_weight: pass prefix='layers\.1\.'",
        ),
        ("TransformerEncoderLayer", without(ENCODER, "linear1.weight"), r"no linear1\.weight"),
        ("TransformerEncoderLayer", without(ENCODER, "norm2.weight"), r"norm2\.weight is missing"),
        ("TransformerEncoderLayer", ENCODER | {"norm3.bias": np.ones(6)}, r"norm3\.bias is not expected"),
        (
            "TransformerEncoderLayer",
            with_(ENCODER, "linear1.weight", np.transpose),
            r"linear1\.weight has shape \(6, 10\), which is transposed: pass linear1\.weight\.T",
        ),
        (
            "TransformerEncoderLayer",
            with_(ENCODER, "linear1.weight", lambda w: w[:, :5]),
            r"linear1\.weight has shape \(10, 5\): \(dim_feedforward, 6\)",
        ),
        (
            "TransformerEncoderLayer",
            with_(ENCODER, "linear2.weight", np.transpose),
            r"linear2\.weight has shape \(10, 6\), which is transposed",
        ),
        (
            "TransformerEncoderLayer",
            with_(ENCODER, "self_attn.in_proj_weight", np.transpose),
            r"self_attn\.in_proj_weight has shape \(6, 18\), which is transposed",
        ),
    ],
)
def test_what_does_not_fit_is_named(kind, weights, words):
    with pytest.raises(ValueError, match=words):
        made(kind, weights)


@pytest.mark.parametrize("kind", LAYERS)
def test_heads_have_to_divide_the_width(kind):
    with pytest.raises(ValueError, match=r"=4: must divide .*=6"):
        made(kind, ATTENTION if kind == "MultiheadAttention" else ENCODER, 4)
