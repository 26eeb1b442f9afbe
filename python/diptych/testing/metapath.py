"""The laws of commuting matrices and of PathSim.

Matrices may be answered dense or sparse. Scores may be off by rounding, except where a strict law is tried.
"""

# ruff: noqa: D401 -- the docstring of a law is what the law says

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np

from diptych.testing import _metapath_definition as definition
from diptych.testing._call import LawBroken
from diptych.testing._engine import Case, Subject
from diptych.testing._metapath_answers import (
    CLOSE,
    COMMUTING_MATRIX,
    PATHSIM,
    answer_or_refusal,
    close,
    counts,
    enter_common_laws,
    numbers,
    scores,
)
from diptych.testing._metapath_cases import backwards, chains, matrix
from diptych.testing._metapath_ranking import PATHSIM_PAIRS, PATHSIM_TOP_K

__all__ = ["COMMUTING_MATRIX", "PATHSIM", "PATHSIM_PAIRS", "PATHSIM_TOP_K"]

# Commuting matrices -------------------------------------------------------------------------------


@COMMUTING_MATRIX.law(chains("relations"))
def an_entry_counts_paths(subject: Subject, case: Case) -> None:
    """Entry (x, y) sums over all paths from x to y what a path weighs: the product of its entries."""
    found, expected = counts(subject, case), definition.counts(case["relations"])
    for x, row in enumerate(expected):
        for y, count in enumerate(row):
            if Fraction(found[x, y].item()) != count:
                raise LawBroken(f"entry ({x}, {y}) is {found[x, y]}, its paths weigh {count}")


@COMMUTING_MATRIX.law(chains("relations"))
def counts_are_whole_numbers_of_64_bits(subject: Subject, case: Case) -> None:
    """Relations of integers or booleans give int64; any of floating-point numbers gives float64."""
    whole = all(A.dtype.kind in "biu" for A in case["relations"])
    found = counts(subject, case).dtype
    if found != (np.int64 if whole else np.float64):
        raise LawBroken(f"relations of {[A.dtype.name for A in case['relations']]} gave {found}")


def _great_chains(random: Random) -> Iterator[Case]:
    for left, right in (((2**40,), (2**40,)), ((2**63 - 1,), (1,)), ((2**62, 2**62), (1, 1))):
        yield {"relations": [matrix(list(left)), matrix(*([w] for w in right))]}
    for shift in (20, 21, 22):
        yield {"relations": [matrix([2**shift + random.randint(1, 2**shift)]) for _ in range(3)]}


@COMMUTING_MATRIX.law(_great_chains, shrinks=False)
def counts_never_wrap_around(subject: Subject, case: Case) -> None:
    """A count is exact, or there is an OverflowError."""
    found, [[count]] = answer_or_refusal(subject, case), definition.counts(case["relations"])
    if found is not None and Fraction(numbers(found, (1, 1)).item()) != count:
        raise LawBroken(f"the paths are {count}, the answer is {found[0].item()}")
    if found is None and count < 2**63:
        raise LawBroken(f"the paths are {count}, which fits in 64 bits")


def _long_chains(random: Random) -> Iterator[Case]:
    for case in chains("relations")(random):
        if len(case["relations"]) == 3:
            yield case


@COMMUTING_MATRIX.law(_long_chains, admits=lambda case: len(case["relations"]) == 3)
def the_order_of_multiplication_does_not_matter(subject: Subject, case: Case) -> None:
    """Two neighbours in the chain may be multiplied first."""
    from scipy.sparse import csr_array

    A, B, C = case["relations"]
    whole = counts(subject, case)
    first, last = (csr_array(counts(subject, {"relations": part})) for part in ([A, B], [B, C]))
    for order, chain in (("(A B) C", [first, C]), ("A (B C)", [A, last])):
        if not np.array_equal(counts(subject, {"relations": chain}), whole):
            raise LawBroken(f"{order} differs from A B C")


