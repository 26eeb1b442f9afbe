"""The laws of what a step leaves in the last state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from diptych.testing import _recurrent_cases as make
from diptych.testing import _recurrent_definition as definition
from diptych.testing._call import LawBroken
from diptych.testing._engine import Case, Family, Subject, examples

Array = np.ndarray[Any, Any]


def _nothing_smaller(case: Case) -> Iterator[Case]:
    """Yield nothing: the parts of a tape hang together, and the first cases are small."""
    return iter(())


def _family(name: str) -> Family:
    return Family(f"recurrent.{name}", positional=("tape",), required=(), smaller=_nothing_smaller)


LSTM_MEMORY_TERMS, RNN_MEMORY_TERMS = _family("lstm_memory_terms"), _family("rnn_memory_terms")
STATE_JACOBIAN_NORMS = _family("state_jacobian_norms")


def _terms(subject: Subject, case: Case) -> Array:
    T, B, H = case["tape"].h.shape
    return make.parts(subject(case), ("terms",), ((T + 1, B, H),))[0]


def _last(tape: Any, name: str) -> Array:
    """Return the last states of a tape."""
    case = definition.sequence(tape)
    return np.stack([getattr(definition.run(case, row), name) for row in definition.rows(case)])


def _obey(define: Callable[[Case], Array]) -> Callable[[Subject, Case], None]:
    def obey(subject: Subject, case: Case) -> None:
        expected = define(definition.sequence(case["tape"]))
        make.compare(("terms",), (_terms(subject, case),), (expected,))

    return obey


_obey_lstm, _obey_rnn = _obey(definition.memory_terms), _obey(definition.linear_terms)


def _tapes(name: str, **options: Any) -> make.Cases:
    if name == "rnn":
        options["nonlinearity"] = "identity"
    cases = make.sequences_of(name, biases=True, **options)
    return make.tapes_of(cases, gradients=False, most=40)


# lstm_memory_terms --------------------------------------------------------------------------------


@LSTM_MEMORY_TERMS.law(_tapes("lstm"))
def terms_sum_to_the_last_cell_state(subject: Subject, case: Case) -> None:
    """Σ terms is c_T, within 4 T units in the last place of Σ |terms|, which is |c_T| where none cancel."""
    terms, c = _terms(subject, case), _last(case["tape"], "last_c")
    room = 4 * (len(terms) - 1) * np.spacing(np.abs(terms).sum(axis=0))
    wrong = ~(np.abs(terms.sum(axis=0) - c) <= room)
    if wrong.any():
        place = tuple(int(k) for k in np.argwhere(wrong)[0])
        total = terms.sum(axis=0)[place]
        raise LawBroken(f"the terms of {list(place)} sum to {total!r}, and c is {c[place]!r}")


@LSTM_MEMORY_TERMS.law(_tapes("lstm"))
def a_term_is_what_was_written_times_what_was_kept(subject: Subject, case: Case) -> None:
    """Row 1 + t is i_t g_t times each f after t; row 0 is c0 times each f."""
    _obey_lstm(subject, case)


@LSTM_MEMORY_TERMS.law(_tapes("lstm", lengths=True, at_least=2), needs=("tape",))
def memory_ends_with_its_sequence(subject: Subject, case: Case) -> None:
    """With lengths the last cell state is that at the end of each sequence; later terms are 0."""
    _obey_lstm(subject, case)


@LSTM_MEMORY_TERMS.law(_tapes("lstm", lengths=True, at_least=2, reverse=True), needs=("tape",))
def in_reverse_the_first_input_is_the_latest(subject: Subject, case: Case) -> None:
    """In reverse, what x[t] left goes through the forget gates of x[t − 1] to x[0]."""
    _obey_lstm(subject, case)


# rnn_memory_terms ---------------------------------------------------------------------------------

_ONE = np.ones((1, 1))
_HALF: Case = {"h0": 0 * _ONE, "w_ih": 0.3 * _ONE, "w_hh": 0.5 * _ONE, "nonlinearity": "identity"}


@RNN_MEMORY_TERMS.law(examples({"tape": definition.tape(_HALF | {"x": np.ones((3, 1, 1))})}))
def by_hand_three_terms(subject: Subject, case: Case) -> None:
    """For h_t = 0.3 x_t + 0.5 h_{t−1} and x = 1, 1, 1 the terms are 0, 0.075, 0.15 and 0.3."""
    expected = np.array([0, 0.075, 0.15, 0.3]).reshape(4, 1, 1)
    make.compare(("terms",), (_terms(subject, case),), (expected,))


@RNN_MEMORY_TERMS.law(_tapes("rnn"))
def terms_sum_to_the_last_state(subject: Subject, case: Case) -> None:
    """Σ terms is h_T."""
    total = _terms(subject, case).sum(axis=0)
    make.compare(("sum",), (total,), (_last(case["tape"], "last_h"),))


@RNN_MEMORY_TERMS.law(_tapes("rnn"))
def a_term_goes_through_w_hh_once_a_step(subject: Subject, case: Case) -> None:
    """Row 1 + t is w_hh ** (T − 1 − t) times the sums of x_t and the biases; row 0 is w_hh ** T times h0."""
    _obey_rnn(subject, case)


@RNN_MEMORY_TERMS.law(_tapes("rnn", lengths=True, at_least=2), needs=("tape",))
def terms_end_with_their_sequence(subject: Subject, case: Case) -> None:
    """With lengths the last state is that at the end of each sequence; later terms are 0."""
    _obey_rnn(subject, case)


@RNN_MEMORY_TERMS.law(_tapes("rnn", lengths=True, at_least=2, reverse=True), needs=("tape",))
def in_reverse_the_first_term_is_the_latest(subject: Subject, case: Case) -> None:
    """In reverse, what x[t] left goes through w_hh t times."""
    _obey_rnn(subject, case)


# state_jacobian_norms -----------------------------------------------------------------------------


def _obey_norms(subject: Subject, case: Case) -> None:
    got = make.parts(subject(case), ("norms",), (case["tape"].h.shape[:2],))
    make.compare(("norms",), got, (definition.jacobian_norms(definition.sequence(case["tape"])),))


@STATE_JACOBIAN_NORMS.law(_tapes("rnn"))
def a_linear_state_shrinks_by_powers_of_w_hh(subject: Subject, case: Case) -> None:
    """Norm t of a linear RNN is the largest singular value of w_hh ** (T − 1 − t), to 1e-12."""
    tape = case["tape"]
    got = make.parts(subject(case), ("norms",), (tape.h.shape[:2],))[0]
    T = len(got)
    for t in range(T):
        expected = np.linalg.norm(np.linalg.matrix_power(tape.w_hh, T - 1 - t), 2)
        if not (np.abs(got[t] - expected) <= 1e-12 * expected).all():
            raise LawBroken(f"norms[{t}] is {got[t].tolist()}, expected {expected!r}")


def _few(name: str, **options: Any) -> make.Cases:
    return make.tapes_of(make.sequences_of(name, **options), gradients=False)


@STATE_JACOBIAN_NORMS.law(_few("rnn", at_least=2))
def slopes_of_tanh_shrink_it(subject: Subject, case: Case) -> None:
    """Through a step of tanh goes w_hh, each row times 1 − h²."""
    _obey_norms(subject, case)


@STATE_JACOBIAN_NORMS.law(_few("lstm", at_least=2), needs=("tape",))
def a_state_of_an_lstm_goes_through_its_gates_and_memory(subject: Subject, case: Case) -> None:
    """Of an LSTM it is the derivative by the state h_t, the memory c_t held."""
    _obey_norms(subject, case)


@STATE_JACOBIAN_NORMS.law(_few("rnn", lengths=True, at_least=3), needs=("tape",))
def norms_end_with_their_sequence(subject: Subject, case: Case) -> None:
    """With lengths the last state is that at the end of each sequence; later norms are 0."""
    _obey_norms(subject, case)


@STATE_JACOBIAN_NORMS.law(_few("lstm", lengths=True, at_least=3, reverse=True), needs=("tape",))
def in_reverse_the_last_state_is_that_of_the_first_input(subject: Subject, case: Case) -> None:
    """In reverse norms grow from padding to x[0], where they are 1."""
    _obey_norms(subject, case)
