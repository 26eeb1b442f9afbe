"""What networks refuse, by name, and what they say to do instead."""

import re

import numpy as np
import pytest

from diptych import nn

KINDS = pytest.mark.parametrize("kind", ["RNN", "LSTM"])
T, B, I, H = 5, 3, 2, 4  # noqa: E741
nan = float("nan")


def net_of(kind, **options):
    return getattr(nn, kind)(I, H, **({"rng": 0} | options))


def x_of(*shape, dtype=np.float32):
    return np.ones(shape or (T, B, I), dtype)


# Making one ---------------------------------------------------------------------------------------

MADE = {
    "no inputs": ({"input_size": 0}, r"input_size=0: must be an integer, at least 1"),
    "no units": ({"hidden_size": 0}, r"hidden_size=0: "),
    "half a layer": ({"num_layers": 0.5}, r"num_layers=0\.5: must be an integer"),
    "a word for bias": ({"bias": "no"}, r"bias='no': must be True or False"),
    "a number for both ways": ({"bidirectional": 2}, r"bidirectional=2: must be True or False"),
    "whole numbers": ({"dtype": int}, r"dtype=<class 'int'>: must be np\.float32 or np\.float64"),
    "half precision": ({"dtype": np.float16}, r"float16'>: must be np\.float32 or np\.float64"),
    "no dtype": ({"dtype": "float33"}, r"dtype='float33': must be"),
    "another backend": ({"backend": "torch"}, r"backend='torch': must be one of 'rust', 'reference'"),
    "all dropped": ({"dropout": 1.0}, r"dropout=1\.0: must be from 0 to below 1"),
    "a word for dropout": ({"dropout": "half"}, r"dropout='half': must be a number from 0"),
    "a seed below 0": ({"rng": -1}, r"rng=-1: a seed must not be negative"),
    "no threads": ({"n_jobs": 0}, r"n_jobs=0: must be a positive number of threads"),
    "a word for threads, which the reference has not": (
        {"n_jobs": "a", "backend": "reference"},
        r"n_jobs='a': must be an integer, or None",
    ),
}


@KINDS
@pytest.mark.parametrize("case", MADE)
def test_what_no_network_is_made_of(kind, case):
    options, says = MADE[case]
    with pytest.raises(ValueError, match=says):
        getattr(nn, kind)(**({"input_size": I, "hidden_size": H, "rng": 0} | options))


def test_nonlinearities():
    with pytest.raises(ValueError, match=r"nonlinearity='elu': must be one of 'tanh', 'relu', 'identity'"):
        nn.RNN(I, H, nonlinearity="elu")


# Calling it ---------------------------------------------------------------------------------------

CALLED = {
    "one sequence": ({"x": x_of(T, I)}, r"x has shape \(5, 2\): three .*pass x\[:, None\] if it is one"),
    "a row": ({"x": x_of(T)}, r"x has shape \(5,\): three dimensions \(steps, sequences, inputs\)"),
    "other inputs": ({"x": x_of(T, B, 7)}, r"x has shape \(5, 3, 7\), 7 inputs: .*input_size=2"),
    "no steps": ({"x": x_of(0, B, I)}, r"at least one step of one sequence"),
    "no sequences": ({"x": x_of(T, 0, I)}, r"at least one step of one sequence"),
    "ragged": ({"x": [[[1.0, 2.0]] * 3, [[1.0, 2.0]] * 2]}, r"x is ragged.*pad .*lengths="),
    "length 0": ({"lengths": [5, 0, 2]}, r"lengths\[1\]=0: .*drop those that are empty"),
    "length above T": ({"lengths": [5, 6, 2]}, r"lengths\[1\]=6: x has 5 steps"),
    "too few lengths": ({"lengths": [5, 2]}, r"lengths has 2 entries: one for each of the 3"),
}
WRONG_TYPES = {
    "wide": ({"x": x_of(dtype=np.float64)}, r"x has dtype float64, wider.*pass x\.astype\(np\.float32\)"),
    "words": ({"x": [[["a", "b"]]]}, r"x has dtype"),
    "complex": ({"x": x_of(dtype=complex)}, r"x has dtype complex128"),
    "half lengths": ({"lengths": [5.0, 1.0, 2.0]}, r"lengths has dtype float64: integers"),
    "a word for training": ({"training": "yes"}, r"training='yes': must be True or False"),
}


