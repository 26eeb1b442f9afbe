"""The laws of alias tables and random walks.

An implementation may draw its random numbers as it likes: shares are judged by chi-square, with a bound that
a right implementation breaks once in a billion cases.
"""

# ruff: noqa: D401 -- the docstring of a law is what the law says

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import numpy as np

from diptych.testing._call import LawBroken
from diptych.testing._engine import Case, Family, Subject, examples
from diptych.testing._shrink import simpler_cases

__all__ = ["ALIAS_TABLE", "RANDOM_WALKS", "SAMPLE_ALIAS"]

Floats = np.ndarray[Any, np.dtype[np.float64]]
Walks = np.ndarray[Any, np.dtype[np.int64]]

_SURPRISE = 21.0  # nats: exp(-21) is about a billionth
_LEAST_EXPECTED = 8.0  # rarer outcomes are counted together

ALIAS_TABLE = Family(
    "walks.alias_table",
    positional=("weights",),
    required=(),
    smaller=simpler_cases(lambda case: {"weights": ("slot",)}, (), lambda case: set()),
)
SAMPLE_ALIAS = Family(
    "walks.sample_alias",
    positional=("table", "size"),
    required=("rng",),
    smaller=lambda case: iter(()),
)
RANDOM_WALKS = Family(
    "walks.random_walks",
    positional=("graph",),
    required=("walk_length", "walks_per_node", "rng"),
    smaller=lambda case: iter(()),
)


# Alias tables -------------------------------------------------------------------------------------


def _weights(random: Random) -> Iterator[Case]:
    size = 1
    while True:
        style = random.choice(("whole", "decimal", "steep"))
        draw: dict[str, Callable[[], float]] = {
            "whole": lambda: float(random.randint(0, 3)),
            "decimal": lambda: round(random.uniform(0, 1), 2),
            "steep": lambda: 2.0 ** random.randint(-30, 30),
        }
        weights = np.array([draw[style]() for _ in range(size)])
        if weights.any():
            yield {"weights": weights}
            size = min(size + 1, 40)


def _some_weight(case: Case) -> bool:
    w = case["weights"]
    return bool(w.size and w.any() and (w >= 0).all())


def _table(subject: Subject, case: Case) -> tuple[Floats, Walks]:
    n = len(case["weights"])
    try:
        threshold, alias = (np.asarray(part) for part in subject(case))
    except (TypeError, ValueError):
        raise LawBroken("expected a pair of arrays, threshold and alias") from None
    if threshold.shape != (n,) or alias.shape != (n,) or alias.dtype.kind not in "iu":
        raise LawBroken(f"expected {n} thresholds and {n} whole numbers as aliases")
    if not ((threshold >= 0) & (threshold <= 1)).all():
        raise LawBroken(f"thresholds {threshold.tolist()} do not all lie between 0 and 1")
    if not ((alias >= 0) & (alias < n)).all():
        raise LawBroken(f"aliases {alias.tolist()} are not all slots from 0 to {n - 1}")
    return threshold, alias


@ALIAS_TABLE.law(_weights, admits=_some_weight)
def a_table_reproduces_its_weights(subject: Subject, case: Case) -> None:
    """Slot i is drawn with (threshold_i + sum of 1 - threshold_j over alias_j = i) / n, as weighted."""
    threshold, alias = _table(subject, case)
    w = case["weights"]
    share = (threshold + np.bincount(alias, weights=1 - threshold, minlength=len(w))) / len(w)
    if not np.allclose(share, w / w.sum(), rtol=0, atol=1e-12):
        raise LawBroken(f"the shares are {share.tolist()}, the weights' are {(w / w.sum()).tolist()}")


@ALIAS_TABLE.law(_weights, admits=_some_weight)
def a_table_does_not_depend_on_the_unit(subject: Subject, case: Case) -> None:
    """Weights times a power of two have the same table."""
    before = _table(subject, case)
    after = _table(subject, case | {"weights": case["weights"] * 2.0**40})
    if not all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)):
        raise LawBroken("the table changed when all weights were multiplied by 2**40")


