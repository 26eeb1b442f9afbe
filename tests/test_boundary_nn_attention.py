"""What attention and the encoder's layer refuse, by name, and what they say to do instead."""

import numpy as np
import pytest

from diptych import nn

L, B, S, E, H = 4, 2, 5, 6, 3


def ones(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


# Making one ---------------------------------------------------------------------------------------

MADE = {
    "heads that do not divide": ({"num_heads": 4}, r"num_heads=4: must divide embed_dim=6"),
    "no heads": ({"num_heads": 0}, r"num_heads=0: must be an integer, at least 1"),
    "no features": ({"embed_dim": 0}, r"embed_dim=0: must be"),
    "a word for bias": ({"bias": "no"}, r"bias='no': must be True or False"),
    "a number for an order": ({"batch_first": 1}, r"batch_first=1: must be True or False"),
    "whole numbers": ({"dtype": int}, r"dtype=<class 'int'>: must be np\.float32 or np\.float64"),
    "another backend": ({"backend": "torch"}, r"backend='torch': must be one of 'rust', 'reference'"),
    "a seed below 0": ({"rng": -1}, r"rng=-1: a seed must not be negative"),
    "no threads": ({"n_jobs": 0}, r"n_jobs=0: must be a positive number of threads"),
    "a word for threads, which the reference has not": (
        {"n_jobs": "a", "backend": "reference"},
        r"n_jobs='a': must be an integer, or None",
    ),
}


@pytest.mark.parametrize("case", MADE)
def test_what_no_attention_is_made_of(case):
    options, says = MADE[case]
    with pytest.raises(ValueError, match=says):
        nn.MultiheadAttention(**({"embed_dim": E, "num_heads": H} | options))


MADE_LAYERS = {
    "heads that do not divide": ({"nhead": 4}, r"nhead=4: must divide d_model=6"),
    "no features": ({"d_model": 0}, r"d_model=0: must be"),
    "no units": ({"dim_feedforward": 0}, r"dim_feedforward=0: must be"),
    "another activation": ({"activation": "elu"}, r"activation='elu': must be one of 'relu', 'gelu'"),
    "a function": ({"activation": np.tanh}, r"activation=<ufunc 'tanh'>: must be one of"),
    "all dropped": ({"dropout": 1.0}, r"dropout=1\.0: must be from 0 to below 1"),
    "no room below": ({"layer_norm_eps": 0.0}, r"^layer_norm_eps=0\.0: must be greater than 0"),
    "a word for an order": ({"norm_first": "yes"}, r"norm_first='yes': must be True or False"),
    "another backend": ({"backend": None}, r"backend=None: must be one of"),
    "no threads": ({"n_jobs": 0}, r"n_jobs=0: must be a positive number of threads"),
}


@pytest.mark.parametrize("case", MADE_LAYERS)
def test_what_no_layer_is_made_of(case):
    options, says = MADE_LAYERS[case]
    with pytest.raises(ValueError, match=says):
        nn.TransformerEncoderLayer(**({"d_model": E, "nhead": H, "dim_feedforward": 7} | options))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: nn.LayerNorm(0), r"normalized_shape=0: must be"),
        (lambda: nn.LayerNorm((2, 3)), r"normalized_shape=\(2, 3\): must be an integer"),
        (lambda: nn.LayerNorm(3, -1.0), r"eps=-1\.0: must be a number from 0"),
        (lambda: nn.LayerNorm(3, bias=None), r"bias=None: must be True or False"),
        (lambda: nn.LayerNorm(3)(ones(2, 4)), r"x has shape \(2, 4\): a last axis of 3 is needed"),
        (lambda: nn.sinusoidal_positions(0, 4), r"length=0: must be"),
        (lambda: nn.sinusoidal_positions(4, 2.5), r"d_model=2\.5: must be an integer"),
        (lambda: nn.sinusoidal_positions(4, 2, dtype=int), r"dtype=<class 'int'>: must be"),
    ],
)
def test_norms_and_positions(make, says):
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize(
    ("length", "d_model", "size"),
    [(2**62, 512, "17,592,186,044,416.0"), (10**12, 512, "3,814,697.3"), (1, 2**62, "34,359,738,368.0")],
)
def test_positions_that_do_not_fit_are_named_with_their_size(length, d_model, size):
    says = rf"^length={length}, d_model={d_model}: positions of shape .* need {size} GiB of memory and more\."
    with pytest.raises(MemoryError, match=says):
        nn.sinusoidal_positions(length, d_model)


