"""What recurrent nets do to the process around them: memory, Ctrl-C, fork, progress.

Each case runs in a process of its own, with a watchdog.
"""

import pytest

from processes import FORKED, GROWTH, INTERRUPTED, alone, on_linux, with_fork, with_signals

PRELUDE = """
import os, signal, sys, threading, time
import numpy as np
from diptych import nn
from diptych.kernels import recurrent
rng = np.random.default_rng(0)
def net(gates, T, B, I, H):
    shapes = [(T, B, I), *[(B, H)] * (2 if gates == 4 else 1), (gates * H, I), (gates * H, H)]
    return [rng.random(shape, dtype=np.float32) - np.float32(0.5) for shape in shapes[:-2]] + [
        (rng.random(shape, dtype=np.float32) - np.float32(0.5)) / np.float32(shape[1] ** 0.5)
        for shape in shapes[-2:]
    ]
def tape_of(T):  # of zeros, which take no memory as long as nobody writes to them
    shapes = [(T, 1, 1), (1, 1), (4, 1), (T, 1, 4, 1)]
    x, state, w, gates = (np.zeros(shape, np.float32) for shape in shapes)
    return recurrent.LSTMTape(x, state, state, w, w, None, None, gates, x, x, None, False)
def fit():
    *_, tape = recurrent.lstm(*net(4, 20, 16, 32, 48), return_tape=True, n_jobs=2)
    return recurrent.lstm_backward(tape, tape.h, n_jobs=2)[:5]
"""


# Memory: what the docstrings say, in bytes, and 4 MiB for the room of allocators and of a stretch

T, B, I, H = 3000, 64, 32, 64  # noqa: E741
STATES, PLACES = 4 * T * B * H, 16 * T * B
RUNS = {
    "lstm": ("recurrent.lstm(*given, n_jobs=2)", STATES, STATES + PLACES),
    "lstm with a tape": (
        "recurrent.lstm(*given, return_tape=True, n_jobs=2)",
        6 * STATES,
        6 * STATES + 6 * PLACES,  # of y, four gates and the cell state
    ),
    "lstm with lengths": ("recurrent.lstm(*given, lengths=ends, n_jobs=2)", 0, STATES + PLACES),
    "lstm_backward": (
        "recurrent.lstm_backward(tape, tape.h, n_jobs=2)",
        4 * T * B * I,
        4 * T * B * I + PLACES,
    ),
    "lstm_memory_terms": ("recurrent.lstm_memory_terms(tape)", STATES, STATES),
}


@on_linux
@pytest.mark.parametrize("name", RUNS)
def test_memory_is_what_the_docstring_says(name):
    call, least, most = RUNS[name]
    out = alone(
        PRELUDE
        + GROWTH
        + f"""
given = net(4, {T}, {B}, {I}, {H})
ends = rng.integers(1, {T} + 1, {B})
tape = recurrent.lstm(*given, return_tape=True, n_jobs=2)[-1] if "tape" in {call!r} else None
fit()
print(growth(lambda: {call}))
"""
    )
    bound = most + (4 << 20)
    assert int(out) <= bound, f"{int(out) / 2**20:.1f} MiB, allowed are {bound / 2**20:.1f} MiB"
    assert int(out) >= least, "the result itself was not seen: the measurement is wrong"


@on_linux
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("sizes", [(300_000, 1, 8, 64), (600, 32, 32, 512)], ids=str)
def test_memory_where_threads_share_units_is_what_the_docstring_says(sizes, keep):
    steps, batch, inputs, units = sizes
    out = alone(
        PRELUDE
        + GROWTH
        + f"""
given = net(4, {steps}, {batch}, {inputs}, {units})
fit()
print(growth(lambda: recurrent.lstm(*given, return_tape={keep}, n_jobs=2)))
"""
    )
    arrays = 6 if keep else 1
    result = arrays * 4 * steps * batch * units
    weights = 4 * 4 * units * (inputs + units)
    of_threads = 2 * (arrays * 16 * steps * batch + 8 * steps + max(1 << 20, 12 * 4 * batch * units))
    bound = result + weights + of_threads + (4 << 20)
    assert int(out) <= bound, f"{int(out) / 2**20:.1f} MiB, allowed are {bound / 2**20:.1f} MiB"
    assert int(out) >= result, "the result itself was not seen: the measurement is wrong"


# Memory of the estimators: what their Notes say for each place of a batch, each unit, and so on. One thread:
# what others take from the allocator, and when, differs from run to run.