@ALIAS_TABLE.law(
    examples(*({"weights": np.full(n, w)} for n in (1, 2, 7, 10) for w in (0.1, 1.0))), shrinks=False
)
def equal_weights_need_no_alias(subject: Subject, case: Case) -> None:
    """Where all weights are equal, each slot is itself: every threshold is exactly 1."""
    threshold, _ = _table(subject, case)
    if not (threshold == 1).all():
        raise LawBroken(f"thresholds are {threshold.tolist()}")


# Draws from them ----------------------------------------------------------------------------------


def _drawings(random: Random) -> Iterator[Case]:
    while True:
        n = random.randint(1, 6)
        threshold = [random.choice((0.0, 0.25, 0.5, 1.0)) for _ in range(n)]
        alias = [random.randrange(n) for _ in range(n)]
        table = (np.array(threshold), np.array(alias, dtype=np.int64))
        yield {"table": table, "size": 4000, "rng": random.randrange(2**31)}


def _draws(subject: Subject, case: Case) -> Walks:
    draws = np.asarray(subject(case))
    n = len(case["table"][0])
    if draws.shape != (case["size"],) or draws.dtype.kind not in "iu":
        raise LawBroken(f"expected {case['size']} whole numbers, got {draws.dtype} of shape {draws.shape}")
    if draws.size and not (draws.min() >= 0 and draws.max() < n):
        raise LawBroken(f"draws run from {draws.min()} to {draws.max()}, slots from 0 to {n - 1}")
    return draws


@SAMPLE_ALIAS.law(_drawings, shrinks=False)
def draws_follow_the_table(subject: Subject, case: Case) -> None:
    """A slot is hit evenly, and stands for itself with its threshold, else for its alias."""
    threshold, alias = case["table"]
    n = len(threshold)
    share = (threshold + np.bincount(alias, weights=1 - threshold, minlength=n)) / n
    _compare(np.bincount(_draws(subject, case), minlength=n), share, "slots")


@SAMPLE_ALIAS.law(_drawings, shrinks=False)
def the_same_seed_draws_the_same(subject: Subject, case: Case) -> None:
    """Equal seeds give equal draws; another seed gives others where there is a choice."""
    first = _draws(subject, case)
    if not np.array_equal(first, _draws(subject, case)):
        raise LawBroken("a second call with the same seed drew otherwise")
    choice = len(set(first.tolist())) > 1
    if choice and np.array_equal(first, _draws(subject, case | {"rng": case["rng"] + 1})):
        raise LawBroken("another seed drew the same")


@SAMPLE_ALIAS.law(
    examples({"table": (np.array([0.5, 1.0]), np.array([1, 1])), "size": 0, "rng": 0}), shrinks=False
)
def no_draws_are_an_empty_array(subject: Subject, case: Case) -> None:
    """size=0 gives an empty array."""
    _draws(subject, case)


# Walks --------------------------------------------------------------------------------------------


def _matrix(random: Random, n: int) -> Floats:
    """Edges both ways and one way, loops, dead ends; equal or unequal weights."""
    plain = random.random() < 0.5
    A = np.zeros((n, n))
    for i in range(n):
        for j in range(n):
            if random.random() < 0.45:
                A[i, j] = 1.0 if plain else random.choice((0.25, 1.0, 3.0))
                A[j, i] = A[i, j] if random.random() < 0.7 else A[j, i]
    if random.random() < 0.3:
        A[random.randrange(n)] = 0.0
    return A


def _graph(A: Floats) -> Any:
    from scipy.sparse import csr_array

    return csr_array(A)


def _walk_cases(random: Random) -> Iterator[Case]:
    while True:
        graph = _graph(_matrix(random, random.randint(2, 6)))
        yield {"graph": graph, "walk_length": 8, "walks_per_node": 40, "rng": random.randrange(2**31)}