# Calling it ---------------------------------------------------------------------------------------

CALLED = {
    "one sequence": ({"query": ones(L, E)}, r"query has shape \(4, 6\): three .*pass query\[:, None\]"),
    "other features": ({"key": ones(S, B, 7)}, r"key has shape \(5, 2, 7\), 7 features: .*embed_dim=6"),
    "no positions": ({"query": ones(0, B, E)}, r"query has shape \(0, 2, 6\): at least one position of one"),
    "other sequences": (
        {"key": ones(S, 3, E)},
        r"key has shape \(5, 3, 6\), 3 sequences on axis 1: query of shape \(4, 2, 6\) has 2\.",
    ),
    "batch first": (
        {"query": ones(B, L, E), "key": ones(B, S, E)},
        r"key has shape \(2, 5, 6\), 5 sequences on axis 1: .* has 4; the layer has batch_first=False",
    ),
    "a list beyond the layer's dtype": (
        {"query": [[[1e39] * E] * B] * L},
        r"query\[0, 0, 0\]=1e\+39: a number beyond the range of float32\.",
    ),
    "a value too few": ({"value": ones(4, B, E)}, r"value has shape \(4, 2, 6\): \(5, 2, 6\) is needed"),
    "wide": ({"value": ones(S, B, E, dtype=np.float64)}, r"value has dtype float64, wider"),
    "padding of time first": (
        {"key_padding_mask": np.zeros((S, B), bool)},
        r"key_padding_mask has shape \(5, 2\): \(2, 5\) is needed",
    ),
    "padding in integers": (
        {"key_padding_mask": np.zeros((B, S), np.int64)},
        r"key_padding_mask has dtype int64: bool, True where a key is not looked at",
    ),
    "a mask in integers": ({"attn_mask": np.zeros((L, S), np.uint8)}, r"attn_mask has dtype uint8: bool"),
    "a list of whole numbers": (
        {"key_padding_mask": [[0, 0, 0, 0, 1]] * B},
        r"key_padding_mask has dtype int64: .* pass np\.asarray\(key_padding_mask, dtype=bool\)\.",
    ),
    "a list of booleans and numbers": (
        {"key_padding_mask": [[0.0, 0.0, 0.0, 0.0, 1.0], [0.0, True, 0.0, 0.0, 1.0]]},
        r"key_padding_mask\[1, 1\]=True stands beside numbers: a mask is all booleans, or all numbers",
    ),
    "a mask of keys by queries": (
        {"attn_mask": np.zeros((S, L), bool)},
        r"attn_mask has shape \(5, 4\): \(4, 5\) or \(6, 4, 5\) is needed",
    ),
    "a mask of each sequence": ({"attn_mask": np.zeros((B, L, S), bool)}, r"\(4, 5\) or \(6, 4, 5\) is"),
    "a wide mask": ({"attn_mask": np.zeros((L, S))}, r"attn_mask has dtype float64, wider"),
    "a number for causal": ({"is_causal": 1}, r"is_causal=1: must be True or False"),
    "a word for weights": ({"need_weights": "no"}, r"need_weights='no': must be"),
    "a number for the mean": ({"average_attn_weights": 0}, r"average_attn_weights=0: must be"),
    "a number for training": ({"training": 1}, r"training=1: must be True or False"),
}