@COMMUTING_MATRIX.law(chains("relations"))
def numbering_nodes_anew_reorders_the_matrix(subject: Subject, case: Case) -> None:
    """Other numbers for the nodes give the same counts in other places."""
    before = counts(subject, case)
    after = counts(subject, {"relations": backwards(case["relations"])})
    if not np.array_equal(before[::-1, ::-1], after):
        raise LawBroken("counts changed when the nodes of every type were numbered backwards")


def _check_form(answer: Any) -> None:
    if not hasattr(answer, "indptr"):
        return  # a dense matrix has but one form
    if not np.asarray(answer.data).all():
        raise LawBroken("a zero is stored")
    for x, (start, stop) in enumerate(pairwise(answer.indptr)):
        if not (np.diff(answer.indices[start:stop]) > 0).all():
            raise LawBroken(f"columns do not ascend in row {x}")


@COMMUTING_MATRIX.law(chains("relations"))
def rows_are_in_order(subject: Subject, case: Case) -> None:
    """A sparse matrix holds no zeros, and its columns ascend within each row."""
    _check_form(subject(case))


# PathSim ------------------------------------------------------------------------------------------


def _worked_scores(random: Random) -> Iterator[Case]:
    yield {  # three authors, four papers, two venues
        "half_path": [
            matrix([1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]),
            matrix([1, 0], [0, 1], [1, 0], [0, 1]),
        ],
        "_scores": [[1, Fraction(2, 3), Fraction(2, 3)], [Fraction(2, 3), 1, 0], [Fraction(2, 3), 0, 1]],
    }


@PATHSIM.law(_worked_scores, shrinks=False)
def shared_company_counts_and_equal_roles_do_not(subject: Subject, case: Case) -> None:
    """The worked example: one author shares a venue with each of two others, who never meet and score 0."""
    found = scores(subject, case)
    for (x, y), score in np.ndenumerate(found):
        if not close(score, Fraction(case["_scores"][x][y])):
            raise LawBroken(f"s({x}, {y}) is {score}, expected {case['_scores'][x][y]}")


@PATHSIM.law(chains("half_path"))
def a_score_sets_paths_between_against_paths_around(subject: Subject, case: Case) -> None:
    """s(x, y) is 2 M_xy / (M_xx + M_yy), with M_xy the paths from x to y there and back the same way."""
    found, expected = scores(subject, case), definition.scores(case["half_path"])
    for x, row in enumerate(expected):
        for y, score in enumerate(row):
            if not close(found[x, y], score):
                raise LawBroken(f"s({x}, {y}) is {found[x, y]}, expected {score}")


@PATHSIM.law(chains("half_path"))
def scores_are_symmetric(subject: Subject, case: Case) -> None:
    """s(x, y) = s(y, x), to the last bit."""
    found = scores(subject, case)
    if not np.array_equal(found, found.T):
        x, y = np.argwhere(found != found.T)[0]
        raise LawBroken(f"s({x}, {y}) is {found[x, y]}, s({y}, {x}) is {found[y, x]}")


@PATHSIM.law(chains("half_path"))
def scores_lie_between_0_and_1(subject: Subject, case: Case) -> None:
    """0 <= s(x, y) <= 1, and no score is NaN."""
    found = scores(subject, case)
    if not ((found >= 0) & (found <= 1 + CLOSE)).all():
        raise LawBroken(f"scores run from {found.min()} to {found.max()}")


@PATHSIM.law(chains("half_path"))
def nodes_without_paths_score_0(subject: Subject, case: Case) -> None:
    """A node from which no path starts is similar to none, itself included."""
    found = scores(subject, case)
    for x, row in enumerate(definition.counts(case["half_path"])):
        if not any(row) and (found[x].any() or found[:, x].any()):
            raise LawBroken(f"node {x} has no path, its scores are {found[x].tolist()}")


@PATHSIM.law(chains("half_path"))
def twins_score_1(subject: Subject, case: Case) -> None:
    """Nodes with equal counts of paths to every middle node score 1; each node is its own twin."""
    found, W = scores(subject, case), definition.counts(case["half_path"])
    for x, y in np.ndindex(*found.shape):
        if any(W[x]) and W[x] == W[y] and not close(found[x, y], Fraction(1)):
            raise LawBroken(f"nodes {x} and {y} have the same paths and score {found[x, y]}")


