"""The laws of DBSCAN.

A law takes a subject (the function under test) and a case (its arguments) and raises `LawBroken` with the
reason. Worked examples come first, then the parts of the definition, then what must not matter (order, place,
scale), then weights and metrics. Their inputs are chosen so that no neighbour test hangs on rounding: an
implementation may compute distances in any sound way. The laws marked strict fix the rounding too.
"""

# ruff: noqa: D401 -- the docstring of a law is what the law says

from __future__ import annotations

import numpy as np

from diptych.testing import _clustering_cases as cases
from diptych.testing._call import LawBroken
from diptych.testing._clustering_answers import (
    DBSCAN,
    Answer,
    agree,
    ask,
    line,
    obey_definition,
    reach,
    read,
    say,
    sound,
)
from diptych.testing._clustering_definition import clusters, is_clear
from diptych.testing._clustering_queries import DBSCAN_PREDICT, K_DISTANCES
from diptych.testing._engine import Case, Subject, examples

__all__ = ["DBSCAN", "DBSCAN_PREDICT", "K_DISTANCES"]


# Worked examples ----------------------------------------------------------------------------------


@DBSCAN.law(examples({"X": line(0, 1), "eps": 2.0, "min_samples": 2}), admits=sound)
def a_row_is_its_own_neighbour(subject: Subject, case: Case) -> None:
    """Two rows within eps of each other have two neighbours each: the other, and themselves."""
    obey_definition(subject, case)


@DBSCAN.law(
    examples(
        {"X": line(0, 1, 2), "eps": 1.0, "min_samples": 3}, {"X": line(0, 2), "eps": 2.0, "min_samples": 2}
    ),
    admits=sound,
)
def the_distance_eps_counts(subject: Subject, case: Case) -> None:
    """A row exactly eps away is a neighbour: the comparison is <=."""
    obey_definition(subject, case)


@DBSCAN.law(examples({"X": line(*range(8)), "eps": 1.0, "min_samples": 3}), admits=sound)
def a_chain_is_one_cluster(subject: Subject, case: Case) -> None:
    """A cluster spreads from core row to core row, however far its ends are apart."""
    obey_definition(subject, case)


# The row at 2 is within reach of a core row on each side, and has too few neighbours to be one.
_BRIDGE = (0, 0.25, 0.5, 1, 2, 3, 3.5, 3.75, 4)


@DBSCAN.law(examples({"X": line(*_BRIDGE), "eps": 1.0, "min_samples": 4}), shrinks=False)
def a_border_row_does_not_join_clusters(subject: Subject, case: Case) -> None:
    """Two clusters that touch the same border row stay two: only core rows spread."""
    labels = ask(subject, case).labels
    if labels[0] == labels[8]:
        raise LawBroken(
            f"rows 0 and 8 share label {labels[0]}, though only row 4, no core row, lies between them"
        )


@DBSCAN.law(
    examples(
        {"X": line(*_BRIDGE), "eps": 1.0, "min_samples": 4},
        {"X": line(*[-x for x in _BRIDGE]), "eps": 1.0, "min_samples": 4},
        {"X": line(*_BRIDGE[4:], *_BRIDGE[:4]), "eps": 1.0, "min_samples": 4},
        {"X": line(0, 0.25, 0.5, 1, 1.9375, 2.75, 3.5, 3.625, 3.75), "eps": 1.0, "min_samples": 4},
    ),
    shrinks=False,
)
def a_border_row_takes_the_smallest_number(subject: Subject, case: Case) -> None:
    """A border row within reach of two clusters belongs to the one with the smaller number."""
    obey_definition(subject, case)


@DBSCAN.law(
    examples({"X": line(0, 0.25, 0.5, 1, 2, 3, 3.5, 4), "eps": 1.0, "min_samples": 4}),
    shrinks=False,
)
def a_small_cluster_survives(subject: Subject, case: Case) -> None:
    """A cluster may keep fewer than min_samples rows once an earlier cluster took its border row."""
    obey_definition(subject, case)


@DBSCAN.law(
    examples({"X": line(9, 0, 0.5, 1, 10, 10.5, 11), "eps": 1.0, "min_samples": 3}),
    shrinks=False,
)
def clusters_count_from_their_first_core_row(subject: Subject, case: Case) -> None:
    """Cluster numbers follow the first core row of each cluster; a border row does not count for that."""
    obey_definition(subject, case)


@DBSCAN.law(
    examples(
        {"X": line(7), "eps": 1.0, "min_samples": 1},
        {"X": line(7), "eps": 1.0, "min_samples": 2},
        {"X": line(3, 3, 3, 3), "eps": 0.5, "min_samples": 4},
        {"X": line(0, 10, 20), "eps": 1.0, "min_samples": 2},
        {"X": line(0, 1, 2), "eps": 100.0, "min_samples": 9},
    ),
    admits=sound,
)
def the_ends_of_the_scale_work(subject: Subject, case: Case) -> None:
    """One row, equal rows, lonely rows, and more min_samples than rows all have an answer."""
    obey_definition(subject, case)


# The definition, part by part ---------------------------------------------------------------------