@pytest.mark.parametrize("backend", ["rust", "reference"])
@pytest.mark.parametrize("case", CALLED)
def test_what_attention_is_not_called_with(backend, case):
    given, says = CALLED[case]
    layer = nn.MultiheadAttention(E, H, backend=backend, rng=0)
    with pytest.raises(ValueError, match=says):
        layer(**({"query": ones(L, B, E), "key": ones(S, B, E), "value": ones(S, B, E)} | given))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"src": ones(B, E)}, r"src has shape \(2, 6\): .*\(sequences, positions, features\).*src\[None\]"),
        ({"src": ones(B, L, 5)}, r"src has shape \(2, 4, 5\), 5 features: the layer has d_model=6"),
        ({"src": ones(B, 0, E)}, r"at least one position of one sequence"),
        ({"src": np.full((B, L, E), "a")}, r"src has dtype"),
        (
            {"src_key_padding_mask": np.zeros((L, B), bool)},
            r"^src_key_padding_mask has shape \(4, 2\): \(2, 4\) is",
        ),
        ({"src_mask": np.zeros((L, L + 1), bool)}, r"^src_mask has shape \(4, 5\): \(4, 4\) or \(6, 4, 4\)"),
        ({"src_mask": np.zeros((L, L), int)}, r"^src_mask has dtype int64: bool, True where"),
        ({"is_causal": None}, r"is_causal=None: must be True or False"),
    ],
)
def test_what_a_layer_is_not_called_with(given, says):
    layer = nn.TransformerEncoderLayer(E, H, 7, batch_first=True, rng=0)
    with pytest.raises(ValueError, match=says):
        layer(**({"src": ones(B, L, E)} | given))


# Going back ---------------------------------------------------------------------------------------


def test_gradients_of_another_shape_leave_the_way_back_open():
    x = ones(L, B, E)
    layers = nn.MultiheadAttention(E, H, rng=0), nn.TransformerEncoderLayer(E, H, 7, rng=0)
    for layer in layers:
        layer(*[x] * (3 if layer is layers[0] else 1), training=True)
        with pytest.raises(ValueError, match=r"d_output has shape \(4, 2\): \(4, 2, 6\) is needed"):
            layer.backward(ones(L, B))
        with pytest.raises(TypeError, match=r"d_output has dtype float64, wider"):
            layer.backward(ones(L, B, E, dtype=np.float64))
        layer.backward(x)
        with pytest.raises(RuntimeError, match=r"call the layer with training=True first"):
            layer.backward(x)


X = np.random.default_rng(0).normal(size=(L, B, E)).astype(np.float32)
EVERY_LAYER = {  # the layer, what it is called with, what it refuses
    "Linear": (lambda: nn.Linear(E, 2, rng=0), (X,), (X[:, :, 1:],)),
    "Embedding": (lambda: nn.Embedding(3, E, rng=0), ([[0, 2]],), ([[0, 3]],)),
    "Dropout": (lambda: nn.Dropout(0.5, rng=0), (X,), (np.ones(3, int),)),
    "LayerNorm": (lambda: nn.LayerNorm(E), (X,), (X[:, :, 1:],)),
    "RNN": (lambda: nn.RNN(E, 2, rng=0), (X,), (X[:, :, 1:],)),
    "LSTM": (lambda: nn.LSTM(E, 2, 2, rng=0), (X,), (X, None, [99] * B)),
    "MultiheadAttention": (lambda: nn.MultiheadAttention(E, H, rng=0), (X, X, X), (X, X, X[1:])),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(E, H, 7, rng=0), (X,), (X[:, :, 1:],)),
}


@pytest.mark.parametrize("name", EVERY_LAYER)
def test_a_refused_training_call_closes_the_way_back_of_every_layer(name):
    make, good, bad = EVERY_LAYER[name]
    layer = make()
    for training in (False, True):  # an answer alone leaves it open
        said = layer(*good, training=True)
        said = np.ones_like(said[0] if isinstance(said, tuple) else said)
        with pytest.raises(ValueError, match=r"^(x|indices|lengths|value|src)(\[.*\]=|\b.* has )"):
            layer(*bad, training=training)
        if not training:
            layer.backward(said)
    with pytest.raises(RuntimeError, match=r"nothing to go back through: call the layer with training=True"):
        layer.backward(said)


