"""What recurrent nets refuse, by name, and what they say to do instead."""

import re
from types import SimpleNamespace

import nets
import numpy as np
import pytest

from diptych import _rust
from diptych.kernels import recurrent
from diptych.kernels.recurrent import LSTMTape, lstm, lstm_backward, lstm_step, rnn, rnn_backward, rnn_step

T, B, I, H = 5, 3, 2, 4  # noqa: E741
nan, inf = float("nan"), float("inf")


def changed(name, **changes):
    return nets.net(name, T, B, I, H) | changes


def poisoned(name, key, place, value):
    given = nets.net(name, T, B, I, H)
    given[key][place] = value
    return given


LSTM = nets.net("lstm", T, B, I, H)
REFUSED = {
    # lengths
    "length 0": ({"lengths": [5, 0, 2]}, r"lengths\[1\]=0: .*at least 1 step; drop"),
    "negative length": ({"lengths": [5, 1, -2]}, r"lengths\[2\]=-2: "),
    "length above T": ({"lengths": [6, 1, 2]}, r"lengths\[0\]=6: x has 5 steps"),
    "huge length": ({"lengths": [2**64, 1, 2]}, r"lengths\[0\]=18446744073709551616: integers up to"),
    "too few lengths": ({"lengths": [1, 2]}, r"lengths has 2 entries: one for each of the 3"),
    "a table of lengths": ({"lengths": [[1, 2, 3]]}, r"lengths has shape \(1, 3\)"),
    # x
    "one sequence": ({"x": np.zeros((T, I))}, r"x has shape \(5, 2\): three .*pass x\[:, None\]"),
    "a row": ({"x": np.zeros(T)}, r"x has shape \(5,\): three"),
    "ragged": ({"x": [[[1.0, 2.0]] * 3, [[1.0, 2.0]] * 2]}, r"x is ragged.*pad .*lengths="),
    "ragged inputs": ({"x": [[[1.0, 2.0], [1.0]]]}, r"x is ragged"),
    "other inputs": (
        {"x": np.zeros((T, B, 7))},
        r"x has shape \(5, 3, 7\), 7 inputs: w_ih of shape .* takes 2",
    ),
    "no steps": ({"x": np.zeros((0, B, I))}, r"x has shape \(0, 3, 2\): at least one step"),
    "no sequences": ({"x": np.zeros((T, 0, I))}, r"x has shape \(5, 0, 2\): at least one"),
    # states
    "another batch": ({"h0": np.zeros((B + 1, H))}, r"h0 has shape \(4, 4\): \(3, 4\) is needed"),
    "other units": ({"h0": np.zeros((B, H + 1))}, r"h0 has shape \(3, 5\): \(3, 4\) is needed"),
    "a state with layers": ({"h0": np.zeros((1, B, H))}, r"h0 has shape \(1, 3, 4\).*pass h0\[0\]"),
    # flags
    "a word for reverse": ({"reverse": 1}, r"reverse=1: must be True or False"),
    "a word for the tape": ({"return_tape": "yes"}, r"return_tape='yes': must be True or False"),
    "no threads": ({"n_jobs": 0}, r"n_jobs=0"),
}


@pytest.mark.parametrize("name", ["rnn", "lstm"])
@pytest.mark.parametrize("case", REFUSED)
def test_bad_values(name, case):
    changes, says = REFUSED[case]
    with pytest.raises(ValueError, match=says):
        getattr(recurrent, name)(**changed(name, **changes))


WRONG_TYPES = {
    "lengths are floats": ({"lengths": [5.0, 1.0, 2.0]}, r"lengths has dtype float64: integers are needed"),
    "lengths are truths": ({"lengths": [True, True, True]}, r"lengths has dtype bool"),
    "lengths are words": ({"lengths": ["5", "1", "2"]}, r"lengths has dtype"),
    "x holds words": ({"x": [[["a", "b"]]]}, r"x has dtype"),
    "x is complex": (
        {"x": np.zeros((T, B, I), complex)},
        r"x has dtype complex128: Complex data not supported",
    ),
    "x holds objects": (
        {"x": np.full((T, B, I), None)},
        r"x\[0, 0, 0\]=None: every value must be a real number",
    ),
}