def _biased_cases(random: Random) -> Iterator[Case]:
    for case in _walk_cases(random):
        p, q = (random.choice((0.25, 1.0, 4.0)) for _ in range(2))
        yield case | {"p": p, "q": q}


def _walks(subject: Subject, case: Case) -> Walks:
    walks = np.asarray(subject(case))
    n = case["graph"].shape[0]
    starts = case.get("start_nodes", np.arange(n))
    shape = (len(starts) * case["walks_per_node"], case["walk_length"])
    if walks.shape != shape or walks.dtype.kind not in "iu":
        raise LawBroken(f"expected whole numbers of shape {shape}, got {walks.dtype} of shape {walks.shape}")
    if walks.size and not (walks.min() >= -1 and walks.max() < n):
        raise LawBroken(f"nodes run from {walks.min()} to {walks.max()}, the graph's from 0 to {n - 1}")
    return walks.astype(np.int64)


def _dense(case: Case) -> Floats:
    A: Floats = np.asarray(case["graph"].toarray(), dtype=np.float64)
    return A


def _bound(freedom: int) -> float:
    """What chi-square exceeds with probability exp(-_SURPRISE) at most (Laurent and Massart 2000)."""
    return freedom + 2 * math.sqrt(freedom * _SURPRISE) + 2 * _SURPRISE


def _compare(observed: Any, law: Floats, what: str) -> None:
    expected = law * observed.sum()
    if observed[law == 0].any():
        raise LawBroken(f"{what} with probability 0 came up: counts {observed.tolist()}, law {law.tolist()}")
    rare = expected < _LEAST_EXPECTED
    o, e = np.append(observed[~rare], observed[rare].sum()), np.append(expected[~rare], expected[rare].sum())
    o, e = o[e >= _LEAST_EXPECTED], e[e >= _LEAST_EXPECTED]
    if len(o) > 1 and float(((o - e) ** 2 / e).sum()) > _bound(len(o) - 1):
        raise LawBroken(f"{what} came up {observed.tolist()} times, expected {expected.round(1).tolist()}")


@RANDOM_WALKS.law(_walk_cases, needs=("start_nodes",), shrinks=False)
def walks_start_where_they_should(subject: Subject, case: Case) -> None:
    """Row r starts at start_nodes[r // walks_per_node]; without start_nodes, every node in order."""
    n = case["graph"].shape[0]
    for starts in (None, np.array([n - 1, 0, n - 1])):
        given = {} if starts is None else {"start_nodes": starts}
        expected = np.repeat(np.arange(n) if starts is None else starts, case["walks_per_node"])
        if not np.array_equal(_walks(subject, case | given)[:, 0], expected):
            raise LawBroken("walks start elsewhere" + ("" if starts is None else f", start_nodes={starts}"))


@RANDOM_WALKS.law(_biased_cases, needs=("p", "q"), shrinks=False)
def walks_follow_edges_and_end_at_dead_ends(subject: Subject, case: Case) -> None:
    """Each step takes an edge; a walk ends where there is none, and nowhere else, and -1 follows."""
    A, walks = _dense(case), _walks(subject, case)
    now, then = walks[:, :-1].ravel(), walks[:, 1:].ravel()
    dead: Any = ~A.any(axis=1)
    stopped = (now == -1) | dead[now]
    if (then[stopped] != -1).any() or (then[~stopped] == -1).any():
        raise LawBroken("-1 has to follow dead ends and -1, and nothing else")
    if not (A[now[~stopped], then[~stopped]] > 0).all():
        raise LawBroken("a step was taken where the graph has no edge")


@RANDOM_WALKS.law(_walk_cases, shrinks=False)
def steps_follow_the_weights(subject: Subject, case: Case) -> None:
    """With p = q = 1 the next node is drawn by the weights of the present node's edges."""
    A, walks = _dense(case), _walks(subject, case | {"walks_per_node": 200})
    now, then = walks[:, :-1].ravel(), walks[:, 1:].ravel()
    for v in np.flatnonzero(A.any(axis=1)):
        _compare(np.bincount(then[now == v], minlength=len(A)), A[v] / A[v].sum(), f"nodes after {v}")


