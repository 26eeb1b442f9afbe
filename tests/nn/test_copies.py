"""A copy of a layer is its own: what happens to one is not seen by the other."""

import copy
import pickle

import networks
import numpy as np
import pytest

from diptych import nn

X = networks.inputs(dtype=np.float32)
LAYERS = {
    "LSTM": lambda rng: nn.LSTM(3, 4, rng=rng),
    "LSTM, stacked": lambda rng: nn.LSTM(3, 4, 2, dropout=0.5, rng=rng),
    "RNN": lambda rng: nn.RNN(3, 4, bidirectional=True, rng=rng),
    "Linear": lambda rng: nn.Linear(3, 4, rng=rng),
    "TransformerEncoderLayer": lambda rng: nn.TransformerEncoderLayer(3, 1, 4, dropout=0.5, rng=rng),
}
COPIES = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda x: pickle.loads(pickle.dumps(x))}


def said(layer, x=X, **options):
    found = layer(x, **options)
    return found[0] if isinstance(found, tuple) else found


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("kind", LAYERS)
def test_new_weights_of_a_copy_are_its_own(kind, how):
    layer, other = LAYERS[kind](0), LAYERS[kind](1)
    before, weights = said(layer), layer.state_dict()
    twin = COPIES[how](layer)
    np.testing.assert_array_equal(said(twin), before)
    twin.load_state_dict(other.state_dict())
    for name, array in layer.state_dict().items():
        assert array is weights[name]
    np.testing.assert_array_equal(said(layer), before)
    np.testing.assert_array_equal(said(copy.deepcopy(layer)), before)
    np.testing.assert_array_equal(said(twin), said(other))
    assert repr(twin) == repr(layer)


@pytest.mark.parametrize("kind", LAYERS)
def test_a_copy_that_trains_changes_nothing_of_the_way_back(kind):
    layer, alone = LAYERS[kind](0), LAYERS[kind](0)
    twin = copy.copy(layer)
    output = said(layer, training=True)
    np.testing.assert_array_equal(output, said(alone, training=True))
    said(twin, X[:, ::-1].copy(), training=True)
    nn.Adam({"twin": twin}).step({"twin": twin.backward(output).weights})
    found, expected = layer.backward(output), alone.backward(output)
    np.testing.assert_array_equal(found.x, expected.x)
    for name, array in expected.weights.items():
        np.testing.assert_array_equal(found.weights[name], array)


def test_a_copy_of_dropout_draws_on_its_own():
    dropout, ones = nn.Dropout(0.5, rng=0), np.ones(100)
    twin = copy.copy(dropout)
    first = dropout(ones, training=True)
    np.testing.assert_array_equal(twin(ones, training=True), first)
    twin(ones, training=True)
    np.testing.assert_array_equal(dropout.backward(ones), first)