def test_every_layer_is_in_that_test():
    ways = {name for name in nn.__all__ if hasattr(getattr(nn, name), "backward")}
    assert set(EVERY_LAYER) == ways


@pytest.mark.parametrize("name", [n for n in EVERY_LAYER if n != "Dropout"])  # which takes what comes
def test_a_pair_is_no_gradient(name):
    make, good, _ = EVERY_LAYER[name]
    layer = make()
    said = layer(*good, training=True)
    said = said[0] if isinstance(said, tuple) else said
    with pytest.raises(TypeError, match=r"^d_output is a tuple with None in it: one array of shape \("):
        layer.backward((said, None))
    layer.backward(said)


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_refused_call_closes_the_way_back(norm_first):
    layer = nn.TransformerEncoderLayer(E, H, 7, norm_first=norm_first, rng=0)
    layer(ones(L, B, E), training=True)
    with pytest.raises(ValueError, match=r"src_mask has shape \(9, 9\)"):
        layer(2 * ones(L, B, E), np.zeros((9, 9), bool), training=True)
    # Its first parts have been called already, its last have not: gradients would be those of neither call.
    with pytest.raises(RuntimeError, match=r"call the layer with training=True first"):
        layer.backward(ones(L, B, E))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("backend", ["rust", "reference"])
@pytest.mark.parametrize("strange", [np.nan, np.inf])
@pytest.mark.parametrize("padding", [[0, 0, 0, 0, -np.inf], [False] * 4 + [True]])
def test_what_one_mask_hides_another_does_not_show(backend, strange, padding):
    layer = nn.MultiheadAttention(E, H, backend=backend, rng=0)
    x = np.random.default_rng(0).normal(size=(S, 1, E)).astype(np.float32)
    pairs = np.zeros((S, S), np.float32)
    expected = layer(x, x, x, attn_mask=pairs, key_padding_mask=[padding])
    pairs[:, -1] = strange
    found = layer(x, x, x, attn_mask=pairs, key_padding_mask=[padding])
    np.testing.assert_array_equal(found[0], expected[0])
    assert not found[1][:, :, -1].any()


@pytest.mark.filterwarnings("error")
def test_two_masks_of_the_least_number_hide():
    layer, x = nn.MultiheadAttention(E, H, rng=0), ones(S, 1, E)
    pairs = np.zeros((S, S), np.float32)
    pairs[:, -1] = np.finfo(np.float32).min
    _, weights = layer(x, x, x, attn_mask=pairs, key_padding_mask=pairs[:1])
    np.testing.assert_allclose(weights, np.broadcast_to([0.25] * 4 + [0.0], (1, S, S)), rtol=1e-6)


@pytest.mark.parametrize(
    "make",
    [lambda: nn.MultiheadAttention(2**40, 2), lambda: nn.TransformerEncoderLayer(8, 2, 2**60)],
    ids=["attention", "feed-forward"],
)
def test_weights_that_no_array_can_hold_are_refused_with_their_shape(make):
    with pytest.raises(MemoryError, match=r"weights of shape \(\d+, \d+\) are more than an array can hold"):
        make()


def test_huge_inputs_stay_finite():
    for backend in ("rust", "reference"):
        layer = nn.MultiheadAttention(E, H, backend=backend, rng=0)
        x = np.random.default_rng(0).normal(size=(L, B, E)).astype(np.float32) * np.float32(1e15)
        output, weights = layer(x, x, x)  # scores of some 1e30
        assert np.isfinite(output).all()
        np.testing.assert_allclose(weights.sum(axis=2), 1, rtol=1e-5)
