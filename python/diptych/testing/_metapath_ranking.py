"""The laws of the best k and of pairs."""

# ruff: noqa: D401 -- the docstring of a law is what the law says

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from random import Random

import numpy as np

from diptych.testing import _metapath_definition as definition
from diptych.testing._call import LawBroken
from diptych.testing._engine import Case, Subject
from diptych.testing._metapath_answers import (
    PATHSIM_PAIRS,
    PATHSIM_TOP_K,
    best,
    close,
    differ,
    enter_common_laws,
    of_pairs,
    pair_cases,
    top_cases,
)
from diptych.testing._metapath_cases import matrix

__all__ = ["PATHSIM_PAIRS", "PATHSIM_TOP_K"]

# The best k ---------------------------------------------------------------------------------------


def _worked_best(random: Random) -> Iterator[Case]:
    papers = matrix([2, 1, 0, 0], [50, 20, 0, 0], [2, 0, 1, 0], [2, 1, 0, 0], [0, 0, 1, 1])
    yield {"half_path": [papers], "k": 4}


def _expected(case: Case, x: int, include_self: bool = False) -> list[tuple[int, Fraction]]:
    row = definition.scores(case["half_path"])[x]
    return [(y, row[y]) for y in definition.ranking(row, x, include_self)[: case["k"]]]


@PATHSIM_TOP_K.law(_worked_best, shrinks=False)
def bob_is_most_like_mike(subject: Subject, case: Case) -> None:
    """The table of the paper: Bob, Mary and Jim are like Mike by 1, 0.8 and 0.0826, Ann is not at all."""
    indices, scores = best(subject, case)
    if indices[0].tolist() != [3, 2, 1, -1] or not np.allclose(scores[0], [1, 0.8, 240 / 2905, 0]):
        raise LawBroken(f"the answer is {indices[0].tolist()} with {scores[0].tolist()}")


@PATHSIM_TOP_K.law(top_cases)
def the_best_come_first(subject: Subject, case: Case) -> None:
    """Each row holds the k highest scores above 0, descending, each beside a node that has it."""
    indices, scores = best(subject, case)
    all_scores = definition.scores(case["half_path"])
    for x, row in enumerate(scores):
        for place, (_, score) in enumerate(_expected(case, x)):
            y = indices[x, place]
            if not (close(row[place], score) and 0 <= y < len(all_scores) and all_scores[x][y] == score):
                raise LawBroken(f"query {x} has node {y}, {row[place]} at place {place}: {score} is expected")


@PATHSIM_TOP_K.law(top_cases)
def ties_go_by_index(subject: Subject, case: Case) -> None:
    """Of nodes with equal scores the one with the lower number comes first."""
    indices, _ = best(subject, case)
    for x, row in enumerate(indices):
        expected = [y for y, _ in _expected(case, x)]
        if row[: len(expected)].tolist() != expected:
            raise LawBroken(f"query {x} has the nodes {row.tolist()}, expected {expected}")


@PATHSIM_TOP_K.law(top_cases)
def short_rows_are_padded(subject: Subject, case: Case) -> None:
    """Where fewer than k nodes score above 0, index -1 and score 0 follow."""
    indices, scores = best(subject, case)
    for x, row in enumerate(indices):
        n = len(_expected(case, x))
        if (row[n:] != -1).any() or scores[x, n:].any() or (row[:n] == -1).any():
            raise LawBroken(f"query {x} has {n} nodes to show, got {row.tolist()}, {scores[x].tolist()}")


@PATHSIM_TOP_K.law(top_cases, needs=("include_self",))
def a_query_is_left_out_unless_asked_for(subject: Subject, case: Case) -> None:
    """A node is not among its own answers; with include_self it is one like others."""
    for include_self in (False, True):
        indices, _ = best(subject, case | {"include_self": include_self})
        for x, row in enumerate(indices):
            expected = [y for y, _ in _expected(case, x, include_self)]
            if row[: len(expected)].tolist() != expected or (not include_self and x in row):
                raise LawBroken(f"include_self={include_self}: query {x} has {row.tolist()}, not {expected}")


@PATHSIM_TOP_K.law(top_cases, needs=("queries",))
def a_query_does_not_depend_on_others(subject: Subject, case: Case) -> None:
    """Queries in any order, twice, alone, or none: each has the answer it has among all."""
    indices, scores = best(subject, case)
    n = len(indices)
    for queries in ([n - 1, 0, n - 1], *([x] for x in range(n)), []):
        asked = np.array(queries, dtype=np.int64)
        found = best(subject, case | {"queries": asked})
        if differ([indices[asked], scores[asked]], list(found)):
            raise LawBroken(f"queries={queries} are answered by {found[0].tolist()}")


# Pairs --------------------------------------------------------------------------------------------


@PATHSIM_PAIRS.law(pair_cases)
def a_pair_scores_by_its_paths(subject: Subject, case: Case) -> None:
    """s(x, y) is 2 M_xy / (M_xx + M_yy), and 0 where there is no path."""
    found, expected = of_pairs(subject, case), definition.scores(case["half_path"])
    for x, y, score in zip(case["left"], case["right"], found, strict=True):
        if not close(score, expected[x][y]):
            raise LawBroken(f"s({x}, {y}) is {score}, expected {expected[x][y]}")


@PATHSIM_PAIRS.law(pair_cases)
def a_pair_may_be_turned_round(subject: Subject, case: Case) -> None:
    """s(x, y) = s(y, x), to the last bit."""
    turned = case | {"left": case["right"], "right": case["left"]}
    if not np.array_equal(of_pairs(subject, case), of_pairs(subject, turned)):
        raise LawBroken("scores changed when left and right changed places")


@PATHSIM_PAIRS.law(pair_cases)
def a_pair_does_not_depend_on_others(subject: Subject, case: Case) -> None:
    """Each pair alone has the score it has among others; no pairs have no scores."""
    found = of_pairs(subject, case)
    for i in range(len(found) + 1):  # the last is none
        alone = {side: case[side][i : i + 1] for side in ("left", "right")}
        if not np.array_equal(of_pairs(subject, case | alone), found[i : i + 1]):
            raise LawBroken(f"pair {i} scores {found[i : i + 1]} among others, and otherwise alone")


enter_common_laws(PATHSIM_TOP_K)
enter_common_laws(PATHSIM_PAIRS)
