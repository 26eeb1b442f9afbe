"""Rust equals the reference up to rounding; and itself, bit for bit, by step, part, row, thread and SIMD."""

from pathlib import Path

import nets
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simd_paths import available_paths

BOTH = pytest.mark.parametrize("name", ["rnn", "lstm"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SIZES = [1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 47, 48, 49, 63, 64, 65]
FEW = [1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 17, 33]

# Weights are such that a state neither vanishes nor explodes: errors of a step are of the order of the unit,
# times the root of the number of terms, and fade. They are measured by the greatest entry of each array.
FORWARD = {np.float32: 1e-5, np.float64: 1e-13}
BACKWARD = {np.float32: 5e-5, np.float64: 1e-12}


def compare(found, expected, tolerance, names):
    for name, a, b in zip(names, found, expected, strict=True):
        assert (a is None) == (b is None), name
        if b is not None:
            assert a.shape == b.shape, name
            assert np.abs(a - b).max() <= tolerance * max(np.abs(b).max(), 1e-3), name


def agree(both_panels, name, net, dtype, **options):
    """Go there and back in both panels, the reference in float64."""
    reference, rust = both_panels
    expected, found = (
        nets.read(panel, name, arguments, **options)
        for panel, arguments in ((reference, nets.widened(net)), (rust, net))
    )
    outputs = ("y", "h", "c")[: len(expected) - 1]
    compare(found[:-1], expected[:-1], FORWARD[dtype], outputs)
    dy, last = nets.signals(name, net)
    by = nets.gradients(rust, name, found[-1], dy, last)
    theirs = nets.gradients(
        reference, name, expected[-1], dy.astype(np.float64), [d.astype(np.float64) for d in last]
    )
    compare(by, theirs, BACKWARD[dtype], by._fields)
    if name == "lstm":
        compare(found[-1][7:10], expected[-1][7:10], FORWARD[dtype], ("gates", "c", "h"))


@st.composite
def cases(draw):
    name, dtype = draw(st.sampled_from(["rnn", "lstm"])), draw(st.sampled_from([np.float32, np.float64]))
    T, B = draw(st.sampled_from(FEW)), draw(st.sampled_from(FEW))
    I, H = draw(st.sampled_from(SIZES)), draw(st.sampled_from(SIZES))  # noqa: E741
    biases = draw(st.sampled_from(["both", "none", "b_ih", "b_hh"]))
    options = {"reverse": draw(st.booleans())}
    if draw(st.booleans()):
        options["lengths"] = draw(st.lists(st.integers(1, T), min_size=B, max_size=B))
    if name == "rnn":
        options["nonlinearity"] = draw(st.sampled_from(["tanh", "relu", "identity"]))
    return name, dtype, nets.net(name, T, B, I, H, dtype=dtype, biases=biases), options


@settings(max_examples=150)
@given(cases())
def test_there_and_back(both_panels, case):
    name, dtype, net, options = case
    agree(both_panels, name, net, dtype, **options)


@DTYPES
@BOTH
@pytest.mark.parametrize("H", [1, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129])
def test_units_about_every_block(both_panels, name, H, dtype):
    agree(both_panels, name, nets.net(name, 5, 3, 7, H, dtype=dtype), dtype)


@DTYPES
@BOTH
@pytest.mark.parametrize("B", [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 16, 17, 33, 65, 259])
def test_rows_about_every_block(both_panels, name, B, dtype):
    agree(both_panels, name, nets.net(name, 4, B, 5, 19, dtype=dtype), dtype)


@DTYPES
@BOTH
@pytest.mark.parametrize("T", [1, 2, 31, 32, 33, 127, 128, 129, 300])
def test_steps_about_every_block(both_panels, name, T, dtype):
    agree(both_panels, name, nets.net(name, T, 2, 3, 9, dtype=dtype), dtype, lengths=[T, max(1, T - 1)])


@DTYPES
@BOTH
@pytest.mark.parametrize("shape", [(100, 32, 128, 128), (50, 7, 300, 200), (33, 65, 9, 257)], ids=str)
def test_large(both_panels, name, shape, dtype):
    agree(both_panels, name, nets.net(name, *shape, dtype=dtype), dtype)


# Bit for bit --------------------------------------------------------------------------------------

# In the last two threads share units, of one row and of several; those of the last are asked for ahead.
SHAPES = pytest.mark.parametrize(
    "shape",
    [
        (7, 5, 3, 4),
        (9, 13, 17, 33),
        (5, 1, 8, 20),
        (6, 33, 64, 65),
        (12, 2, 130, 70),
        (120, 1, 20, 200),
        (4, 8, 100, 800),
    ],
    ids=str,
)


def same(found, expected, what=""):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=what, strict=True)


@pytest.fixture(scope="module")
def rust(both_panels):
    return both_panels[1]


@DTYPES
@BOTH
@SHAPES
def test_a_sequence_is_its_steps(rust, name, shape, dtype):
    net = nets.net(name, *shape, dtype=dtype)
    y, *last = getattr(rust.recurrent, name)(**net)
    states = nets.states(net)
    for t in range(shape[0]):
        states = nets.step(rust, name, net, t, states)
        np.testing.assert_array_equal(y[t], states[0])
    same(last, states)


@DTYPES
@BOTH
@SHAPES
def test_a_sequence_is_its_parts(rust, name, shape, dtype):
    net = nets.net(name, *shape, dtype=dtype)
    whole = nets.read(rust, name, net)
    for cut in range(1, shape[0]):
        first = getattr(rust.recurrent, name)(**(net | {"x": net["x"][:cut]}))
        begun = dict(zip(("h0", "c0"), first[1:], strict=False))
        rest = getattr(rust.recurrent, name)(**(net | begun | {"x": net["x"][cut:]}))
        same((np.concatenate([first[0], rest[0]]), *rest[1:]), whole[:-1], f"cut at {cut}")


@DTYPES
@BOTH
@SHAPES
@pytest.mark.parametrize("reverse", [False, True])
def test_a_row_is_that_row_alone(rust, name, shape, dtype, reverse):
    T, B = shape[:2]
    net = nets.net(name, *shape, dtype=dtype)
    lengths = np.random.default_rng(0).integers(1, T + 1, B)
    options = {"lengths": lengths, "reverse": reverse}
    y, *last = getattr(rust.recurrent, name)(**net, **options)
    kept = nets.read(rust, name, net, **options)
    same((y, *last), kept[:-1], "with a tape")
    rows = ("x", "h0", "c0")
    for b, n in enumerate(lengths):
        alone = {
            key: value[:n, [b]] if key == "x" else value[[b]] if key in rows else value
            for key, value in net.items()
        }
        found = getattr(rust.recurrent, name)(**alone, reverse=reverse)
        same(found, (y[:n, [b]], *(s[[b]] for s in last)), f"row {b}")
        assert not y[n:, b].any()


@DTYPES
@BOTH
@pytest.mark.parametrize(
    "shape", [(7, 5, 3, 4), (40, 64, 32, 65), (30, 3, 40, 300), (60, 1, 200, 260), (5, 20, 200, 800)], ids=str
)
@pytest.mark.parametrize("uneven", [False, True])
def test_any_number_of_threads(rust, name, shape, dtype, uneven):
    net = nets.net(name, *shape, dtype=dtype)
    options = {"lengths": 1 + np.arange(shape[1]) * 7 % shape[0], "reverse": True} if uneven else {}
    dy, last = nets.signals(name, net)
    runs = []
    for n_jobs in (1, 2, 3):
        found = nets.read(rust, name, net, **options, n_jobs=n_jobs)
        by = nets.gradients(rust, name, found[-1], dy, last, n_jobs=n_jobs)
        runs.append([*found[:-1], *by])
    for other in runs[1:]:
        same(other, runs[0])


def test_every_simd_path_gives_the_same_bits(run_python):
    code = (
        "import hashlib, sys\n"
        "import numpy as np\n"
        "from types import SimpleNamespace\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import nets\n"
        "from diptych import _rust\n"
        "from diptych.kernels import recurrent\n"
        "panel, digest = SimpleNamespace(recurrent=recurrent), hashlib.sha256()\n"
        "for name in ('rnn', 'lstm'):\n"
        "    for dtype in (np.float32, np.float64):\n"
        "        shapes = (5, 3, 7, 19), (3, 17, 33, 40), (2, 1, 1, 1), (60, 1, 4, 200), (2, 7, 40, 420)\n"
        "        for shape in shapes:\n"
        "            net = nets.net(name, *shape, dtype=dtype)\n"
        "            *found, tape = nets.read(panel, name, net, lengths=[1] * (shape[1] - 1) + [shape[0]])\n"
        "            dy, last = nets.signals(name, net)\n"
        "            found += nets.gradients(panel, name, tape, dy, last)\n"
        "            if shape[3] < 100:\n"
        "                found.append(recurrent.state_jacobian_norms(tape))\n"
        "            if name == 'lstm':\n"
        "                found.append(recurrent.lstm_memory_terms(tape))\n"
        "            for part in found:\n"
        "                digest.update(part.tobytes())\n"
        "x = np.linspace(-100, 100, 100_003)\n"
        "for f in (_rust.recurrent_sigmoid, _rust.recurrent_tanh):\n"
        "    digest.update(f(x).tobytes() + f(x.astype(np.float32)).tobytes())\n"
        "print(_rust.simd_path(), digest.hexdigest())\n"
    )
    found = dict(run_python(code, DIPTYCH_SIMD=named).split() for named in available_paths())
    assert list(found) == available_paths()
    assert len(set(found.values())) == 1, found


# Memory -------------------------------------------------------------------------------------------


@DTYPES
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (40, 5, 7, 9), (17, 33, 3, 16)], ids=str)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("uneven", [False, True])
def test_memory_terms(both_panels, shape, dtype, reverse, uneven):
    reference, rust = both_panels
    options = {"reverse": reverse, "lengths": 1 + np.arange(shape[1]) % shape[0] if uneven else None}
    net = nets.net("lstm", *shape, dtype=dtype)
    _, _, c, tape = nets.read(rust, "lstm", net, **options)
    terms = rust.recurrent.lstm_memory_terms(tape)
    assert terms.dtype == dtype
    expected = reference.recurrent.lstm_memory_terms(tape)
    np.testing.assert_allclose(terms, expected, rtol=4 * shape[0] * np.finfo(dtype).eps)
    size = np.abs(terms).sum(axis=0, dtype=np.float64)
    off = np.abs(terms.sum(axis=0, dtype=np.float64) - c)
    assert (off <= 4 * shape[0] * np.spacing(size.astype(dtype))).all()

    net = nets.net("rnn", *shape, dtype=dtype)
    _, h, tape = nets.read(rust, "rnn", net, nonlinearity="identity", **options)
    terms = rust.recurrent.rnn_memory_terms(tape)
    assert terms.dtype == dtype
    expected = reference.recurrent.rnn_memory_terms(tape)
    compare((terms,), (expected,), FORWARD[dtype], ("terms",))
    compare((terms.sum(axis=0),), (h,), FORWARD[dtype], ("sum",))


