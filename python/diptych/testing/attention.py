"""The laws of attention, and of its way back."""

# ruff: noqa: D401 -- the docstring of a law is what the law says

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import numpy as np

from diptych.testing import _attention_cases as make
from diptych.testing._attention_backward import SCALED_DOT_PRODUCT_ATTENTION_BACKWARD
from diptych.testing._call import LawBroken
from diptych.testing._engine import Case, Family, Subject, examples

__all__ = ["SCALED_DOT_PRODUCT_ATTENTION", "SCALED_DOT_PRODUCT_ATTENTION_BACKWARD"]

SCALED_DOT_PRODUCT_ATTENTION = Family(
    "attention.scaled_dot_product_attention",
    positional=("query", "key", "value"),
    required=(),
    smaller=make.SMALLER,
)
_law = SCALED_DOT_PRODUCT_ATTENTION.law


@_law(
    examples(
        {
            "query": np.zeros((1, 1)),
            "key": np.array([[1.0], [2.0]]),
            "value": np.array([[1.0], [3.0]]),
        },
        {
            "query": np.array([[np.log(3.0)]]),
            "key": np.array([[1.0], [0.0]]),
            "value": np.array([[4.0], [0.0]]),
        },
    )
)
def two_keys_by_hand(subject: Subject, case: Case) -> None:
    """A query of 0 takes the mean of two values; scores of log 3 and 0 weigh them 3 to 1."""
    expected = 2.0 if case["query"].item() == 0 else 3.0
    make.compare("output", make.output(subject, case), np.array([[expected]]))


@_law(make.given())
def follows_its_formula(subject: Subject, case: Case) -> None:
    """The output is softmax(query · keyᵀ / √d) · value, the softmax over the keys of each query."""
    make.obey(subject, case)


def _wide(random: Random) -> Iterator[Case]:
    for d in (4, 9, 16):
        yield {
            "query": np.eye(1, d),
            "key": np.array([[1.0], [0.0]]) * np.eye(1, d) * np.sqrt(d) * np.log(3.0),
            "value": np.array([[4.0], [0.0]]),
        }


@_law(_wide)
def scores_are_divided_by_the_root_of_d(subject: Subject, case: Case) -> None:
    """A product of √d · log 3 with d features is a score of log 3."""
    make.compare("output", make.output(subject, case), np.array([[3.0]]))


@_law(make.given())
def equal_values_come_out(subject: Subject, case: Case) -> None:
    """Weights sum to one: where all values are alike, they are the output."""
    alike = case | {"value": np.broadcast_to(case["value"][..., :1, :], case["value"].shape).copy()}
    shape = (*case["query"].shape[:-1], case["value"].shape[-1])
    make.compare("output", make.output(subject, alike), np.broadcast_to(alike["value"][..., :1, :], shape))


@_law(make.at_least(make.given(), keys=2))
def keys_move_with_their_values(subject: Subject, case: Case) -> None:
    """Another order of the keys, their values with them, changes nothing."""
    turned = case | {name: np.roll(case[name], 1, axis=-2) for name in ("key", "value")}
    make.compare("output", make.output(subject, turned), make.output(subject, case))


@_law(make.at_least(make.given(), queries=2))
def tokens_move_with_what_they_get(subject: Subject, case: Case) -> None:
    """Tokens that attend to each other have no positions: in another order each gets what it got."""

    def among(tokens: make.Array) -> make.Array:
        return make.output(subject, case | dict.fromkeys(("query", "key", "value"), tokens))

    turned = np.roll(case["query"], 1, axis=-2)
    make.compare("output", among(turned), np.roll(among(case["query"]), 1, axis=-2))


@_law(make.at_least(make.given(), queries=2))
def a_query_is_on_its_own(subject: Subject, case: Case) -> None:
    """Each query gives what it gives alone."""
    got = make.output(subject, case)
    for i in range(case["query"].shape[-2]):
        alone = make.output(subject, case | {"query": case["query"][..., [i], :]})
        make.compare(f"query {i}: output", got[..., [i], :], alone)


@_law(make.given(lead=2))
def a_head_is_on_its_own(subject: Subject, case: Case) -> None:
    """Under any axes before, each head gives what it gives alone."""
    got = make.output(subject, case)
    for head in np.ndindex(*case["query"].shape[:-2]):
        alone = {name: case[name][head] for name in ("query", "key", "value")}
        make.compare(f"head {list(head)}: output", got[head], make.output(subject, case | alone))


@_law(make.given(size=1e4))
def nothing_overflows(subject: Subject, case: Case) -> None:
    """Scores in the thousands give what the formula gives."""
    make.obey(subject, case)


@_law(make.at_least(make.given(), queries=2))
def nan_stays_where_it_is_seen(subject: Subject, case: Case) -> None:
    """NaN in a query makes its own output NaN and no other; NaN in a value makes that column NaN."""
    first = case["query"].copy()
    first[..., 0, 0] = np.nan
    expected = make.output(subject, case)
    expected[..., 0, :] = np.nan
    _same(make.output(subject, case | {"query": first}), expected)
    values = case["value"].copy()
    values[..., -1, 0] = np.nan
    expected = make.output(subject, case)
    expected[..., 0] = np.nan
    _same(make.output(subject, case | {"value": values}), expected)


