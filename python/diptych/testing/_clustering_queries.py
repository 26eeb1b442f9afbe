"""The laws of k_distances and dbscan_predict."""

# ruff: noqa: D401 -- the docstring of a law is what the law says

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np

from diptych.testing import _clustering_cases as cases
from diptych.testing._call import LawBroken
from diptych.testing._clustering_answers import as_integers, line
from diptych.testing._clustering_definition import clusters, is_clear, kth_distances, predicted
from diptych.testing._engine import Case, Family, Subject, examples
from diptych.testing._shrink import simpler_cases


def _fixed(case: Case) -> set[str]:
    return {"column"} if case.get("metric") == "haversine" else set()


# k_distances --------------------------------------------------------------------------------------


def _k_axes(case: Case) -> dict[str, tuple[str, ...]]:
    return {"X": ("row", "row") if case.get("metric") == "precomputed" else ("row", "column")}


K_DISTANCES = Family(
    "clustering.k_distances",
    positional=("X", "k"),
    required=(),
    smaller=simpler_cases(_k_axes, ("k", "p"), _fixed),
)


def _countable(case: Case) -> bool:
    p = case.get("p")
    return 1 <= case["k"] < case["X"].shape[0] and (p is None or p >= 1)


def _measure(subject: Subject, case: Case) -> list[float]:
    return _floats(subject(case), case["X"].shape[0])


def _floats(result: Any, rows: int) -> list[float]:
    array = np.asarray(result)
    if array.shape != (rows,) or array.dtype.kind not in "fiu":
        raise LawBroken(f"expected {rows} distances in one row, got {array.dtype} of shape {array.shape}")
    return [float(value) for value in array]


def _obey_distances(subject: Subject, case: Case, tolerance: float = 1e-9) -> None:
    expected = kth_distances(case)
    for i, (got, right) in enumerate(zip(_measure(subject, case), expected, strict=True)):
        if not (got == right or math.isclose(got, right, rel_tol=tolerance, abs_tol=1e-7 * (tolerance > 0))):
            raise LawBroken(f"row {i}: distance {got!r}, expected {right!r}")


@K_DISTANCES.law(examples({"X": line(0, 1, 3), "k": 1}, {"X": line(0, 1, 3), "k": 2}), admits=_countable)
def the_row_itself_does_not_count(subject: Subject, case: Case) -> None:
    """k=1 means the nearest other row."""
    _obey_distances(subject, case)


@K_DISTANCES.law(examples({"X": line(0, 0, 1), "k": 1}, {"X": line(0, 0, 0, 2), "k": 2}), admits=_countable)
def equal_rows_count_one_by_one(subject: Subject, case: Case) -> None:
    """A copy of a row is another row, at distance 0."""
    _obey_distances(subject, case)


@K_DISTANCES.law(cases.with_k(cases.dbscan_cases), admits=_countable)
def it_is_the_kth_smallest_distance(subject: Subject, case: Case) -> None:
    """Entry i is the k-th smallest of the distances from row i to the other rows."""
    _obey_distances(subject, case)


@K_DISTANCES.law(cases.with_k(cases.dbscan_cases), admits=_countable)
def distances_grow_with_k(subject: Subject, case: Case) -> None:
    """A greater k gives no smaller distance."""
    if case["k"] + 1 < case["X"].shape[0]:
        near, far = _measure(subject, case), _measure(subject, case | {"k": case["k"] + 1})
        for i, (a, b) in enumerate(zip(near, far, strict=True)):
            if a > b:
                raise LawBroken(f"row {i}: {a!r} for k={case['k']}, {b!r} for k={case['k'] + 1}")


@K_DISTANCES.law(cases.with_k(cases.dbscan_cases), admits=_countable)
def rows_take_their_distances_along(subject: Subject, case: Case) -> None:
    """Reversing the rows reverses the answer."""
    before, after = _measure(subject, case), _measure(subject, case | {"X": case["X"][::-1]})
    if before != after[::-1]:
        raise LawBroken(f"{before} became {after} when the rows were reversed")


@K_DISTANCES.law(cases.with_k(cases.lattice_cases), admits=_countable)
def distances_do_not_depend_on_the_origin(subject: Subject, case: Case) -> None:
    """Adding one number to a whole column changes nothing; the numbers here are exact in float64."""
    before, after = _measure(subject, case), _measure(subject, case | {"X": case["X"] + 2.0**32})
    if before != after:
        raise LawBroken(f"{before} became {after} when 2**32 was added to every coordinate")