@KINDS
@pytest.mark.parametrize("case", CALLED)
def test_bad_values(kind, case):
    given, says = CALLED[case]
    with pytest.raises(ValueError, match=says):
        net_of(kind)(**({"x": x_of()} | given))


@KINDS
@pytest.mark.parametrize("case", WRONG_TYPES)
def test_wrong_types(kind, case):
    given, says = WRONG_TYPES[case]
    for error in (TypeError, ValueError):
        with pytest.raises(error, match=says):
            net_of(kind)(**({"x": x_of()} | given))


def test_batch_first_says_so():
    with pytest.raises(ValueError, match=r"\(sequences, steps, inputs\) are needed; pass x\[None\]"):
        net_of("LSTM", batch_first=True)(x_of(T, I))


STATES = {
    "another batch": (np.zeros((1, 2, H)), r"h has shape \(1, 2, 4\): \(1, 3, 4\) is needed"),
    "without layers": (np.zeros((B, H)), r"h has shape \(3, 4\): .*pass h\[None\]"),
    "other units": (np.zeros((1, B, 5)), r"h has shape \(1, 3, 5\)"),
    "wide": (np.zeros((1, B, H)), r"h has dtype float64, wider than the float32"),
}


@KINDS
@pytest.mark.parametrize("case", STATES)
@pytest.mark.parametrize("packed", [False, True])
def test_states_that_do_not_fit(kind, case, packed):
    state, says = STATES[case]
    state = state if case == "wide" else state.astype(np.float32)
    given = (state, state) if kind == "LSTM" else state
    net = net_of(kind)
    if packed:
        net.step(x_of(B, I))
    with pytest.raises(ValueError, match=says):
        net(x_of(), given)
    with pytest.raises(ValueError, match=says):
        net.step(x_of(B, I), given)


@pytest.mark.parametrize("state", [np.zeros((1, B, H), np.float32), (np.zeros((1, B, H), np.float32),), "hc"])
def test_the_state_of_an_lstm_is_a_pair(state):
    net = net_of("LSTM")
    for call in (lambda: net(x_of(), state), lambda: net.step(x_of(B, I), state)):
        with pytest.raises(TypeError, match=r"state is of type \w+: the pair \(h, c\) is needed"):
            call()


STEPS = {
    "a row": (x_of(I), r"x has shape \(2,\): two dimensions .*pass x\[None\] if it is one sequence"),
    "a sequence": (x_of(T, B, I), r"x has shape \(5, 3, 2\): .*call the network itself for sequences"),
    "nobody": (x_of(0, I), r"x has shape \(0, 2\): at least one sequence"),
    "other inputs": (x_of(B, 3), r"x has shape \(3, 3\), 3 inputs: the network has input_size=2"),
    "wide": (x_of(B, I, dtype=np.float64), r"x has dtype float64, wider"),
    "masked": (np.ma.masked_less(x_of(B, I), 2), r"x has masked entries"),
}


@KINDS
@pytest.mark.parametrize("case", STEPS)
@pytest.mark.parametrize("packed", [False, True])
def test_bad_steps(kind, case, packed):
    net, (x, says) = net_of(kind), STEPS[case]
    state = net(x_of())[1] if packed else None
    with pytest.raises(ValueError, match=says):
        net.step(x, state)


@KINDS
def test_a_bidirectional_network_has_no_steps(kind):
    with pytest.raises(ValueError, match=r"a bidirectional network cannot be streamed.*on whole sequences"):
        net_of(kind, bidirectional=True).step(x_of(B, I))


