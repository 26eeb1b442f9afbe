"""The laws of the way back of attention."""

# ruff: noqa: D401 -- the docstring of a law is what the law says

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import numpy as np

from diptych.testing import _attention_cases as make
from diptych.testing import _attention_definition as definition
from diptych.testing._call import LawBroken
from diptych.testing._engine import Case, Family, Subject, examples


def _nothing_smaller(case: Case) -> Iterator[Case]:
    """Yield nothing: the parts of a tape hang together, and the first cases are small."""
    return iter(())


SCALED_DOT_PRODUCT_ATTENTION_BACKWARD = Family(
    "attention.scaled_dot_product_attention_backward",
    positional=("tape", "d_output"),
    required=(),
    smaller=_nothing_smaller,
)
_law = SCALED_DOT_PRODUCT_ATTENTION_BACKWARD.law
_TAPE = ("tape",)


@_law(
    examples(
        {
            "tape": definition.tape(
                {
                    "query": np.zeros((1, 2)),
                    "key": np.eye(2),
                    "value": np.array([[1.0], [3.0]]),
                    "scale": 1.0,
                }
            ),
            "d_output": np.ones((1, 1)),
        }
    )
)
def towards_the_greater_value(subject: Subject, case: Case) -> None:
    """A query of 0 between two keys is drawn to that of the greater value; each value has a half."""
    got = make.back(subject, case)
    make.compare("d_query", got["query"], np.array([[-0.5, 0.5]]))
    make.compare("d_key", got["key"], np.zeros((2, 2)))
    make.compare("d_value", got["value"], np.array([[0.5], [0.5]]))


@_law(make.tapes(make.given()))
def gradients_are_derivatives_of_the_loss(subject: Subject, case: Case) -> None:
    """Each entry is the change of Σ d_output · output per change of that entry alone."""
    make.obey_back(subject, case)


@_law(make.tapes(make.given(lead=1), most=30))
def values_share_what_the_output_is_asked_for(subject: Subject, case: Case) -> None:
    """Weights sum to one: the derivatives by the values sum to those by the output, column by column."""
    got = make.back(subject, case)["value"].sum(axis=-2)
    make.compare("Σ d_value", got, case["d_output"].sum(axis=-2))


@_law(make.tapes(make.with_scales(make.given())), needs=_TAPE)
def the_scale_has_its_part(subject: Subject, case: Case) -> None:
    """The derivatives by query and key are multiplied by the scale."""
    make.obey_back(subject, case)


@_law(make.tapes(make.masked(make.given(), "boolean", "additive")), needs=_TAPE)
def masks_hide_on_the_way_back(subject: Subject, case: Case) -> None:
    """What a mask hides gets nothing and gives nothing; queries that see nothing get 0."""
    make.obey_back(subject, case)


@_law(make.tapes(make.given(is_causal=True)), needs=_TAPE)
def the_future_gets_nothing(subject: Subject, case: Case) -> None:
    """With is_causal key j gets nothing from queries before it."""
    make.obey_back(subject, case)


@_law(make.tapes(make.grouped), needs=_TAPE)
def heads_that_share_keys_add_up(subject: Subject, case: Case) -> None:
    """A head of keys that served several heads of queries gets the sum."""
    make.obey_back(subject, case)


def _spoilt(random: Random) -> Iterator[Case]:
    for case in make.at_least(make.given(), queries=2, keys=2)(random):
        L, S = case["query"].shape[-2], case["key"].shape[-2]
        part = np.ones((L, S), bool)
        part[0], part[:, 0] = False, False
        tape = definition.tape(case | {"attn_mask": part})
        d_output = make.normal(random, *tape.output.shape)
        arrays = {name: getattr(tape, name).copy() for name in ("query", "key", "value")}
        for array in (*arrays.values(), d_output):
            array[..., 0, :] = np.nan
        yield {"tape": tape._replace(**arrays), "d_output": d_output}


@_law(_spoilt, needs=_TAPE)
def nan_that_is_hidden_stays_hidden(subject: Subject, case: Case) -> None:
    """NaN in a key and value that nobody sees, and in a query that sees nothing, changes no derivative."""
    tape, d_output = case["tape"], case["d_output"]
    clean = {name: np.nan_to_num(getattr(tape, name)) for name in ("query", "key", "value")}
    expected = make.back(subject, {"tape": tape._replace(**clean), "d_output": np.nan_to_num(d_output)})
    for name, got in make.back(subject, case).items():
        if np.isnan(got).any():
            raise LawBroken(f"d_{name} is {got.tolist()}")
        make.compare(f"d_{name}", got, expected[name])


def _one_is_spoilt(random: Random) -> Iterator[Case]:
    for case in make.at_least(make.given(), queries=2, keys=2)(random):
        part = np.ones((case["query"].shape[-2], case["key"].shape[-2]), bool)
        part[0, 0] = False
        tape = definition.tape(case | {"attn_mask": part})
        left = {name: getattr(tape, name).copy() for name in ("query", "output", "maximum", "total")}
        for name, array in left.items():
            array[(..., 0, slice(None)) if name in ("query", "output") else (..., 0)] = np.nan
        yield {"tape": tape._replace(**left), "d_output": make.normal(random, *tape.output.shape)}


@_law(_one_is_spoilt, needs=_TAPE)
def nan_reaches_what_it_sees_alone(subject: Subject, case: Case) -> None:
    """NaN in a query changes nothing for a key that it does not see, nor for that key's value."""
    tape, d_output = case["tape"], case["d_output"]
    clean = np.nan_to_num(tape.query)
    whole = definition.tape(tape._replace(query=clean)._asdict())
    expected = make.back(subject, {"tape": whole, "d_output": d_output})
    for name, got in make.back(subject, case).items():
        place = (..., slice(1, None) if name == "query" else 0, slice(None))
        make.compare(f"d_{name} of what is not spoilt", got[place], expected[name][place])
