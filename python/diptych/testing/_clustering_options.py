"""The laws of DBSCAN about weights, metrics and rounding."""

# ruff: noqa: D401 -- the docstring of a law is what the law says

from __future__ import annotations

import numpy as np

from diptych.testing import _clustering_cases as cases
from diptych.testing._call import LawBroken
from diptych.testing._clustering_answers import DBSCAN, ask, legal, line, obey_definition, sound
from diptych.testing._engine import Case, Subject, examples

# Weights ------------------------------------------------------------------------------------------


def _whole(case: Case) -> bool:
    weights = case.get("sample_weight", np.zeros(1))
    return sound(case) and bool(((weights >= 1) & (weights == np.floor(weights))).all())


@DBSCAN.law(cases.repeated, admits=_whole, needs=("sample_weight",))
def a_whole_weight_is_a_repeated_row(subject: Subject, case: Case) -> None:
    """A row of weight 3 counts like three equal rows."""
    copies = case["sample_weight"].astype(np.intp)
    plain = {key: value for key, value in case.items() if key != "sample_weight"}
    weighted = ask(subject, case)
    repeated = ask(subject, plain | {"X": np.repeat(case["X"], copies, axis=0)})
    expected = [label for label, count in zip(weighted.labels, copies, strict=True) for _ in range(count)]
    if repeated.labels != expected:
        raise LawBroken(f"weights give labels {weighted.labels}, repeated rows {repeated.labels}")


@DBSCAN.law(
    examples(
        {"X": line(0, 1), "eps": 1.0, "min_samples": 2, "sample_weight": np.array([3.0, -2.0])},
        {"X": line(0, 1), "eps": 1.0, "min_samples": 1, "sample_weight": np.array([2.0, 0.0])},
        {"X": line(0, 5), "eps": 1.0, "min_samples": 3, "sample_weight": np.array([3.0, 2.5])},
    ),
    needs=("sample_weight",),
    shrinks=False,
)
def a_negative_weight_can_keep_a_row_from_being_core(subject: Subject, case: Case) -> None:
    """Negative and zero weights are added up like others, and the sum is compared with min_samples."""
    obey_definition(subject, case)


@DBSCAN.law(cases.weighted(cases.dbscan_cases), admits=sound, needs=("sample_weight",))
def weights_are_added_up(subject: Subject, case: Case) -> None:
    """A row is core exactly when its neighbours, itself included, weigh at least min_samples together."""
    obey_definition(subject, case)


# Metrics ------------------------------------------------------------------------------------------


@DBSCAN.law(cases.under("manhattan"), admits=sound, needs=("metric",))
def manhattan_distances_add_up(subject: Subject, case: Case) -> None:
    """metric="manhattan": the sum of the absolute differences."""
    obey_definition(subject, case)


@DBSCAN.law(cases.under("chebyshev"), admits=sound, needs=("metric",))
def chebyshev_distances_are_the_largest_difference(subject: Subject, case: Case) -> None:
    """metric="chebyshev": the largest absolute difference."""
    obey_definition(subject, case)


@DBSCAN.law(cases.under("minkowski"), admits=sound, needs=("metric", "p"))
def minkowski_distances_follow_p(subject: Subject, case: Case) -> None:
    """metric="minkowski": p-th root of the sum of p-th powers; None means 2, inf the largest difference."""
    obey_definition(subject, case)


@DBSCAN.law(
    cases.chained(
        {"X": np.array([[0.0, 0], [0, 0], [1, 0]]), "eps": 0.5, "min_samples": 2, "metric": "cosine"},
        {"X": np.array([[1.0, 1], [8, 8], [0, 0]]), "eps": 0.5, "min_samples": 2, "metric": "cosine"},
        then=cases.directions,
    ),
    admits=sound,
    needs=("metric",),
)
def cosine_distances_ignore_length(subject: Subject, case: Case) -> None:
    """metric="cosine": 1 - cos of the angle; a zero row is at distance 1 from all others, zero rows too."""
    obey_definition(subject, case)


@DBSCAN.law(
    cases.chained(
        {"X": np.array([[0.0, 3.125], [0.0, -3.125]]), "eps": 0.05, "min_samples": 2, "metric": "haversine"},
        {"X": np.array([[1.5625, 0.0], [1.5625, 3.0]]), "eps": 0.05, "min_samples": 2, "metric": "haversine"},
        then=cases.places,
    ),
    admits=lambda case: sound(case) and bool((abs(case["X"][:, 0]) <= np.pi / 2).all()),
    needs=("metric",),
)
def haversine_distances_follow_the_globe(subject: Subject, case: Case) -> None:
    """metric="haversine": great circles between (latitude, longitude) in radians, date line and poles too."""
    obey_definition(subject, case)


@DBSCAN.law(
    cases.chained(
        {
            "X": np.array([[0.0, 1, 9], [9, 0, 1], [9, 9, 0]]),
            "eps": 1.0,
            "min_samples": 2,
            "metric": "precomputed",
        },
        {"X": np.array([[5.0, 1], [1, 5]]), "eps": 1.0, "min_samples": 2, "metric": "precomputed"},
        then=cases.tables,
    ),
    admits=legal,
    needs=("metric",),
)
def precomputed_distances_are_read_by_rows(subject: Subject, case: Case) -> None:
    """metric="precomputed": row i holds the distances from row i to all, itself as stored."""
    obey_definition(subject, case)


@DBSCAN.law(cases.sparse_tables, admits=legal, needs=("metric",))
def sparse_distances_count_where_stored(subject: Subject, case: Case) -> None:
    """metric="precomputed", CSR: stored entries count, zeros too, the others are far; the diagonal is 0."""
    obey_definition(subject, case)


@DBSCAN.law(cases.weighted(cases.any_metric), admits=sound, needs=("metric", "p", "sample_weight"))
def weights_count_under_every_metric(subject: Subject, case: Case) -> None:
    """Weights mean the same whatever the metric."""
    obey_definition(subject, case)


# To the last bit ----------------------------------------------------------------------------------


@DBSCAN.law(cases.rounding_cases, admits=legal, needs=("metric",), strict=True)
def rounding_follows_the_contract(subject: Subject, case: Case) -> None:
    """In float64, column by column: s = s + t * t, then s <= eps * eps; for L1 and Linf |t| against eps."""
    obey_definition(subject, case)


@DBSCAN.law(cases.extreme_cases, admits=legal, strict=True)
def overflow_follows_the_contract(subject: Subject, case: Case) -> None:
    """Squares that overflow compare as infinity, squares that vanish as zero."""
    obey_definition(subject, case)


@DBSCAN.law(cases.narrow_cases, admits=legal, strict=True)
def float32_rows_are_widened_first(subject: Subject, case: Case) -> None:
    """Differences of float32 rows are taken in float64."""
    obey_definition(subject, case)


@DBSCAN.law(
    cases.chained(
        {"X": np.zeros((10, 1)), "eps": 1.0, "min_samples": 1, "sample_weight": np.full(10, 0.1)},
        {
            "X": np.zeros((3, 1)),
            "eps": 1.0,
            "min_samples": 1,
            "sample_weight": np.array([1e100, 1.0, -1e100]),
        },
        then=cases.weighted(cases.dbscan_cases, lowest=0, step=0.1 / 1024),
    ),
    admits=legal,
    needs=("sample_weight",),
    strict=True,
)
def weights_are_summed_without_error(subject: Subject, case: Case) -> None:
    """The sum of weights is exact and rounded once, as by math.fsum."""
    obey_definition(subject, case)