@KINDS
def test_gradients_of_another_shape(kind):
    net = net_of(kind)
    net(x_of(), training=True)
    with pytest.raises(ValueError, match=r"d_output has shape \(5, 3, 2\): \(5, 3, 4\) is needed"):
        net.backward(x_of())
    bad = np.zeros((2, B, H), np.float32)
    with pytest.raises(ValueError, match=r"d_h has shape \(2, 3, 4\): \(1, 3, 4\) is needed"):
        net.backward(x_of(T, B, H), (bad, bad) if kind == "LSTM" else bad)
    net.backward(x_of(T, B, H))  # a refusal uses nothing up


# Weights ------------------------------------------------------------------------------------------


def changed(kind, **changes):
    weights = net_of(kind).state_dict()
    for name, change in changes.items():
        if change is None:
            del weights[name]
        else:
            weights[name] = change(weights[name]) if callable(change) else change
    return weights


def poisoned(value):
    def poison(array):
        array = array.copy()
        array[1, 0] = value
        return array

    return poison


WEIGHTS = {
    "missing": (
        {"bias_hh_l0": None},
        r"state_dict: bias_hh_l0 is missing; the names are weight_ih_l0, weight",
    ),
    "two missing": ({"bias_hh_l0": None, "bias_ih_l0": None}, r"bias_ih_l0, bias_hh_l0 are missing"),
    "unexpected": ({"weight_hr_l0": np.ones((2, 4))}, r"weight_hr_l0 is not expected"),
    "transposed": (
        {"weight_ih_l0": np.transpose},
        r"weight_ih_l0 has shape .* transposed: pass weight_ih_l0\.T",
    ),
    "of another shape": ({"bias_ih_l0": np.zeros(3)}, r"bias_ih_l0 has (shape \(3,\)|dtype float64)"),
    "NaN": ({"weight_hh_l0": poisoned(nan)}, r"weight_hh_l0\[1, 0\]=nan: every weight must be finite"),
    "infinite": ({"weight_hh_l0": poisoned(np.inf)}, r"weight_hh_l0\[1, 0\]=inf: every weight must be"),
    "wide": (
        {"weight_ih_l0": lambda w: w.astype(float)},
        r"weight_ih_l0 has dtype float64, wider.*or make the",
    ),
    "words": ({"bias_ih_l0": "zero"}, r"bias_ih_l0 has dtype"),
    "ragged": ({"weight_ih_l0": [[1.0, 2.0], [1.0]]}, r"weight_ih_l0 .*differ in length"),
}


@KINDS
@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_that_are_refused(kind, case):
    changes, says = WEIGHTS[case]
    net = net_of(kind)
    before = net.state_dict()
    with pytest.raises(ValueError, match=says):
        net.load_state_dict(changed(kind, **changes))
    assert all(net.state_dict()[name] is array for name, array in before.items())


@KINDS
def test_lists_and_narrower_dtypes_are_taken(kind):
    net, weights = net_of(kind, dtype=np.float64), net_of(kind).state_dict()
    net.load_state_dict({name: array.tolist() for name, array in weights.items()})
    net.load_state_dict({name: array.astype(np.float16) for name, array in weights.items()})
    assert all(array.dtype == np.float64 for array in net.state_dict().values())


def test_no_mapping():
    with pytest.raises(TypeError, match="state_dict is of type list: a dict of arrays by name is needed"):
        net_of("LSTM").load_state_dict([1])
    with pytest.raises(TypeError, match="state_dict is of type list"):
        nn.LSTM.from_state_dict([1])


def test_weights_inside_another_module():
    weights = {f"encoder.{name}": array for name, array in net_of("LSTM").state_dict().items()}
    with pytest.raises(ValueError, match=r"take the prefix 'encoder\.' off"):
        net_of("LSTM").load_state_dict(weights)
    with pytest.raises(ValueError, match=r"state_dict has no weight_ih_l0: pass prefix='encoder\.'"):
        nn.LSTM.from_state_dict(weights)
    with pytest.raises(ValueError, match=r"has no decoder\.weight_ih_l0: pass prefix='encoder\.'"):
        nn.LSTM.from_state_dict(weights, prefix="decoder.")
    with pytest.raises(ValueError, match="has no weight_ih_l0, it is empty"):
        nn.LSTM.from_state_dict({})