@DBSCAN.law(cases.dbscan_cases, admits=sound)
def core_rows_have_enough_neighbours(subject: Subject, case: Case) -> None:
    """A row is core exactly when at least min_samples rows, itself included, lie within eps."""
    near, core = reach(case)
    answer = ask(subject, case)
    if answer.core is not None:
        for i in sorted(core ^ set(answer.core)):
            raise LawBroken(
                f"{say(case, near, i)}, but it is {'not ' if i in core else ''}among the core rows"
            )
    for i in sorted(core):
        if answer.labels[i] == -1:
            raise LawBroken(f"{say(case, near, i)}, but it is labelled noise")


@DBSCAN.law(cases.dbscan_cases, admits=sound)
def noise_is_what_no_core_row_reaches(subject: Subject, case: Case) -> None:
    """A row is noise exactly when it is not core and has no core row within eps."""
    near, core = reach(case)
    for i, label in enumerate(ask(subject, case).labels):
        reached = core & set(near[i])
        if label == -1 and i in core:
            raise LawBroken(f"{say(case, near, i)}, so it is core, but it is labelled noise")
        if label == -1 and reached:
            raise LawBroken(f"row {i} is labelled noise, but has core row(s) {sorted(reached)} within eps")
        if label != -1 and not reached:
            raise LawBroken(f"row {i} has label {label}, but no core row lies within eps of it")


@DBSCAN.law(cases.dbscan_cases, admits=sound)
def core_neighbours_share_a_cluster(subject: Subject, case: Case) -> None:
    """Two core rows within eps of each other have the same label."""
    near, core = reach(case)
    labels = ask(subject, case).labels
    for i in sorted(core):
        for j in near[i]:
            if j in core and labels[i] != labels[j]:
                raise LawBroken(
                    f"core rows {i} and {j} are neighbours, but have labels {labels[i]} and {labels[j]}"
                )


@DBSCAN.law(cases.bridges, admits=sound)
def clusters_hang_together(subject: Subject, case: Case) -> None:
    """Between two core rows of one cluster leads a chain of core rows, each within eps of the next."""
    _, core = reach(case)
    labels = ask(subject, case).labels
    _, expected = clusters(case)
    first: dict[int, int] = {}
    for i in sorted(core):
        j = first.setdefault(labels[i], i)
        if expected[i] != expected[j]:
            raise LawBroken(
                f"core rows {j} and {i} share label {labels[i]}, but no chain of core rows joins them"
            )


@DBSCAN.law(cases.dbscan_cases, admits=sound)
def numbers_rise_with_the_first_core_row(subject: Subject, case: Case) -> None:
    """Down the core rows, labels first appear in the order 0, 1, 2 and so on."""
    _, core = reach(case)
    labels = ask(subject, case).labels
    seen = list(dict.fromkeys(labels[i] for i in sorted(core)))
    if seen != list(range(len(seen))) or max(labels) >= len(seen):
        raise LawBroken(f"the core rows {sorted(core)} bring the labels in the order {seen}")


@DBSCAN.law(cases.bridges, admits=sound)
def border_rows_take_the_smallest_number(subject: Subject, case: Case) -> None:
    """A border row has the smallest label among the core rows within eps of it."""
    near, core = reach(case)
    labels = ask(subject, case).labels
    for i in range(len(near)):
        reached = sorted({labels[j] for j in near[i] if j in core})
        if i not in core and reached and labels[i] != reached[0]:
            raise LawBroken(
                f"border row {i} has label {labels[i]}; core rows of clusters {reached} lie within eps"
            )


# What must not matter -----------------------------------------------------------------------------


@DBSCAN.law(cases.dbscan_cases, admits=sound)
def the_order_of_rows_does_not_matter(subject: Subject, case: Case) -> None:
    """Rows in another order are core and clustered as before, up to the numbers of the clusters."""
    rows = case["X"].shape[0]
    _, core = reach(case)
    before = ask(subject, case)
    for order in (np.arange(rows)[::-1], np.r_[0:rows:2, 1:rows:2]):
        after = ask(subject, case | {"X": case["X"][order]})
        back = np.argsort(order)
        moved = [after.labels[k] for k in back]
        if [x == -1 for x in moved] != [x == -1 for x in before.labels]:
            raise LawBroken(f"with rows in the order {order.tolist()} other rows are noise")
        if after.core is not None and sorted(int(order[k]) for k in after.core) != before.core:
            raise LawBroken(f"with rows in the order {order.tolist()} other rows are core")
        pairs = {(before.labels[i], moved[i]) for i in core}
        if len(pairs) != len({a for a, _ in pairs}) or len(pairs) != len({b for _, b in pairs}):
            raise LawBroken(f"with rows in the order {order.tolist()} core rows form other clusters")


@DBSCAN.law(cases.dbscan_cases, admits=lambda case: sound(case | {"min_samples": 1}))
def nobody_is_alone_with_min_samples_1(subject: Subject, case: Case) -> None:
    """With min_samples=1 every row is core, so none is noise."""
    labels = ask(subject, case | {"min_samples": 1}).labels
    if -1 in labels:
        raise LawBroken(f"with min_samples=1 row {labels.index(-1)} is noise")