@PATHSIM.law(chains("half_path"))
def few_paths_are_not_like_many(subject: Subject, case: Case) -> None:
    """s(x, y) <= 2 / (sqrt(M_xx / M_yy) + sqrt(M_yy / M_xx))."""
    found, M = scores(subject, case), definition.around(case["half_path"])
    for x, y in np.ndindex(*found.shape):
        if M[x][x] and M[y][y]:
            ratio = float(M[x][x] / M[y][y]) ** 0.5
            if found[x, y] > 2 / (ratio + 1 / ratio) + CLOSE:
                raise LawBroken(
                    f"s({x}, {y}) is {found[x, y]}, at most {2 / (ratio + 1 / ratio)} is possible"
                )


@PATHSIM.law(chains("half_path"))
def numbering_nodes_anew_reorders_the_scores(subject: Subject, case: Case) -> None:
    """Other numbers for the nodes, of any type, give the same scores in other places."""
    before = scores(subject, case)
    after = scores(subject, {"half_path": backwards(case["half_path"])})
    if not np.allclose(before[::-1, ::-1], after, rtol=0, atol=CLOSE):
        raise LawBroken("scores changed when the nodes of every type were numbered backwards")


@PATHSIM.law(chains("half_path"), needs=("threshold",))
def a_threshold_keeps_what_reaches_it(subject: Subject, case: Case) -> None:
    """With a threshold the scores below it are 0, and the others, itself included, as without."""
    whole = scores(subject, case)
    for threshold in (0.5, *np.unique(whole)[:6].tolist()):
        found = scores(subject, case | {"threshold": threshold})
        if not np.array_equal(found, np.where(whole >= threshold, whole, 0)):
            raise LawBroken(f"threshold={threshold} gave {found.tolist()}")


@PATHSIM.law(chains("half_path"))
def rows_of_scores_are_in_order(subject: Subject, case: Case) -> None:
    """A sparse matrix of scores holds no zeros, and its columns ascend within each row."""
    _check_form(subject(case))


def _great_halves(random: Random) -> Iterator[Case]:
    while True:
        shift = random.choice((24, 26, 28, 30, 31, 32, 40))
        n, m = random.randint(2, 3), random.randint(1, 2)
        rows = [[random.randrange(2 ** (shift - 1), 2**shift) for _ in range(m)] for _ in range(n)]
        yield {"half_path": [matrix(*rows)]}


@PATHSIM.law(_great_halves, shrinks=False)
def scores_of_great_counts_do_not_wrap_around(subject: Subject, case: Case) -> None:
    """A score is right however great the counts are, or there is an OverflowError."""
    found, expected = answer_or_refusal(subject, case), definition.scores(case["half_path"])
    if found is None:
        if max(map(max, definition.around(case["half_path"]))) < 2**62:
            raise LawBroken("an OverflowError, where all counts are below 2**62")
        return
    for (x, y), score in np.ndenumerate(numbers(found, (len(expected), len(expected)))):
        if not close(score, expected[x][y]):
            raise LawBroken(f"s({x}, {y}) is {score}, expected {float(expected[x][y])}")


@PATHSIM.law(_great_halves, strict=True, shrinks=False)
def scores_are_rounded_once(subject: Subject, case: Case) -> None:
    """A score of whole counts is the number of 64 bits next to the exact quotient."""
    found, expected = answer_or_refusal(subject, case), definition.scores(case["half_path"])
    for (x, y), score in np.ndenumerate(np.zeros((0, 0)) if found is None else found[0]):
        if float(score) != float(expected[x][y]):
            raise LawBroken(f"s({x}, {y}) is {score!r}, expected {float(expected[x][y])!r}")


enter_common_laws(COMMUTING_MATRIX)
enter_common_laws(PATHSIM)
