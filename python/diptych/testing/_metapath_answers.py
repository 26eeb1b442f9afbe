"""What the functions of meta-paths take and answer, and the laws that all four share."""

# ruff: noqa: D401 -- the docstring of a law is what the law says

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np

from diptych.testing._call import LawBroken
from diptych.testing._engine import Case, Family, Subject, copied
from diptych.testing._metapath_cases import chains, smaller, untidy

Array = np.ndarray[Any, Any]

CLOSE = 1e-12  # a score is one quotient of exact numbers; this leaves room for other ways to write it

COMMUTING_MATRIX = Family(
    "metapath.commuting_matrix", positional=("relations",), required=(), smaller=smaller("relations")
)
PATHSIM = Family("metapath.pathsim", positional=("half_path",), required=(), smaller=smaller("half_path"))
PATHSIM_TOP_K = Family(
    "metapath.pathsim_top_k", positional=("half_path", "k"), required=(), smaller=smaller("half_path")
)
PATHSIM_PAIRS = Family(
    "metapath.pathsim_pairs",
    positional=("half_path", "left", "right"),
    required=(),
    smaller=smaller("half_path"),
)


# What is answered ---------------------------------------------------------------------------------


def parts(answer: Any) -> list[Array]:
    """Return an answer as plain arrays: one for a matrix or a row of scores, two for the best k."""
    pieces = answer if isinstance(answer, tuple) else (answer,)
    try:
        return [np.asarray(piece.toarray() if hasattr(piece, "toarray") else piece) for piece in pieces]
    except ValueError:
        raise LawBroken("expected numbers in rows of one length") from None


def numbers(found: list[Array], shape: tuple[int, ...]) -> Array:
    if len(found) != 1 or found[0].shape != shape or found[0].dtype.kind not in "biuf":
        shapes = ", ".join(str(part.shape) for part in found)
        raise LawBroken(f"expected numbers of shape {shape}, got shape {shapes}")
    if found[0].dtype.kind == "f" and not np.isfinite(found[0]).all():
        raise LawBroken("the answer holds NaN or infinity")
    return found[0]


def counts(subject: Subject, case: Case) -> Array:
    chain = case["relations"]
    return numbers(parts(subject(case)), (chain[0].shape[0], chain[-1].shape[1]))


def scores(subject: Subject, case: Case) -> Array:
    n = case["half_path"][0].shape[0]
    return numbers(parts(subject(case)), (n, n))


def of_pairs(subject: Subject, case: Case) -> Array:
    return numbers(parts(subject(case)), (len(case["left"]),))


def best(subject: Subject, case: Case) -> tuple[Array, Array]:
    found = parts(subject(case))
    q = len(case.get("queries", range(case["half_path"][0].shape[0])))
    if len(found) != 2 or any(part.shape != (q, case["k"]) for part in found):
        raise LawBroken(f"expected two arrays of shape {(q, case['k'])}, indices and scores")
    if found[0].dtype.kind not in "iu" or found[1].dtype.kind not in "biuf":
        raise LawBroken(f"expected whole numbers and scores, got {found[0].dtype} and {found[1].dtype}")
    return found[0], found[1]


def close(found: Any, expected: Fraction) -> bool:
    return bool(abs(float(found) - float(expected)) <= CLOSE)


def differ(before: list[Array], after: list[Array]) -> bool:
    return len(before) != len(after) or not all(map(np.array_equal, before, after))


def answer_or_refusal(subject: Subject, case: Case) -> list[Array] | None:
    """Return the answer, or None when it is an OverflowError."""
    try:
        return parts(subject(case))
    except LawBroken as broken:
        if isinstance(broken.__cause__, OverflowError):
            return None
        raise


# Laws of all functions ----------------------------------------------------------------------------


def what_is_stored_twice_adds_up(subject: Subject, case: Case) -> None:
    """Entries stored twice are summed, stored zeros are no edges, and their order does not matter."""
    key = subject.family.positional[0]
    tidy = parts(subject(case | {key: case["_tidy"]}))
    if differ(tidy, parts(subject(case))):
        raise LawBroken("the answer changed when entries were stored in two parts, out of order")


def the_relations_are_left_alone(subject: Subject, case: Case) -> None:
    """The function does not sort, merge or otherwise write into the matrices."""
    key = subject.family.positional[0]
    given = copied(case[key])
    subject.on(case | {key: given})
    for place, (A, before) in enumerate(zip(given, case[key], strict=True)):
        for part in ("indptr", "indices", "data"):
            if not np.array_equal(getattr(A, part), getattr(before, part)):
                raise LawBroken(f"{key}[{place}].{part} was changed")


def the_answer_does_not_depend_on_threads(subject: Subject, case: Case) -> None:
    """Any n_jobs gives the answer of one thread."""
    first = parts(subject(case | {"n_jobs": 1}))
    for n_jobs in (2, 3):
        if differ(first, parts(subject(case | {"n_jobs": n_jobs}))):
            raise LawBroken(f"n_jobs={n_jobs} answered otherwise than n_jobs=1")


def asked(family: Family, random: Random) -> Iterator[Case]:
    """Chains, with the further arguments that the function takes by position."""
    for case in chains(family.positional[0])(random):
        if family is PATHSIM_TOP_K:
            case["k"] = random.randint(1, 6)
        if family is PATHSIM_PAIRS:
            n, m = case["half_path"][0].shape[0], random.randint(1, 6)
            case |= {
                side: np.array([random.randrange(n) for _ in range(m)], dtype=np.int64)
                for side in ("left", "right")
            }
        yield case


def top_cases(random: Random) -> Iterator[Case]:
    return asked(PATHSIM_TOP_K, random)


def pair_cases(random: Random) -> Iterator[Case]:
    return asked(PATHSIM_PAIRS, random)


def enter_common_laws(family: Family) -> None:
    key = family.positional[0]

    def untidy_cases(random: Random) -> Iterator[Case]:
        for case in asked(family, random):
            yield case | {key: [untidy(A) for A in case[key]], "_tidy": case[key]}

    family.law(untidy_cases, shrinks=False)(what_is_stored_twice_adds_up)
    family.law(untidy_cases, shrinks=False)(the_relations_are_left_alone)
    if family is not COMMUTING_MATRIX:
        cases = lambda random: asked(family, random)  # noqa: E731
        family.law(cases, needs=("n_jobs",), shrinks=False)(the_answer_does_not_depend_on_threads)