def test_weights_of_another_network():
    gru = {"weight_ih_l0": np.zeros((12, 2)), "weight_hh_l0": np.zeros((12, 4))}
    with pytest.raises(
        ValueError, match=r"weight_hh_l0 has shape \(12, 4\), which is that of a GRU, not of nn\.LSTM"
    ):
        nn.LSTM.from_state_dict(gru)
    with pytest.raises(ValueError, match=r"which is that of an LSTM, not of nn\.RNN"):
        nn.RNN.from_state_dict(net_of("LSTM").state_dict())
    with pytest.raises(ValueError, match=r"which is that of an RNN, not of nn\.LSTM"):
        nn.LSTM.from_state_dict(net_of("RNN").state_dict())
    weights = net_of("LSTM").state_dict()
    for name in ("weight_ih_l0", "weight_hh_l0"):
        with pytest.raises(ValueError, match=f"{name} has shape .*, which is transposed: pass {name}.T"):
            nn.LSTM.from_state_dict(weights | {name: weights[name].T})
    with pytest.raises(ValueError, match=r"weight_ih_l0 has shape \(16,\): two dimensions"):
        nn.LSTM.from_state_dict(weights | {"weight_ih_l0": np.zeros(16)})
    deep = nn.LSTM(I, H, 3, rng=0).state_dict()
    with pytest.raises(ValueError, match=r"weight_hh_l1 is missing"):
        nn.LSTM.from_state_dict({name: array for name, array in deep.items() if name != "weight_hh_l1"})


def test_a_missing_weight_of_the_way_back_is_named():
    for name in ("weight_ih_l0_reverse", "weight_hh_l0_reverse", "bias_ih_l0_reverse"):
        weights = net_of("LSTM", bidirectional=True).state_dict()
        del weights[name]
        with pytest.raises(ValueError, match=f"state_dict: {name} is missing; the names are"):
            nn.LSTM.from_state_dict(weights)


def test_keys_that_are_no_names():
    with pytest.raises(TypeError, match="state_dict has the key 3: names of weights, strings, are needed"):
        nn.LSTM.from_state_dict(net_of("LSTM").state_dict() | {3: x_of(2)})
    with pytest.raises(ValueError, match="3 is not expected"):
        net_of("LSTM").load_state_dict(net_of("LSTM").state_dict() | {3: x_of(2)})


def test_a_name_does_not_make_thousands_of_layers(monkeypatch):
    monkeypatch.setattr(nn.LSTM, "__init__", lambda *_, **__: pytest.fail("a network was made"))
    weights = {"weight_ih_l0": np.zeros((16, 2)), "weight_hh_l0": np.zeros((16, 4))}
    with pytest.raises(ValueError, match="has weight_ih_l20000 and no weight_ih_l1: layers are counted"):
        nn.LSTM.from_state_dict(weights | {"weight_ih_l20000": np.zeros((16, 4))})


def test_long_lists_of_names_are_cut():
    unexpected = {f"w{k}": np.zeros(1) for k in range(9999)}
    with pytest.raises(ValueError, match=r"w39, … \(9999 in all\) are not expected") as refused:
        net_of("LSTM").load_state_dict(net_of("LSTM").state_dict() | unexpected)
    assert len(str(refused.value)) < 1000


def test_a_hint_is_one_that_is_followed():
    if np.dtype(np.longdouble).itemsize > 8:
        weights = net_of("LSTM").state_dict()
        weights["weight_ih_l0"] = weights["weight_ih_l0"].astype(np.longdouble)
        with pytest.raises(ValueError, match=r"pass weight_ih_l0\.astype\(np\.float32\)\.$"):
            net_of("LSTM").load_state_dict(weights)


# Small layers -------------------------------------------------------------------------------------