@RANDOM_WALKS.law(_biased_cases, needs=("p", "q"), shrinks=False)
def second_steps_follow_weights_and_biases(subject: Subject, case: Case) -> None:
    """After u, x is drawn by weight times bias: 1/p if x is u, else 1 if u has an edge to x, else 1/q."""
    A, walks = _dense(case), _walks(subject, case | {"walks_per_node": 200})
    before, now, then = (walks[:, k : walks.shape[1] - 2 + k].ravel() for k in range(3))
    for u, v in np.argwhere(A > 0):
        bias = np.where(A[u] > 0, 1.0, 1 / case["q"])
        bias[u] = 1 / case["p"]
        if A[v].any():
            seen = np.bincount(then[(before == u) & (now == v)], minlength=len(A))
            _compare(seen, A[v] * bias / (A[v] * bias).sum(), f"nodes after {u}, {v}")


def _untidy_cases(random: Random) -> Iterator[Case]:
    from scipy.sparse import csr_array

    for case in _walk_cases(random):
        A = case["graph"]
        indptr = 3 * A.indptr
        halves = np.column_stack([A.data / 2, A.data / 2, 0 * A.data])
        places = np.column_stack([A.indices, A.indices, (A.indices + 1) % A.shape[0]])
        data, indices = halves.copy(), places.copy()
        for v in range(A.shape[0]):  # each row backwards
            row = slice(A.indptr[v], A.indptr[v + 1])
            data[row], indices[row] = halves[row][::-1], places[row][::-1]
        graph = csr_array((data.ravel(), indices.ravel(), indptr), shape=A.shape)
        yield case | {"graph": graph, "_tidy": A}


@RANDOM_WALKS.law(_untidy_cases, shrinks=False)
def what_is_stored_twice_adds_up(subject: Subject, case: Case) -> None:
    """Entries stored twice are summed, stored zeros are no edges, and their order does not matter."""
    for place, dense in enumerate(_walks(subject, case | {"walks_per_node": 200})[:, :2]):
        if dense[1] >= 0 and case["_tidy"][dense[0], dense[1]] == 0:
            raise LawBroken(f"walk {place} took an edge that is stored as zero")
    steps_follow_the_weights.holds(subject, case)


@RANDOM_WALKS.law(_biased_cases, needs=("p", "q"), shrinks=False)
def the_same_seed_walks_the_same(subject: Subject, case: Case) -> None:
    """Equal seeds give equal walks, also after another question; another seed gives others."""
    first = _walks(subject, case)
    other = _walks(subject, case | {"rng": case["rng"] + 1})
    if not np.array_equal(first, _walks(subject, case)):
        raise LawBroken("a second call with the same seed walked otherwise")
    choice = ((_dense(case) > 0).sum(axis=1) > 1).any()
    if choice and np.array_equal(first, other):
        raise LawBroken("another seed walked the same")


@RANDOM_WALKS.law(_untidy_cases, shrinks=False)
def the_graph_is_left_alone(subject: Subject, case: Case) -> None:
    """The function does not sort, merge or otherwise write into the graph."""
    graph = case["graph"].copy()
    subject.on(case | {"graph": graph})
    for part in ("indptr", "indices", "data"):
        if not np.array_equal(getattr(graph, part), getattr(case["graph"], part)):
            raise LawBroken(f"graph.{part} was changed")


@RANDOM_WALKS.law(_biased_cases, needs=("p", "q", "n_jobs"), shrinks=False)
def walks_do_not_depend_on_threads(subject: Subject, case: Case) -> None:
    """Any n_jobs gives the walks of one thread."""
    first = _walks(subject, case | {"n_jobs": 1})
    for n_jobs in (2, 3):
        if not np.array_equal(first, _walks(subject, case | {"n_jobs": n_jobs})):
            raise LawBroken(f"n_jobs={n_jobs} walked otherwise than n_jobs=1")