@K_DISTANCES.law(cases.with_k(cases.lattice_cases), admits=_countable)
def distances_carry_the_unit(subject: Subject, case: Case) -> None:
    """Rows twice as far apart have twice the distances."""
    before, after = _measure(subject, case), _measure(subject, case | {"X": case["X"] * 4.0})
    if [4.0 * value for value in before] != after:
        raise LawBroken(f"{before} became {after} when X was multiplied by 4")


@K_DISTANCES.law(cases.with_k(cases.dbscan_cases), admits=_countable, needs=("n_jobs",))
def distances_do_not_depend_on_threads(subject: Subject, case: Case) -> None:
    """Any n_jobs gives the answer of one thread."""
    one, three = _measure(subject, case | {"n_jobs": 1}), _measure(subject, case | {"n_jobs": 3})
    if one != three:
        raise LawBroken(f"{one} with n_jobs=1, {three} with n_jobs=3")


@K_DISTANCES.law(cases.with_k(cases.any_metric), admits=_countable, needs=("metric", "p"))
def distances_follow_the_metric(subject: Subject, case: Case) -> None:
    """Each metric has its own distances; in a sparse matrix stored entries count, too few give infinity."""
    _obey_distances(subject, case)


@K_DISTANCES.law(cases.with_k(cases.rounding_cases), admits=_countable, needs=("metric",), strict=True)
def distances_round_as_the_contract_says(subject: Subject, case: Case) -> None:
    """In float64, column by column; the Euclidean distance is the square root of the sum of squares."""
    _obey_distances(subject, case, tolerance=0.0)


@K_DISTANCES.law(cases.with_k(cases.narrow_cases), admits=_countable, strict=True)
def distances_of_float32_rows_are_float64(subject: Subject, case: Case) -> None:
    """Float32 rows are widened before their differences are taken."""
    _obey_distances(subject, case, tolerance=0.0)


# dbscan_predict -----------------------------------------------------------------------------------


def _predict_axes(case: Case) -> dict[str, tuple[str, ...]]:
    if case.get("metric") == "precomputed":
        return {"X_new": ("new", "core"), "core_labels": ("core",)}
    return {"X_new": ("new", "column"), "core_points": ("core", "column"), "core_labels": ("core",)}


DBSCAN_PREDICT = Family(
    "clustering.dbscan_predict",
    positional=("X_new", "core_points", "core_labels", "eps"),
    required=(),
    smaller=simpler_cases(_predict_axes, ("eps", "p"), _fixed),
)


def _placeable(case: Case) -> bool:
    p = case.get("p")
    return case["eps"] > 0 and (p is None or p >= 1) and bool((case["core_labels"] >= 0).all())


def _clear(case: Case) -> bool:
    return _placeable(case) and is_clear(case)


def _place(subject: Subject, case: Case) -> list[int]:
    labels = as_integers(subject(case), "labels")
    if len(labels) != case["X_new"].shape[0]:
        raise LawBroken(f"{len(labels)} labels for {case['X_new'].shape[0]} new rows")
    return labels


def _obey_prediction(subject: Subject, case: Case) -> None:
    labels, expected = _place(subject, case), predicted(case)
    for i, (got, right) in enumerate(zip(labels, expected, strict=True)):
        if got != right:
            raise LawBroken(f"expected labels {expected}, got {labels}: row {i} is the first that differs")


def _query(new: tuple[float, ...], core: tuple[float, ...], labels: tuple[int, ...]) -> Case:
    return {
        "X_new": line(*new),
        "core_points": line(*core),
        "core_labels": np.array(labels, dtype=np.intp),
        "eps": 1.0,
    }


@DBSCAN_PREDICT.law(examples(_query((1, 2, 3), (0, 4), (0, 1)), _query((1,), (0,), (7,))), admits=_clear)
def a_core_point_at_distance_eps_reaches(subject: Subject, case: Case) -> None:
    """A new row exactly eps away from a core point takes its label: the comparison is <=."""
    _obey_prediction(subject, case)


