"""The laws of recurrent nets: one step, and whole sequences; those of the way back and of memory beside them.

Each law is one statement that is entered for the RNN and for the LSTM.
"""

# ruff: noqa: D401 -- the docstring of a law is what the law says

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import numpy as np

from diptych.testing import _recurrent_cases as make
from diptych.testing._call import LawBroken
from diptych.testing._engine import Case, Family, Subject, copied, examples
from diptych.testing._recurrent_backward import LSTM_BACKWARD, RNN_BACKWARD
from diptych.testing._recurrent_memory import LSTM_MEMORY_TERMS, RNN_MEMORY_TERMS, STATE_JACOBIAN_NORMS

__all__ = [
    "LSTM",
    "LSTM_BACKWARD",
    "LSTM_MEMORY_TERMS",
    "LSTM_STEP",
    "RNN",
    "RNN_BACKWARD",
    "RNN_MEMORY_TERMS",
    "RNN_STEP",
    "STATE_JACOBIAN_NORMS",
]

RNN_STEP, LSTM_STEP = make.step_family("rnn"), make.step_family("lstm")
RNN, LSTM = make.sequence_family("rnn"), make.sequence_family("lstm")
_STEPS: tuple[tuple[str, Family], ...] = (("rnn", RNN_STEP), ("lstm", LSTM_STEP))
_SEQUENCES: tuple[tuple[str, Family], ...] = (("rnn", RNN), ("lstm", LSTM))


# One step -----------------------------------------------------------------------------------------


@RNN_STEP.law(
    examples(
        {
            "x": np.ones((1, 1)),
            "h": np.zeros((1, 1)),
            "w_ih": np.full((1, 1), 0.3),
            "w_hh": np.full((1, 1), 0.5),
        },
        {
            "x": np.array([[1.0, 0.0]]),
            "h": np.array([[1.0, 0.0]]),
            "w_ih": np.array([[0.1, 0.2], [0.3, 0.4]]),
            "w_hh": np.array([[0.5, 0.6], [0.7, 0.8]]),
        },
    )
)
def a_row_of_weights_makes_a_unit(subject: Subject, case: Case) -> None:
    """Unit k is tanh of row k of w_ih times x, plus row k of w_hh times h."""
    make.obey(subject, case)


@LSTM_STEP.law(
    examples(
        *(
            {
                "x": np.ones((1, 1)),
                "h": np.full((1, 1), 0.5),
                "c": np.full((1, 1), 0.25),
                "w_ih": np.array([[float(gate == k)] for gate in range(4)]) * 3,
                "w_hh": np.zeros((4, 1)),
            }
            for k in range(4)
        )
    )
)
def the_gates_stand_in_the_order_i_f_g_o(subject: Subject, case: Case) -> None:
    """The first H rows of the weights let in, the next keep, the next are what is written, the last show."""
    make.obey(subject, case)


def _bits(random: Random) -> Iterator[Case]:
    for case in make.steps_of("lstm", biases=True)(random):
        H = case["h"].shape[1]
        shut = np.concatenate([np.full(H, -make.HUGE), np.full(H, make.HUGE), np.zeros(2 * H)])
        yield case | {"b_ih": shut, "b_hh": np.zeros(4 * H)}


@LSTM_STEP.law(_bits, needs=("b_ih", "b_hh"))
def forget_1_and_input_0_keep_the_memory(subject: Subject, case: Case) -> None:
    """Where f is 1 and i is 0, the new c is the old c, exactly."""
    _, c = make.step(subject, case)
    if not np.array_equal(c, case["c"]):
        raise LawBroken(f"c is {c.tolist()}, was {case['c'].tolist()}")


def follows_its_formula(subject: Subject, case: Case) -> None:
    """The new state is what the equations make of x and the old one."""
    make.obey(subject, case)


def adds_both_biases(subject: Subject, case: Case) -> None:
    """b_ih and b_hh are added to the sums."""
    make.obey(subject, case)