@DTYPES
@BOTH
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (6, 3, 4, 5), (8, 2, 3, 33), (40, 1, 2, 3)], ids=str)
@pytest.mark.parametrize("reverse", [False, True])
def test_jacobian_norms(both_panels, name, shape, dtype, reverse):
    reference, rust = both_panels
    net = nets.net(name, *shape, dtype=dtype)
    lengths = 1 + np.arange(shape[1]) * 5 % shape[0]
    *_, tape = nets.read(rust, name, net, lengths=lengths, reverse=reverse)
    norms = rust.recurrent.state_jacobian_norms(tape)
    assert norms.dtype == np.float64
    np.testing.assert_allclose(norms, reference.recurrent.state_jacobian_norms(tape), rtol=1e-11, atol=1e-300)


@pytest.mark.parametrize("radius", [0.5, 1.0, 1.5])
def test_norms_of_a_linear_net_are_those_of_powers(panel, radius):
    rng, T, H = np.random.default_rng(2), 60, 24
    U = rng.normal(size=(H, H))
    U *= radius / np.abs(np.linalg.eigvals(U)).max()
    arguments = rng.normal(size=(T, 2, 3)), np.zeros((2, H)), rng.normal(size=(H, 3)), U
    *_, tape = panel.recurrent.rnn(*arguments, nonlinearity="identity", return_tape=True)
    expected = [np.linalg.norm(np.linalg.matrix_power(U, T - 1 - t), 2) for t in range(T)]
    np.testing.assert_allclose(
        panel.recurrent.state_jacobian_norms(tape), np.repeat(expected, 2).reshape(T, 2), rtol=1e-12
    )