@DBSCAN_PREDICT.law(
    examples(_query((0.25,), (0, 1), (1, 0)), _query((0.75,), (1, 0, 0.5), (2, 1, 3))), admits=_clear
)
def the_smallest_label_wins(subject: Subject, case: Case) -> None:
    """Of several core points in reach the smallest label counts, not the nearest point or the first."""
    _obey_prediction(subject, case)


@DBSCAN_PREDICT.law(examples(_query((5, 9), (0, 1), (0, 0)), _query((0, 1), (), ())), shrinks=False)
def out_of_reach_is_noise(subject: Subject, case: Case) -> None:
    """A new row that no core point reaches is -1, also when there are no core points at all."""
    _obey_prediction(subject, case)


@DBSCAN_PREDICT.law(cases.with_core(cases.dbscan_cases), admits=_clear)
def prediction_follows_the_definition(subject: Subject, case: Case) -> None:
    """The label is the smallest among core points within eps, else -1."""
    _obey_prediction(subject, case)


def _clustered(random: Random) -> Iterator[Case]:
    for case in cases.bridges(random):
        core, labels = clusters(case)
        X, core_labels = case["X"], np.array([labels[i] for i in core], dtype=np.intp)
        arrays = {"X_new": X, "core_points": X[core], "core_labels": core_labels}
        yield arrays | {"eps": case["eps"], "_labels": labels}


@DBSCAN_PREDICT.law(_clustered, admits=_clear, shrinks=False)
def old_rows_keep_their_labels(subject: Subject, case: Case) -> None:
    """Predicting the rows that were clustered gives their labels."""
    if (got := _place(subject, case)) != case["_labels"]:
        raise LawBroken(f"clustered with labels {case['_labels']}, predicted {got}")


@DBSCAN_PREDICT.law(cases.with_core(cases.dbscan_cases), admits=_clear)
def the_order_of_core_points_does_not_matter(subject: Subject, case: Case) -> None:
    """Core points in another order give the same labels."""
    turned = {key: case[key][::-1] for key in ("core_points", "core_labels")}
    before, after = _place(subject, case), _place(subject, case | turned)
    if before != after:
        raise LawBroken(f"labels {before} became {after} when the core points were reversed")


@DBSCAN_PREDICT.law(cases.with_core(cases.lattice_cases), admits=_clear)
def prediction_does_not_depend_on_the_origin(subject: Subject, case: Case) -> None:
    """Adding one number to a whole column of both changes nothing; the numbers here are exact in float64."""
    moved = {key: case[key] + 2.0**32 for key in ("X_new", "core_points")}
    before, after = _place(subject, case), _place(subject, case | moved)
    if before != after:
        raise LawBroken(f"labels {before} became {after} when 2**32 was added to every coordinate")


@DBSCAN_PREDICT.law(cases.with_core(cases.dbscan_cases), admits=_clear, needs=("n_jobs",))
def prediction_does_not_depend_on_threads(subject: Subject, case: Case) -> None:
    """Any n_jobs gives the answer of one thread."""
    one, three = _place(subject, case | {"n_jobs": 1}), _place(subject, case | {"n_jobs": 3})
    if one != three:
        raise LawBroken(f"{one} with n_jobs=1, {three} with n_jobs=3")


_NO_CORE_POINTS = {
    "X_new": np.empty((2, 0)),
    "core_points": None,
    "core_labels": np.empty(0, dtype=np.intp),
    "eps": 1.0,
    "metric": "precomputed",
}


@DBSCAN_PREDICT.law(
    cases.chained(_NO_CORE_POINTS, then=cases.with_core(cases.any_metric)),
    admits=_clear,
    needs=("metric", "p"),
)
def prediction_follows_the_metric(subject: Subject, case: Case) -> None:
    """Each metric has its own reach; precomputed: X_new holds the distances to the core points."""
    _obey_prediction(subject, case)


def _on_the_edge(random: Random) -> Iterator[Case]:
    for case in cases.with_core(cases.rounding_cases)(random):
        eps = cases.between(random, case["X_new"], case["core_points"])
        yield case | {"eps": eps or case["eps"]}


@DBSCAN_PREDICT.law(_on_the_edge, admits=_placeable, needs=("metric",), strict=True)
def reach_rounds_as_the_contract_says(subject: Subject, case: Case) -> None:
    """In float64, column by column: s = s + t * t, then s <= eps * eps; for L1 and Linf |t| against eps."""
    _obey_prediction(subject, case)
