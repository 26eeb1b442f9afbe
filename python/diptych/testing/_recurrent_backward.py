"""The laws of the way back through time."""

# ruff: noqa: D401 -- the docstring of a law is what the law says

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from diptych.testing import _recurrent_cases as make
from diptych.testing import _recurrent_definition as definition
from diptych.testing._call import LawBroken
from diptych.testing._engine import Case, Family, Subject, examples

_ARGUMENTS = {
    "rnn": ("x", "h0", "w_ih", "w_hh", "b_ih", "b_hh"),
    "lstm": ("x", "h0", "c0", "w_ih", "w_hh", "b_ih", "b_hh"),
}


def _nothing_smaller(case: Case) -> Iterator[Case]:
    """Yield nothing: the parts of a tape hang together, and the first cases are small."""
    return iter(())


def _family(name: str) -> Family:
    return Family(f"recurrent.{name}", positional=("tape", "dy"), required=(), smaller=_nothing_smaller)


RNN_BACKWARD, LSTM_BACKWARD = _family("rnn_backward"), _family("lstm_backward")


def _back(subject: Subject, case: Case) -> dict[str, Any]:
    """Go back with the subject; biases that are not there may have any gradient."""
    tape = case["tape"]
    names = _ARGUMENTS["lstm" if hasattr(tape, "gates") else "rnn"]
    try:
        found = list(subject(case))
    except TypeError:
        found = []
    if len(found) != len(names):
        raise LawBroken(f"expected {len(names)} derivatives: by {', '.join(names)}; got {len(found)}")
    there = [name for name in names if getattr(tape, name) is not None]
    shapes = tuple(getattr(tape, name).shape for name in there)
    known = [part for name, part in zip(names, found, strict=True) if name in there]
    return dict(zip(there, make.parts(known, tuple(f"d{name}" for name in there), shapes), strict=True))


def _obey(subject: Subject, case: Case) -> None:
    tape = case["tape"]
    last = [np.zeros_like(tape.h0) if case.get(key) is None else case[key] for key in ("dh", "dc")]
    expected = definition.loss_gradients(definition.sequence(tape), (case["dy"], *last))
    got = _back(subject, case)
    names = tuple(got)
    make.compare(
        tuple(f"d{name}" for name in names), [got[n] for n in names], [expected[n] for n in names], 1e-8
    )


_ONE = np.ones((1, 1))


@RNN_BACKWARD.law(
    examples(
        {
            "tape": definition.tape(
                {
                    "x": np.ones((3, 1, 1)),
                    "h0": 0 * _ONE,
                    "w_ih": 0.3 * _ONE,
                    "w_hh": 0.5 * _ONE,
                    "nonlinearity": "identity",
                }
            ),
            "dy": np.array([0.0, 0.0, 1.0]).reshape(3, 1, 1),
        }
    )
)
def by_hand_three_steps(subject: Subject, case: Case) -> None:
    """For h_t = 0.3 x_t + 0.5 h_{t−1} and x = 1, 1, 1, h_3 grows by 1.75 per w_ih and by 0.6 per w_hh."""
    got = _back(subject, case)
    expected = {
        "x": 0.3 * np.array([0.25, 0.5, 1]).reshape(3, 1, 1),
        "h0": 0.125 * _ONE,
        "w_ih": 1.75 * _ONE,
        "w_hh": 0.6 * _ONE,
    }
    make.compare(tuple(f"d{n}" for n in expected), [got[n] for n in expected], list(expected.values()))


def gradients_are_derivatives_of_the_loss(subject: Subject, case: Case) -> None:
    """Each entry is the change of Σ dy · y per change of that entry alone."""
    _obey(subject, case)


def both_biases_have_the_gradient_of_the_sums(subject: Subject, case: Case) -> None:
    """The derivatives by b_ih and b_hh are equal, and are those of the loss."""
    _obey(subject, case)


def the_last_state_has_its_share(subject: Subject, case: Case) -> None:
    """dh, and dc of an LSTM, add Σ dh · h and Σ dc · c of the last states to the loss."""
    _obey(subject, case)


def gradients_end_where_sequences_end(subject: Subject, case: Case) -> None:
    """With lengths, inputs after the end of a sequence have the derivative 0; dy there counts for nothing."""
    _obey(subject, case)


def padding_is_not_read_on_the_way_back(subject: Subject, case: Case) -> None:
    """NaN in x and dy after the end of a sequence changes nothing."""
    _obey(subject, case)


def reverse_goes_back_the_other_way(subject: Subject, case: Case) -> None:
    """In reverse the derivatives come from x[0] to x[T − 1], each sequence from its own end."""
    _obey(subject, case)


for _name, _laws in (("rnn", RNN_BACKWARD), ("lstm", LSTM_BACKWARD)):
    _given, _tapes, _needs = make.sequences_of, make.tapes_of, ("tape",)
    _laws.law(_tapes(_given(_name)))(gradients_are_derivatives_of_the_loss)
    _laws.law(_tapes(_given(_name, biases=True)))(both_biases_have_the_gradient_of_the_sums)
    _laws.law(_tapes(_given(_name), last=True), needs=("dh",))(the_last_state_has_its_share)
    _uneven = _given(_name, lengths=True, at_least=2)
    _laws.law(_tapes(_uneven, last=True), needs=("dh",))(gradients_end_where_sequences_end)
    _spoilt = _tapes(make.with_spoilt_padding(_uneven), spoilt=True)
    _laws.law(_spoilt, needs=_needs)(padding_is_not_read_on_the_way_back)
    _laws.law(_tapes(_given(_name, lengths=True, at_least=2, reverse=True)), needs=_needs)(
        reverse_goes_back_the_other_way
    )


@RNN_BACKWARD.law(make.tapes_of(make.with_nonlinearities(make.sequences_of("rnn"))), needs=("tape",))
def each_nonlinearity_has_its_slope(subject: Subject, case: Case) -> None:
    """The slope of relu is 1 where the state is above 0, else 0; that of the identity is 1."""
    _obey(subject, case)