@DBSCAN.law(cases.dbscan_cases, admits=lambda case: sound(case) and is_clear(case | {"eps": 2 * case["eps"]}))
def a_greater_eps_loses_nothing(subject: Subject, case: Case) -> None:
    """With eps doubled, core rows stay core, clustered rows stay clustered, and clusters do not split."""
    before, after = ask(subject, case), ask(subject, case | {"eps": 2 * case["eps"]})
    lost = [
        i for i, (a, b) in enumerate(zip(before.labels, after.labels, strict=True)) if a != -1 and b == -1
    ]
    if lost:
        raise LawBroken(f"row(s) {lost} became noise when eps grew to {2 * case['eps']}")
    if before.core is not None and after.core is not None and not set(before.core) <= set(after.core):
        gone = sorted(set(before.core) - set(after.core))
        raise LawBroken(f"row(s) {gone} ceased to be core when eps grew to {2 * case['eps']}")
    _, core = reach(case)
    pairs = {(before.labels[i], after.labels[i]) for i in core}
    if len(pairs) != len({a for a, _ in pairs}):
        raise LawBroken(f"a cluster fell apart when eps grew to {2 * case['eps']}")


@DBSCAN.law(cases.lattice_cases, admits=sound)
def the_origin_does_not_matter(subject: Subject, case: Case) -> None:
    """Adding one number to a whole column changes nothing; the numbers here are exact in float64."""
    for shift in (-3.0, 2.0**20 + 1, 2.0**32):
        agree(subject, case, case | {"X": case["X"] + shift}, f"when {shift} was added to every coordinate")


@DBSCAN.law(cases.lattice_cases, admits=sound)
def the_unit_does_not_matter(subject: Subject, case: Case) -> None:
    """Measuring rows and eps in another unit changes nothing; factors are powers of two, so this is exact."""
    for factor in (2.0, 2.0**-30, 2.0**30):
        changed = case | {"X": case["X"] * factor, "eps": case["eps"] * factor}
        agree(subject, case, changed, f"when X and eps were multiplied by {factor}")


@DBSCAN.law(cases.lattice_cases, admits=lambda case: sound(case) and case["min_samples"] > 1)
def a_far_row_changes_nothing(subject: Subject, case: Case) -> None:
    """A row out of everybody's reach, put at the end, is noise and leaves the others as they were."""
    X = np.vstack([case["X"], np.full(case["X"].shape[1], 4096.0)])
    before, after = ask(subject, case), ask(subject, case | {"X": X})
    if after != Answer([*before.labels, -1], before.core):
        raise LawBroken(f"labels {before.labels} became {after.labels} when a far row was put at the end")


@DBSCAN.law(cases.lattice_cases, admits=sound)
def a_constant_column_changes_nothing(subject: Subject, case: Case) -> None:
    """A column in which all rows are equal adds nothing to any distance."""
    X = np.column_stack([np.full(case["X"].shape[0], 7.0), case["X"]])
    agree(subject, case, case | {"X": X}, "when a constant column was put in front")


@DBSCAN.law(cases.dbscan_cases, admits=sound)
def the_input_is_left_alone(subject: Subject, case: Case) -> None:
    """The function does not write into X."""
    X = case["X"].copy()
    subject.on(case | {"X": X})
    if not np.array_equal(X, case["X"]):
        raise LawBroken(f"X was changed to {X.tolist()}")


@DBSCAN.law(cases.dbscan_cases, admits=sound)
def calls_remember_nothing(subject: Subject, case: Case) -> None:
    """Asked again, also after another question, the function answers the same."""
    before = ask(subject, case)
    ask(subject, case | {"X": case["X"][::-1] + 1.0})
    if before != (after := ask(subject, case)):
        raise LawBroken(f"labels {before.labels} became {after.labels} on a second call")


@DBSCAN.law(cases.lattice_cases, admits=sound)
def the_memory_layout_does_not_matter(subject: Subject, case: Case) -> None:
    """Fortran order, a slice with steps and reversed strides are read like a plain array."""
    X = case["X"]
    before = ask(subject, case)
    views = {
        "Fortran order": np.asfortranarray(X),
        "every second column of a wider array": np.repeat(X, 2, axis=1)[:, ::2],
        "reversed strides": X[::-1].copy()[::-1],
    }
    for what, view in views.items():
        after = read(subject.on(case | {"X": view}), X.shape[0])
        if before != after:
            raise LawBroken(f"labels {before.labels} became {after.labels} when X came as {what}")


@DBSCAN.law(cases.dbscan_cases, admits=sound, needs=("n_jobs",))
def the_number_of_threads_does_not_matter(subject: Subject, case: Case) -> None:
    """Any n_jobs gives the answer of one thread."""
    for n_jobs in (2, 3, -1):
        agree(subject, case | {"n_jobs": 1}, case | {"n_jobs": n_jobs}, f"with n_jobs={n_jobs} in place of 1")


from diptych.testing import _clustering_options  # noqa: E402, F401  (its laws come after those above)