@pytest.mark.parametrize("name", ["rnn", "lstm"])
@pytest.mark.parametrize("case", WRONG_TYPES)
def test_wrong_types(name, case):
    changes, says = WRONG_TYPES[case]
    for kind in (TypeError, ValueError):
        with pytest.raises(kind, match=says):
            getattr(recurrent, name)(**changed(name, **changes))


WEIGHTS = {
    "w_ih transposed": (
        "lstm",
        {"w_ih": LSTM["w_ih"].T},
        r"w_ih has shape \(2, 16\), which is transposed: pass w_ih\.T",
    ),
    "w_hh transposed": (
        "lstm",
        {"w_hh": LSTM["w_hh"].T},
        r"w_hh has shape \(4, 16\), which is transposed: pass w_hh\.T",
    ),
    "w_ih of an RNN transposed": (
        "rnn",
        {"w_ih": np.zeros((I, H))},
        r"w_ih has shape \(2, 4\), which is transposed",
    ),
    "exchanged": ("lstm", {"w_ih": LSTM["w_hh"], "w_hh": LSTM["w_ih"]}, r"changed places; w_ih comes first"),
    "exchanged in an RNN": ("rnn", {"w_ih": np.zeros((H, H)), "w_hh": np.zeros((H, I))}, r"changed places"),
    "of ONNX": (
        "lstm",
        {"w_ih": LSTM["w_ih"][None]},
        r"w_ih has shape \(1, 16, 2\), as ONNX.*w_ih\[0\].*i, f, g, o",
    ),
    "of an RNN": (
        "lstm",
        {"w_hh": np.zeros((H, H))},
        r"w_hh has shape \(4, 4\), which is the shape of an RNN",
    ),
    "of a GRU": ("lstm", {"w_hh": np.zeros((3 * H, H))}, r"which is the shape of a GRU"),
    "of an LSTM": (
        "rnn",
        {"w_hh": np.zeros((4 * H, H))},
        r"which is the shape of an LSTM: \(H, H\) is needed",
    ),
    "of no net": (
        "lstm",
        {"w_hh": np.zeros((7, 3))},
        r"w_hh has shape \(7, 3\): \(4H, H\) is needed, four rows",
    ),
    "a row": ("lstm", {"w_hh": np.zeros(16)}, r"w_hh has shape \(16,\): \(4H, H\) is needed"),
    "empty": ("rnn", {"w_hh": np.zeros((0, 0))}, r"w_hh has shape \(0, 0\)"),
    "of other units": ("lstm", {"w_ih": np.zeros((20, 2))}, r"w_ih has shape \(20, 2\): 16 rows are needed"),
    "a short bias": ("lstm", {"b_hh": np.zeros(4)}, r"b_hh has shape \(4,\): \(16,\) is needed"),
    "a column for a bias": ("lstm", {"b_ih": np.zeros((16, 1))}, r"b_ih has shape \(16, 1\)"),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_that_do_not_fit(case):
    name, changes, says = WEIGHTS[case]
    given = changed(name, **changes)
    with pytest.raises(ValueError, match=says):
        getattr(recurrent, name)(**given)
    given["x"] = given["x"][0]
    states = [given.pop(key) for key in ("h0", "c0") if key in given]
    with pytest.raises(ValueError, match=says):
        getattr(recurrent, f"{name}_step")(given.pop("x"), *states, **given)


@pytest.mark.parametrize("name", ["rnn", "lstm"])
@pytest.mark.parametrize("value", [nan, inf, -inf])
@pytest.mark.parametrize(
    ("key", "place"), [("w_ih", (3, 1)), ("w_hh", (0, 2)), ("b_ih", (2,)), ("b_hh", (3,))]
)
def test_weights_that_are_not_finite(name, key, place, value):
    where = re.escape(f"{key}[{', '.join(map(str, place))}]={value}")
    with pytest.raises(ValueError, match=rf"{where}: every weight must be finite; see where training"):
        getattr(recurrent, name)(**poisoned(name, key, place, value))


@pytest.mark.parametrize("nonlinearity", ["Tanh", "sigmoid", "", None, 3])
def test_unknown_nonlinearities(nonlinearity):
    for call in (
        lambda: rnn(**nets.net("rnn", T, B, I, H), nonlinearity=nonlinearity),
        lambda: rnn_step([[0.0]], [[0.0]], [[0.0]], [[0.0]], nonlinearity=nonlinearity),
    ):
        with pytest.raises(ValueError, match=r"nonlinearity=.*: must be one of 'tanh', 'relu', 'identity'"):
            call()


@pytest.mark.parametrize("key", ["x", "h0", "c0", "w_hh", "b_ih", "b_hh"])
def test_a_wider_dtype_than_the_weights_is_refused(key):
    given = {name: value.astype(np.float32) for name, value in LSTM.items()} | {key: LSTM[key]}
    for kind in (TypeError, ValueError):
        with pytest.raises(kind, match=rf"{key} has dtype float64, wider than the float32 .*{key}\.astype"):
            lstm(**given)


def test_steps_have_two_axes():
    _, h0, c0, *weights = LSTM.values()
    with pytest.raises(ValueError, match=r"x has shape \(2,\): two dimensions.*pass x\[None\]"):
        lstm_step(LSTM["x"][0, 0], h0, c0, *weights)
    with pytest.raises(ValueError, match=r"x has shape \(5, 3, 2\): two dimensions.*without _step"):
        lstm_step(LSTM["x"], h0, c0, *weights)
    with pytest.raises(ValueError, match=r"c has shape \(2, 4\): \(3, 4\) is needed"):
        lstm_step(LSTM["x"][0], h0, c0[:2], *weights)


def tape_of(name, **options):
    return nets.read(SimpleNamespace(recurrent=recurrent), name, nets.net(name, T, B, I, H), **options)[-1]


def test_gradients_have_the_shapes_of_results():
    tape, zero = tape_of("lstm"), np.zeros((T, B, H))
    for arguments, says in (
        ((zero[1:],), r"dy has shape \(4, 3, 4\): \(5, 3, 4\) is needed"),
        ((zero, zero[0, :2]), r"dh has shape \(2, 4\): \(3, 4\) is needed"),
        ((zero, None, zero[0, :, :1]), r"dc has shape \(3, 1\): \(3, 4\) is needed"),
    ):
        with pytest.raises(ValueError, match=says):
            lstm_backward(tape, *arguments)


def test_tapes_of_the_other_net_and_of_none():
    dy = np.zeros((T, B, H))
    with pytest.raises(TypeError, match=r"tape is of type RNNTape and has no c0: what recurrent\.lstm\("):
        lstm_backward(tape_of("rnn"), dy)
    with pytest.raises(TypeError, match=r"tape is of type LSTMTape and has no nonlinearity"):
        rnn_backward(tape_of("lstm"), dy)
    with pytest.raises(TypeError, match=r"tape is of type tuple and has no x"):
        recurrent.lstm_memory_terms((1, 2))
    with pytest.raises(TypeError, match=r"tape is of type ndarray"):
        recurrent.state_jacobian_norms(dy)
    with pytest.raises(ValueError, match=r"nonlinearity='tanh': only the states of a linear RNN"):
        recurrent.rnn_memory_terms(tape_of("rnn"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"gates": np.zeros((T, B, 3, H))},
            r"tape\.gates has shape \(5, 3, 3, 4\): \(5, 3, 4, 4\) is needed",
        ),
        ({"c": np.zeros((T, B, 1))}, r"tape\.c has shape"),
        ({"h": np.zeros((T - 1, B, H))}, r"tape\.h has shape"),
        ({"c0": np.zeros((1, H))}, r"tape\.c0 has shape"),
        ({"lengths": [9, 1, 1]}, r"lengths\[0\]=9: x has 5 steps"),
        ({"w_hh": np.full((4 * H, H), nan)}, r"w_hh\[0, 0\]=nan"),
        ({"reverse": "no"}, r"reverse='no'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_tapes_that_were_changed(changes, says):
    tape = tape_of("lstm")._replace(**changes)
    with pytest.raises(ValueError, match=says):
        lstm_backward(tape, np.zeros((T, B, H)))


def test_any_object_with_the_parts_is_a_tape():
    tape, dy = tape_of("lstm"), np.ones((T, B, H))
    found = lstm_backward(SimpleNamespace(**tape._asdict()), dy)
    for a, b in zip(found, lstm_backward(tape, dy), strict=True):
        np.testing.assert_array_equal(a, b)
    assert isinstance(tape, LSTMTape)


# The extension on its own -------------------------------------------------------------------------

refusal = (ValueError, TypeError, OverflowError)


def hostile(value):
    """Arrays that are not what the binding takes."""
    yield value.astype(np.float16)
    yield value.astype(int)
    yield value[..., None]
    yield value.ravel()[:-1]
    yield np.repeat(value, 2, axis=-1)[..., ::2]
    yield value.astype(value.dtype.newbyteorder(">"))
    yield value.tolist()
    yield "text"


def calls():
    """Each function of the binding with arguments that it takes, by position."""
    x, h0, c0, *weights = LSTM.values()
    lstm_tape, rnn_tape, dy = tape_of("lstm"), tape_of("rnn"), np.ones((T, B, H))
    plain = nets.net("rnn", T, B, I, H)
    W, U = plain["w_ih"], plain["w_hh"]
    bias = plain["b_ih"], plain["b_hh"]
    back = lstm_tape.w_ih, lstm_tape.w_hh
    ends = np.array([5, 1, 2])
    yield _rust.recurrent_lstm_step, [x[0], h0, c0, *weights]
    yield _rust.recurrent_rnn_step, [x[0], h0, W, U, *bias, "tanh"]
    yield _rust.recurrent_rnn, [x, h0, W, U, *bias, "tanh", ends, False, False, 1, None]
    yield _rust.recurrent_lstm, [x, h0, c0, *weights, ends, False, True, 1, None]
    yield _rust.recurrent_rnn_backward, [x, h0, rnn_tape.h, W, U, "tanh", ends, False, dy, dy[0], 1, None]
    yield (
        _rust.recurrent_lstm_backward,
        [x, h0, c0, lstm_tape.h, lstm_tape.gates, lstm_tape.c, *back, ends, False, dy, dy[0], dy[0], 1, None],
    )
    yield _rust.recurrent_lstm_memory_terms, [lstm_tape.gates, c0, ends, False]
    yield _rust.recurrent_rnn_memory_terms, [x, h0, W, U, *bias, ends, False, 1, None]
    yield _rust.recurrent_rnn_jacobian_norms, [rnn_tape.h, U, "tanh", ends, False, 1, None]
    yield (
        _rust.recurrent_lstm_jacobian_norms,
        [lstm_tape.gates, lstm_tape.c, c0, weights[1], ends, False, 1, None],
    )
    cells = [_rust.RecurrentCell("lstm", *weights) for _ in range(2)]
    yield _rust.recurrent_run_both, [*cells, x, ((h0, c0), (h0, c0)), ends, True, 2, None]
    way = x, h0, c0, lstm_tape.h, lstm_tape.gates, lstm_tape.c, *back
    ways = [(*way, reverse, dy, dy[0], dy[0]) for reverse in (False, True)]
    yield _rust.recurrent_backward_both, ["lstm", *ways, ends, 2, None]
    way = x, h0, None, rnn_tape.h, None, None, W, U
    yield _rust.recurrent_backward_both, ["relu", *[(*way, True, dy, dy[0], None)] * 2, ends, 2, None]


def with_bad_parts(value):
    """Tuples of arrays, however deep, with one array at a time that is not what the binding takes."""
    for place, part in enumerate(value):
        if isinstance(part, tuple):
            bad = with_bad_parts(part)
        elif isinstance(part, np.ndarray):
            bad = hostile(part)
        else:
            continue
        for other in bad:
            yield (*value[:place], other, *value[place + 1 :])


@pytest.mark.parametrize("k", range(13))
def test_the_binding_is_safe_on_its_own(k):
    function, arguments = list(calls())[k]
    function(*arguments)
    for place, value in enumerate(arguments):
        if isinstance(value, np.ndarray) and value.dtype == np.float64:
            unread = function is _rust.recurrent_lstm_jacobian_norms and place == 2  # c0: checked, not read
            for bad in [b for b in hostile(value) if not (unread and np.shape(b) == value.shape)]:
                with pytest.raises(refusal):
                    function(*arguments[:place], bad, *arguments[place + 1 :])
        if isinstance(value, tuple):
            for bad in [*with_bad_parts(value), value[:-1], None]:
                with pytest.raises(refusal):
                    function(*arguments[:place], bad, *arguments[place + 1 :])
        if isinstance(value, np.ndarray) and value.dtype == np.int64:
            for bad in ([6, 1, 1], [1, 1], [-1, 1, 1], [2**62, 1, 1]):
                with pytest.raises(refusal):
                    function(*arguments[:place], np.array(bad), *arguments[place + 1 :])
        if isinstance(value, str):
            with pytest.raises(refusal):
                function(*arguments[:place], "tan", *arguments[place + 1 :])
