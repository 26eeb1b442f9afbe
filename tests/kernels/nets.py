"""Random nets and sequences for tests, and calls that do not mind which net it is."""

import numpy as np

GATES = {"rnn": 1, "lstm": 4}


def net(name, T, B, I, H, *, seed=0, dtype=np.float64, biases="both", scale=1.0):  # noqa: E741
    """Arguments of `rnn` or `lstm`, with weights that neither vanish nor explode."""
    rng, rows = np.random.default_rng([seed, T, B, I, H]), GATES[name] * H

    def normal(*shape, scale=scale):
        return rng.normal(scale=scale, size=shape).astype(dtype)

    found = {"x": normal(T, B, I), "h0": normal(B, H, scale=0.5)}
    if name == "lstm":
        found["c0"] = normal(B, H)
    found |= {"w_ih": normal(rows, I, scale=I**-0.5), "w_hh": normal(rows, H, scale=0.8 * H**-0.5)}
    bias = {"b_ih": normal(rows, scale=0.3), "b_hh": normal(rows, scale=0.3)}
    wanted = {"both": ("b_ih", "b_hh"), "none": (), "b_ih": ("b_ih",), "b_hh": ("b_hh",)}[biases]
    return found | {key: bias[key] for key in wanted}


def read(panel, name, given, **options):
    """Return y, the last states, and the tape."""
    return getattr(panel.recurrent, name)(**given, **options, return_tape=True)


def gradients(panel, name, tape, dy, last, **options):
    """Go back; `last` are the derivatives by the last states."""
    return getattr(panel.recurrent, f"{name}_backward")(tape, dy, *last, **options)


def step(panel, name, given, t, states):
    """One step of the net on x[t]."""
    weights = {key: given[key] for key in ("w_ih", "w_hh", "b_ih", "b_hh") if key in given}
    found = getattr(panel.recurrent, f"{name}_step")(given["x"][t], *states, **weights)
    return found if isinstance(found, tuple) else (found,)


def states(given):
    """The first states of a net."""
    return tuple(given[key] for key in ("h0", "c0") if key in given)


def signals(name, given, seed=0):
    """Return derivatives by y, and by each last state."""
    rng = np.random.default_rng(seed)
    shape = (*given["x"].shape[:2], given["h0"].shape[1])
    dtype = given["x"].dtype
    return rng.normal(size=shape).astype(dtype), [
        rng.normal(size=shape[1:]).astype(dtype) for _ in range(1 + (name == "lstm"))
    ]


def widened(given):
    """The same in float64."""
    return {key: value.astype(np.float64) for key, value in given.items()}