ESTIMATORS = """
import numpy as np
from diptych import CharacterModel, SlotTagger
rng = np.random.default_rng(0)
def some(names, n):
    return [names[i] for i in rng.integers(0, len(names), n)]
def tagger(given):
    sizes = {"hidden_size": H, "embedding_dim": E, "batch_size": B, "epochs": 1, "validation_share": 0}
    return SlotTagger(**sizes, random_state=0, n_jobs=1).fit(*given)
def requests(lengths):
    tags = ["O", *(f"B-{i}" for i in range(1, K))]
    return [some(["rome", "oslo"], n) for n in lengths], [tags + some(tags, n - K) for n in lengths]
def reader(text):
    sizes = {"hidden_size": H, "embedding_dim": E, "batch_size": B, "sequence_length": T, "epochs": 1}
    return CharacterModel(**sizes, random_state=0, n_jobs=1).fit(text)
def text_of(n):
    characters = list(map(chr, range(0x4E00, 0x4E00 + K)))
    return "".join(characters + some(characters, n - K))
"""
MIB = 1 << 20
WHERE = {  # what is called, what is made before, sizes, bytes that the Notes allow
    "SlotTagger.fit": (
        "tagger(given)",
        "given = requests([T] * (2 * B)); tagger(requests([T]))",
        {"H": 64, "E": 32, "K": 20, "B": 8, "T": 500},
        lambda H, E, K, B, T: B * T * (48 * 2 * H + 26 * E + 13 * K) + 2 * B * T * 40,
    ),
    "SlotTagger.fit, one long sentence": (
        "tagger(given)",
        "given = requests([20] * 63 + [T]); tagger(requests([T // 9]))",
        {"H": 32, "E": 16, "K": 4, "B": 32, "T": 5000},
        lambda H, E, K, B, T: T * (48 * 2 * H + 26 * E + 13 * K) + 40 * T,
    ),
    "SlotTagger.predict, one long sentence": (
        "model.predict(given)",
        "given = requests([20] * 63 + [T])[0]; model = tagger(requests([50])); model.predict(given[:9])",
        {"H": 128, "E": 16, "K": 16, "B": 32, "T": 5000},
        lambda H, E, K, B, T: T * (6 * 2 * H + 4 * E + 16 * K) + 24 * T,
    ),
    "CharacterModel.fit, many units": (
        "reader(given)",
        "given = text_of(3 * B * T); reader(text_of(99))",
        {"H": 256, "E": 64, "K": 60, "B": 32, "T": 64},
        lambda H, E, K, B, T: 24 * (4 * H * (H + E + 2) + K * (H + E)) + B * T * (48 * H + 13 * (E + K)),
    ),
    "CharacterModel.fit, many characters": (
        "reader(given)",
        "given = text_of(3 * B * T); reader(given[:99])",
        {"H": 32, "E": 16, "K": 3000, "B": 32, "T": 64},
        lambda H, E, K, B, T: 24 * K * (H + E) + B * T * (48 * H + 13 * (E + K)),
    ),
    "CharacterModel.fit, a long text": (
        "reader(given)",
        "given = text_of(1_000_000); reader(given[:99])",
        {"H": 4, "E": 4, "K": 60, "B": 100, "T": 20},
        lambda H, E, K, B, T: 20 * 1_000_000 + B * T * (48 * H + 13 * (E + K)),
    ),
    "CharacterModel.cross_entropy, many characters": (
        "model.cross_entropy(given)",
        "given = text_of(40_000); model = reader(given[: K + 99]); model.cross_entropy(given[:99])",
        {"H": 32, "E": 16, "K": 3000, "B": 32, "T": 64},
        lambda H, E, K, B, T: 24 * 40_000 + 12 * (2**20 // K) * (H + E + K),
    ),
}


@on_linux
@pytest.mark.parametrize("name", WHERE)
def test_memory_of_estimators_is_what_their_notes_say(name):
    call, made, sizes, allowed = WHERE[name]
    set_up = "; ".join(f"{letter} = {size}" for letter, size in sizes.items())
    out = alone(f"{ESTIMATORS}\n{GROWTH}\n{set_up}\n{made}\nprint(growth(lambda: {call}))")
    most = allowed(**sizes)
    assert most > 8 * MIB, "too little to be seen"
    assert int(out) <= most + 4 * MIB, f"{int(out) / MIB:.1f} MiB, allowed are {most / MIB:.1f} MiB"
    assert int(out) >= most / 2, f"{int(out) / MIB:.1f} MiB: the Notes say {most / MIB:.1f} MiB"


# Ctrl-C

LONG = {
    "a long sequence": ("recurrent.lstm(*given, n_jobs=2)", "4, 1_500_000, 1, 16, 64"),
    "a large batch": ("recurrent.lstm(*given, n_jobs=2)", "4, 30, 2000, 256, 700"),
    "a plain net": ("recurrent.rnn(*given, n_jobs=2)", "1, 1_500_000, 2, 64, 128"),
    "threads that share units": ("recurrent.lstm(*given, n_jobs=2)", "4, 300_000, 1, 64, 128"),
    "and those of many rows": ("recurrent.lstm(*given, n_jobs=2)", "4, 600, 32, 512, 1024"),
    "a step of many rows": ("recurrent.lstm_step(given[0][0], *given[1:])", "4, 1, 24_000, 1024, 1024"),
    "a step of a network": ("layer[0].step(layer[1])", ""),
    "back": ("recurrent.lstm_backward(tape, tape.h, n_jobs=2)", ""),
    "terms of an LSTM": ("recurrent.lstm_memory_terms(long)", ""),
    "terms of a linear net": ("recurrent.rnn_memory_terms(linear)", ""),
    "norms of large matrices": ("recurrent.state_jacobian_norms(wide)", ""),
    "norms of many matrices": ("recurrent.state_jacobian_norms(linear)", ""),
}
GIVEN = {  # what is made before the clock starts
    "given": "net({sizes})",
    "layer": "nn.LSTM(1024, 1024, rng=0), rng.random((24_000, 1024), dtype=np.float32)",
    "long": "tape_of(150_000_000)",
    "tape": "recurrent.lstm(*net(4, 60, 500, 256, 500), return_tape=True, n_jobs=2)[-1]",
    "wide": "recurrent.lstm(*net(4, 3, 2, 64, 1500), return_tape=True, n_jobs=2)[-1]",
    "linear": "recurrent.rnn(*net(1, 4000, 4, 64, 128), nonlinearity='identity', return_tape=True)[-1]",
}


@with_signals
@pytest.mark.parametrize("call", ["net(x)", "net.step(x[0])"])
def test_what_a_signal_handler_raises_comes_through(call):
    """Whatever it is: a quick way that is refused, and a slow one, are told apart by other means."""
    alone(
        PRELUDE
        + f"""
net = nn.LSTM(512, 1024, n_jobs=1, rng=0)
x = np.ones((2, 20_000, 512), np.float32)
net.step(x[0, :1])
def refuse(*_):
    raise ValueError("time is up")
signal.signal(signal.SIGALRM, refuse)
signal.setitimer(signal.ITIMER_REAL, 0.1)
try:
    {call}
except ValueError as error:
    assert str(error) == "time is up"
else:
    raise AssertionError("nothing came through")
"""
    )


@with_signals
@pytest.mark.parametrize("name", LONG)
def test_ctrl_c_stops_within_half_a_second(name):
    call, sizes = LONG[name]
    made = next(key for key in GIVEN if key in call)
    out = alone(
        PRELUDE
        + INTERRUPTED
        + f"""
fit()  # what a first call imports and starts is none of the kernel's
{made} = {GIVEN[made].format(sizes=sizes)}
print(interrupted(lambda: {call}, after=0.2))
"""
    )
    assert float(out) < 0.5


@with_fork
def test_a_forked_child_has_threads_of_its_own():
    out = alone(
        PRELUDE.replace("def fit():", "def fit():\n    rng.bit_generator.state = start")
        + "start = rng.bit_generator.state\n"
        + FORKED
        + """
first = fit()
print(in_child(lambda: all(map(np.array_equal, fit(), first))))
"""
    )
    assert int(out) == 0


def test_progress_is_reported():
    out = alone(
        PRELUDE
        + """
from diptych._progress import reporting
seen = []
with reporting(lambda done, total: seen.append((done, total))):
    recurrent.lstm(*net(4, 4000, 32, 256, 256), lengths=[4000] * 16 + [1000] * 16, n_jobs=2)
assert len(seen) > 1, "the input is too small to report anything"
known = {total for _, total in seen if total}
print(known == {80_000}, all(a <= b for (a, _), (b, _) in zip(seen, seen[1:])))
"""
    )
    assert out.split() == ["True", "True"]