CROSS_ENTROPY = {
    "a class too high": (([[0.0, 1.0]], [2]), {}, r"targets\[0\]=2: must be from 0 to 1"),
    "a class below 0": (([[0.0, 1.0]], [-1]), {}, r"targets\[0\]=-1: must be"),
    "half a class": (([[0.0, 1.0]], [0.5]), {}, r"targets has dtype float64: integers"),
    "too few": ((np.zeros((3, 2)), [0]), {}, r"targets has shape \(1,\): \(3,\) is needed"),
    "a mask of numbers": (([[0.0, 1.0]], [0]), {"mask": [1]}, r"mask has dtype int64: truths"),
    "a short mask": ((np.zeros((2, 2)), [0, 1]), {"mask": [True]}, r"mask has shape \(1,\)"),
    "no classes": ((np.zeros((3, 0)), [0, 0, 0]), {}, r"logits has shape \(3, 0\)"),
}


@pytest.mark.parametrize("case", CROSS_ENTROPY)
def test_cross_entropy(case):
    given, options, says = CROSS_ENTROPY[case]
    with pytest.raises(ValueError, match=says):
        nn.softmax_cross_entropy(*given, **options)


def test_small_layers():
    linear, embedding = nn.Linear(2, 3, rng=0), nn.Embedding(4, 2, rng=0)
    says = {
        r"x has shape \(3,\): a last axis of 2": lambda: linear(x_of(3)),
        r"x has dtype float64, wider": lambda: linear(np.ones(2)),
        r"indices\[1\]=4: must be from 0 to 3": lambda: embedding([0, 4]),
        r"indices\[0, 1\]=-1: must be from 0 to 3": lambda: embedding([[0, -1]]),
        r"indices has dtype float64: integers": lambda: embedding([0.0]),
        r"weight has shape \(2, 3\), which is transposed: pass weight\.T": lambda: linear.load_state_dict(
            {"weight": x_of(2, 3), "bias": x_of(3)}
        ),
        r"in_features=0: ": lambda: nn.Linear(0, 1),
        r"num_embeddings=1\.0: ": lambda: nn.Embedding(1.0, 1),
        r"p=1: must be from 0": lambda: nn.Dropout(1),
        r"x has dtype int64: floating-point .* pass x\.astype": lambda: nn.Dropout(0.2)(
            [1, 2], training=True
        ),
        r"x has dtype bool: floating-point": lambda: nn.Dropout(0.2)(np.ones(3, bool)),
        r"x\[0, 1\]: a number beyond the range of float64": lambda: linear([[0, 10**5000]]),
    }
    for message, call in says.items():
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(RuntimeError, match="with training=True first"):
        linear.backward(x_of(3))
    with pytest.raises(RuntimeError, match="with training=True first"):
        embedding.backward(x_of(2))


def test_adam():
    layer = nn.Linear(2, 1, rng=0)
    adam = nn.Adam({"a": layer})
    good = {"weight": x_of(1, 2), "bias": x_of(1)}
    says = {
        "gradients: a is missing, and b is not expected": lambda: adam.step({"b": good}),
        re.escape("gradients['a']: bias is missing"): lambda: adam.step({"a": {"weight": x_of(1, 2)}}),
        re.escape("gradients['a']['weight'] has shape (2, 1): (1, 2)"): lambda: adam.step(
            {"a": good | {"weight": x_of(2, 1)}}
        ),
        "learning_rate=-1: must be a number from 0": lambda: nn.Adam({"a": layer}, -1),
        re.escape("betas[1]=1.0: must be a number from 0 to below 1."): lambda: nn.Adam({}, betas=(0.9, 1.0)),
        "layers is of type list": lambda: nn.Adam([layer]),
        re.escape("layers['a'] is of type int: a layer is needed"): lambda: nn.Adam({"a": 3}),
        re.escape("betas=(0.9,): must be two numbers"): lambda: nn.Adam({"a": layer}, betas=(0.9,)),
        re.escape("betas=0.9: must be two numbers"): lambda: nn.Adam({"a": layer}, betas=0.9),
    }
    for message, call in says.items():
        with pytest.raises(ValueError, match=message):
            call()