def added_and_concatenated_are_one_map(subject: Subject, case: Case) -> None:
    """W x + U h is [W, U] times [x, h]: the state may come in as more inputs, beside a state of 0."""
    joined = case | {
        "x": np.hstack([case["x"], case["h"]]),
        "h": np.zeros_like(case["h"]),
        "w_ih": np.hstack([case["w_ih"], case["w_hh"]]),
        "w_hh": np.zeros_like(case["w_hh"]),
    }
    got, expected = make.step(subject, case), make.step(subject, joined)
    make.compare(("h", "c")[: len(got)], got, expected)


def a_row_is_on_its_own(subject: Subject, case: Case) -> None:
    """Each row of a batch gives what it gives alone."""
    got = make.step(subject, case)
    states = [key for key in ("x", "h", "c") if key in case]
    for row in range(len(case["x"])):
        alone = make.step(subject, case | {key: case[key][[row]] for key in states})
        make.compare(
            tuple(f"row {row}: {n}" for n in ("h", "c")[: len(got)]), [part[[row]] for part in got], alone
        )


def nothing_overflows(subject: Subject, case: Case) -> None:
    """Inputs may be so great that their exponentials are not; h stays within ±1, and c grows by at most 1."""
    h, *rest = make.step(subject, case)
    if not (np.abs(h) <= 1).all():
        raise LawBroken(f"h is {h.tolist()}")
    if rest and not (np.abs(rest[0]) <= np.abs(case["c"]) + 1).all():
        raise LawBroken(f"c is {rest[0].tolist()}, was {case['c'].tolist()}")


def the_arguments_are_left_alone(subject: Subject, case: Case) -> None:
    """The function writes into none of its arrays."""
    given = {name: copied(value) for name, value in case.items()}
    subject.on(given, case)
    for name, value in given.items():
        if isinstance(value, np.ndarray) and not np.array_equal(value, case[name]):
            raise LawBroken(f"{name} was changed to {value.tolist()}")


def float32_stays_float32(subject: Subject, case: Case) -> None:
    """What comes in float32 goes out in float32."""
    found = make.step(subject, case) if case["x"].ndim == 2 else make.read(subject, case)
    if any(part.dtype != np.float32 for part in found):
        raise LawBroken(f"got {', '.join(str(part.dtype) for part in found)}")


def _is_float32(case: Case) -> bool:
    return make.admitted(case) and all(
        value.dtype == np.float32
        for key, value in case.items()
        if isinstance(value, np.ndarray) and key != "lengths"
    )


for _name, _family in _STEPS:
    _family.law(make.steps_of(_name))(follows_its_formula)
    _family.law(make.steps_of(_name, biases=True), needs=("b_ih", "b_hh"))(adds_both_biases)
    _family.law(make.steps_of(_name))(added_and_concatenated_are_one_map)
    _family.law(make.steps_of(_name))(a_row_is_on_its_own)
    _family.law(make.steps_of(_name, scale=make.HUGE))(nothing_overflows)
    _family.law(make.steps_of(_name))(the_arguments_are_left_alone)
    _family.law(make.in_float32(make.steps_of(_name)), admits=_is_float32, strict=True)(float32_stays_float32)


def takes_another_nonlinearity(subject: Subject, case: Case) -> None:
    """nonlinearity="relu" takes the greater of the sum and 0, "identity" the sum as it is."""
    make.obey(subject, case)


RNN_STEP.law(make.with_nonlinearities(make.steps_of("rnn")), needs=("nonlinearity",))(
    takes_another_nonlinearity
)


# Whole sequences ----------------------------------------------------------------------------------


def a_step_follows_a_step(subject: Subject, case: Case) -> None:
    """The state after step t is what a step makes of x[t] and the state before; y[t] is that state."""
    make.obey(subject, case)


def the_whole_is_its_parts(subject: Subject, case: Case) -> None:
    """Reading on from the last state of a first part is reading the whole."""
    whole = make.read(subject, case)
    states = [key for key in ("h0", "c0") if key in case]
    for cut in range(1, len(case["x"])):
        first = make.read(subject, case | {"x": case["x"][:cut]})
        begun = dict(zip(states, first[1:], strict=True))
        rest = make.read(subject, case | begun | {"x": case["x"][cut:]})
        names = ("y", "h", "c")[: len(whole)]
        make.compare(names, (np.concatenate([first[0], rest[0]]), *rest[1:]), whole)


