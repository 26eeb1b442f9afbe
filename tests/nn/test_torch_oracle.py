"""PyTorch as an oracle: its modules run in an interpreter of their own, and ours with the same weights.

Where PyTorch is not to be had these tests are skipped; `torch_parent.py` says where it is looked for.
"""

import numpy as np
import pytest
from torch_parent import torch_answers

from diptych import nn

T, B, E, H, UNITS = 6, 3, 8, 2, 12
S = 5
DTYPES = {"float32": 1e-5, "float64": 1e-11}  # by how much outputs may differ
PADDING = np.array([[0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 1]], bool)
PAIRS = np.triu(np.ones((T, T), bool), 1)
OF_HEADS = np.random.default_rng(5).random((B * H, T, S)) < 0.4
OF_HEADS[:, :, 1] = False  # nobody is left without a key, where PyTorch says NaN


def numbers(*shape, seed):
    return np.random.default_rng([len(shape), *shape, seed]).normal(size=shape)


def cases():
    """Yield (name, kind, options, call, arrays)."""
    of_attention = {
        "no mask": {},
        "padding": {"key_padding_mask": PADDING[:, :S]},
        "pairs": {"attn_mask": PAIRS[:, :S]},
        "pairs of each head": {"attn_mask": OF_HEADS},
        "numbers": {"attn_mask": numbers(T, S, seed=9)},
        "both": {"attn_mask": PAIRS[:, :S], "key_padding_mask": PADDING[:, :S]},
    }
    for name, masks in of_attention.items():
        for first in (False, True):
            options = {"embed_dim": E, "num_heads": H, "batch_first": first, "bias": name != "pairs"}
            call = {"average_attn_weights": first}
            arrays = {
                part: numbers(length, B, E, seed=seed)
                for seed, (part, length) in enumerate((("query", T), ("key", S), ("value", S)))
            }
            yield (
                f"attention, {name}, {first}",
                "MultiheadAttention",
                options,
                call,
                turned(arrays, first) | masks,
            )
    of_layers = {
        "no mask": {},
        "padding": {"src_key_padding_mask": PADDING},
        "causal": {"src_mask": PAIRS},
        "both": {"src_mask": PAIRS, "src_key_padding_mask": PADDING},
    }
    for name, masks in of_layers.items():
        for norm_first in (False, True):
            for activation in ("relu", "gelu"):
                first = activation == "relu"
                options = {
                    "d_model": E, "nhead": H, "dim_feedforward": UNITS, "dropout": 0.0,
                    "activation": activation, "norm_first": norm_first, "batch_first": first,
                }  # fmt: skip
                arrays = turned({"src": numbers(T, B, E, seed=3)}, first)
                yield (
                    f"layer, {name}, {norm_first}, {activation}",
                    "TransformerEncoderLayer",
                    options,
                    {},
                    arrays | masks,
                )
    for kind in ("LSTM", "RNN"):
        for layers, both in ((1, False), (2, True)):
            options = {"input_size": E, "hidden_size": 5, "num_layers": layers, "bidirectional": both}
            options["batch_first"] = both
            arrays = turned({"x": numbers(T, B, E, seed=4)}, both) | {"lengths": np.array([4, 6, 1])}
            yield f"{kind}, {layers}, {both}", kind, options, {}, arrays


def turned(arrays, batch_first):
    return {k: np.ascontiguousarray(x.swapaxes(0, 1)) if batch_first else x for k, x in arrays.items()}


CASES = {
    f"{name}, {dtype}": (kind, options, call, arrays, dtype)
    for dtype in DTYPES
    for name, kind, options, call, arrays in cases()
}


def given(name):
    """Return the arrays of a case in its dtype, with derivatives by the output."""
    kind, options, _, arrays, dtype = CASES[name]
    own = {k: x.astype(dtype) if x.dtype == np.float64 else x for k, x in arrays.items()}
    if kind in ("LSTM", "RNN"):
        shape = (*own["x"].shape[:2], 5 * (1 + options["bidirectional"]))
    else:
        shape = own["src" if "src" in own else "query"].shape
    return own | {"d_output": numbers(*shape, seed=7).astype(dtype)}


@pytest.fixture(scope="module")
def torch(tmp_path_factory):
    """Return what PyTorch says of all cases."""
    listed = [
        {"name": name, "kind": kind, "options": options, "call": call, "dtype": dtype}
        for name, (kind, options, call, _, dtype) in CASES.items()
    ]
    return torch_answers(listed, given, tmp_path_factory.mktemp("torch"))


def part_of(answers, part):
    return {key.removeprefix(part): array for key, array in answers.items() if key.startswith(part)}


@pytest.mark.parametrize("backend", ["rust", "reference"])
@pytest.mark.parametrize("name", CASES)
def test_with_the_weights_of_pytorch_its_outputs_and_gradients(torch, name, backend):
    kind, options, call, _, dtype = CASES[name]
    answers, own = torch(name), given(name)
    weights, gradients = part_of(answers, "weights/"), part_of(answers, "gradients/")
    options = {k: v for k, v in options.items() if k in ("batch_first", "norm_first", "activation")}
    heads = [] if kind in ("LSTM", "RNN") else [H]
    net = getattr(nn, kind).from_state_dict(weights, *heads, backend=backend, **options)
    assert net.dtype == dtype
    assert list(net.state_dict()) == list(weights)  # its names, in its order

    def close(found, expected, what, times=1):
        np.testing.assert_allclose(found, expected, rtol=0, atol=times * DTYPES[dtype], err_msg=what)

    dy = own.pop("d_output")
    if kind == "MultiheadAttention":
        inputs = [own.pop(k) for k in ("query", "key", "value")]
        output, shares = net(*inputs, **call, **own, training=True)
        close(shares, answers["output_weights"], "weights")
        by = net.backward(dy)
        by_inputs = dict(zip(("query", "key", "value"), by.x, strict=True))
    elif kind == "TransformerEncoderLayer":
        output = net(own.pop("src"), **own, training=True)
        by = net.backward(dy)
        by_inputs = {"src": by.x}
    else:
        output, state = net(own["x"], lengths=own["lengths"], training=True)
        for k, part in zip("hc", state if kind == "LSTM" else (state,), strict=False):
            close(part, answers[f"output_{k}"], k)
        by = net.backward(dy)
        by_inputs = {"x": by.x}
    close(output, answers["output"], "output")
    assert set(gradients) == {*by_inputs, *by.weights}
    for k, expected in gradients.items():
        scale = max(1.0, float(np.abs(expected).max()))  # derivatives are sums over all positions
        close((by_inputs | by.weights)[k], expected, f"gradient by {k}", 3 * scale)


@pytest.mark.parametrize("norm_first", [False, True])
def test_causal_is_the_mask_of_pytorch(torch, norm_first):
    """What PyTorch is given as a mask, here it suffices to say."""
    name = f"layer, causal, {norm_first}, relu, float64"
    answers = torch(name)
    net = nn.TransformerEncoderLayer.from_state_dict(
        part_of(answers, "weights/"), H, norm_first=norm_first, batch_first=True
    )
    np.testing.assert_allclose(net(given(name)["src"], is_causal=True), answers["output"], rtol=0, atol=1e-11)