def _same(got: make.Array, expected: make.Array) -> None:
    if (np.isnan(got) != np.isnan(expected)).any():
        raise LawBroken(f"NaN is at {np.argwhere(np.isnan(got)).tolist()}")
    make.compare("output", np.nan_to_num(got), np.nan_to_num(expected))


# Masks --------------------------------------------------------------------------------------------

_MASK = ("attn_mask",)


@_law(make.masked(make.given(), "boolean"), needs=_MASK)
def true_takes_part(subject: Subject, case: Case) -> None:
    """A query sees the keys where a boolean mask is True, which may have fewer axes or entries for all."""
    make.obey(subject, case)


@_law(make.masked(make.given(), "additive"), admits=make.admitted, needs=_MASK)
def numbers_are_added_to_scores(subject: Subject, case: Case) -> None:
    """A mask of numbers is added to the scores, and -inf hides a key."""
    make.obey(subject, case)


@_law(make.given(attn_mask=np.zeros((1, 1), bool)), needs=_MASK)
def who_sees_nothing_gets_zeros(subject: Subject, case: Case) -> None:
    """Where a mask hides every key, the output is 0."""
    found = make.output(subject, case)
    if found.any():
        raise LawBroken(f"the output is {found.tolist()}")


def _hidden(random: Random) -> Iterator[Case]:
    for case in make.at_least(make.given(), keys=2)(random):
        S = case["key"].shape[-2]
        part = np.arange(S) > random.randrange(S - 1)
        additive = random.random() < 0.5
        yield case | {"attn_mask": np.where(part, 0.0, -np.inf) if additive else part}


def _hides_the_first(case: Case) -> bool:
    mask = case["attn_mask"]
    part = mask if mask.dtype == bool else np.isfinite(mask)
    return mask.ndim == 1 and not part[0] and bool(part.any())


@_law(_hidden, admits=_hides_the_first, needs=_MASK)
def what_is_hidden_does_not_matter(subject: Subject, case: Case) -> None:
    """NaN in a key and its value that no query sees changes nothing."""
    spoilt = {name: case[name].copy() for name in ("key", "value")}
    for array in spoilt.values():
        array[..., 0, :] = np.nan
    make.compare("output", make.output(subject, case | spoilt), make.output(subject, case))


# Causality ----------------------------------------------------------------------------------------


@_law(make.given(is_causal=True), needs=("is_causal",))
def query_i_sees_keys_up_to_i(subject: Subject, case: Case) -> None:
    """With is_causal query i sees the keys j <= i, counted from the first of each."""
    make.obey(subject, case)


@_law(make.at_least(make.given(is_causal=True), queries=2, keys=2), needs=("is_causal",))
def the_future_does_not_matter(subject: Subject, case: Case) -> None:
    """With is_causal NaN in the last key and its value changes no query before."""
    last = min(case["query"].shape[-2], case["key"].shape[-2]) - 1
    spoilt = {name: case[name].copy() for name in ("key", "value")}
    for array in spoilt.values():
        array[..., last:, :] = np.nan
    got, expected = make.output(subject, case | spoilt), make.output(subject, case)
    make.compare("output", got[..., :last, :], expected[..., :last, :])


@_law(
    make.masked(make.given(is_causal=True), "boolean", "additive"),
    admits=make.admitted,
    needs=("attn_mask", "is_causal"),
)
def a_key_must_be_seen_by_both(subject: Subject, case: Case) -> None:
    """With a mask and is_causal a query sees what both let it see."""
    make.obey(subject, case)


# Options ------------------------------------------------------------------------------------------


@_law(make.with_scales(make.given()), needs=("scale",))
def takes_another_scale(subject: Subject, case: Case) -> None:
    """With scale, products are multiplied by that instead."""
    make.obey(subject, case)


@_law(make.grouped, needs=("enable_gqa",))
def a_head_of_keys_serves_several_in_a_row(subject: Subject, case: Case) -> None:
    """With enable_gqa the first heads of queries share the first head of keys, the next the next."""
    make.obey(subject, case)


@_law(
    make.masked(make.given(), "boolean", "additive"),
    admits=make.admitted,
    needs=("attn_mask", "return_weights"),
)
def weights_make_the_output(subject: Subject, case: Case) -> None:
    """With return_weights weights come second: they sum to one or zero; times value they are the output."""
    output, weights = make.both(subject, case)
    sums = weights.sum(axis=-1)
    if not np.logical_or(abs(sums - 1) < make.CLOSE, sums == 0).all() or (weights < 0).any():
        raise LawBroken(f"the weights are {weights.tolist()}")
    make.compare("output", output, weights @ case["value"])
    make.compare("output", output, make.output(subject, case))


def _is_float32(case: Case) -> bool:
    return bool(case["query"].dtype == np.float32)


@_law(make.in_float32(make.given()), admits=_is_float32, strict=True)
def float32_stays_float32(subject: Subject, case: Case) -> None:
    """Arguments of float32 give an output of float32."""
    found = make.output(subject, case)
    if found.dtype != np.float32:
        raise LawBroken(f"the output is {found.dtype}")