def the_order_of_inputs_matters(subject: Subject, case: Case) -> None:
    """Another order of the earlier inputs leads to another last state."""
    x = case["x"]
    swapped = make.read(subject, case | {"x": np.concatenate([x[-2::-1], x[-1:]])})
    if np.abs(swapped[1] - make.read(subject, case)[1]).max() < 1e-12:
        raise LawBroken(f"h is {swapped[1].tolist()} either way")


def _uneven(name: str) -> make.Cases:
    """Return cases in which the first inputs read forwards and backwards differ."""

    def cases(random: Random) -> Iterator[Case]:
        for case in make.sequences_of(name, at_least=3)(random):
            T = len(case["x"])
            x = np.linspace(-1, 1, T)[:, None, None] + np.zeros_like(case["x"])
            yield case | {
                "x": x,
                "h0": np.zeros_like(case["h0"]),
                "w_ih": np.clip(np.abs(case["w_ih"]), 0.1, 1),
                "w_hh": np.clip(np.abs(case["w_hh"]), 0.1, 0.5),
            }

    return cases


def _is_uneven(case: Case) -> bool:
    x = case["x"]
    steps = len(x) >= 3 and bool((np.diff(x[:, 0], axis=0) > 0.1).all())
    return steps and all(bool((case[key] > 0.05).all() and (case[key] < 2).all()) for key in ("w_ih", "w_hh"))


def each_sequence_ends_at_its_own_end(subject: Subject, case: Case) -> None:
    """With lengths, y is 0 after the end of a sequence, and its last state is the state at its end."""
    make.obey(subject, case)


def what_follows_the_end_is_not_read(subject: Subject, case: Case) -> None:
    """NaN after the end of a sequence changes nothing."""
    make.obey(subject, case)


def reverse_reads_from_the_end(subject: Subject, case: Case) -> None:
    """With reverse, the last input is read first, and y[t] still belongs to x[t]."""
    make.obey(subject, case)


def each_sequence_reverses_at_its_own_end(subject: Subject, case: Case) -> None:
    """With lengths and reverse, each sequence begins with the last input it has."""
    make.obey(subject, case)


def a_sequence_is_on_its_own(subject: Subject, case: Case) -> None:
    """Each sequence of a batch gives what it gives alone."""
    got = make.read(subject, case)
    states = [key for key in ("h0", "c0") if key in case]
    for row in range(case["x"].shape[1]):
        alone = case | {"x": case["x"][:, [row]]} | {key: case[key][[row]] for key in states}
        names = tuple(f"sequence {row}: {name}" for name in ("y", "h", "c")[: len(got)])
        mine = (got[0][:, [row]], *(part[[row]] for part in got[1:]))
        make.compare(names, mine, make.read(subject, alone))


for _name, _family in _SEQUENCES:
    _given, _admits, _both = make.sequences_of, make.admitted, ("lengths", "reverse")
    _family.law(_given(_name))(a_step_follows_a_step)
    _family.law(_given(_name, biases=True), needs=("b_ih", "b_hh"))(adds_both_biases)
    _family.law(_given(_name, at_least=2))(the_whole_is_its_parts)
    _family.law(_uneven(_name), admits=_is_uneven)(the_order_of_inputs_matters)
    _family.law(_given(_name))(a_sequence_is_on_its_own)
    _family.law(_given(_name))(the_arguments_are_left_alone)
    _family.law(_given(_name, lengths=True), admits=_admits, needs=("lengths",))(
        each_sequence_ends_at_its_own_end
    )
    _family.law(make.with_spoilt_padding(_given(_name, lengths=True)), admits=_admits, needs=("lengths",))(
        what_follows_the_end_is_not_read
    )
    _family.law(_given(_name, at_least=2, reverse=True), needs=("reverse",))(reverse_reads_from_the_end)
    _family.law(_given(_name, lengths=True, at_least=2, reverse=True), admits=_admits, needs=_both)(
        each_sequence_reverses_at_its_own_end
    )
    _family.law(make.in_float32(_given(_name)), admits=_is_float32, strict=True)(float32_stays_float32)

RNN.law(make.with_nonlinearities(make.sequences_of("rnn")), needs=("nonlinearity",))(
    takes_another_nonlinearity
)
