"""The studies: their laws hold, and DBSCAN's walks end where the reference does."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diptych import studies
from diptych.datasets import load_karate
from diptych.graph import Graph
from diptych.kernels.skipgram import negative_samples
from diptych.reference import clustering as reference
from diptych.studies import _negative_sampling_runs as runs
from diptych.studies.dbscan_steps import walk_through
from study_answers import answer

module = import_module("diptych.studies.negative_sampling")  # the package has the function by that name


@pytest.mark.parametrize("name", studies.STUDIES)
def test_every_study_obeys_its_law(name):
    result = answer(name)
    assert result.name == name
    assert result.holds
    assert result.question in str(result)
    assert result.law in " ".join(str(result).split())
    assert result.display is not None
    json.dumps(result.numbers)


@pytest.mark.parametrize("name", studies.STUDIES)
def test_every_study_needs_no_matplotlib_until_it_draws(name, monkeypatch):
    result = answer(name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match="diptych\\[plot\\]"):
        result.display.plot()


# ---- dbscan_steps ----


@given(
    points=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=40),
    eps=st.sampled_from([0.5, 1.0, 1.5, 2.0]),
    min_samples=st.integers(1, 6),
    metric=st.sampled_from(["euclidean", "manhattan", "chebyshev"]),
)
@settings(deadline=None, derandomize=True, max_examples=80)
def test_the_walk_ends_with_the_labels_of_the_reference(points, eps, min_samples, metric):
    X = np.array(points, dtype=np.float64)
    *_, last = walk_through(X, eps, min_samples=min_samples, metric=metric)
    _, labels = reference.dbscan(X, eps, min_samples=min_samples, metric=metric)
    np.testing.assert_array_equal(last.labels, labels)


def test_each_step_says_what_happened():
    # Three points in a row are one cluster of a core point and its two border points; the fourth is noise.
    X = np.array([[0.0], [1.0], [2.0], [9.0]])
    steps = list(walk_through(X, 1.0, min_samples=3))
    assert [(step.kind, step.point, step.cluster) for step in steps] == [
        ("visit", 0, -1),
        ("noise", 0, -1),
        ("visit", 1, -1),
        ("open", 1, 0),
        ("expand", 1, 0),
        ("border", 0, 0),
        ("border", 2, 0),
        ("visit", 3, -1),
        ("noise", 3, -1),
    ]
    assert [step.labels.tolist() for step in steps[1:5]] == [
        [-1] * 4,
        [-1] * 4,
        [-1, 0, -1, -1],
        [0, 0, 0, -1],
    ]
    assert steps[2].neighbours.tolist() == [0, 1, 2]


def test_the_study_sees_a_contested_border_point_change_hands():
    # Two groups of three, and a point between them in reach of one core point of each.
    X = np.array([[0.0], [0.1], [0.2], [1.1], [2.0], [2.1], [2.2]])
    result = studies.dbscan_steps(X, eps=0.95, min_samples=4)
    assert result.holds
    assert result.numbers["clusters"] == 2
    assert result.numbers["border_points_in_reach_of_two_clusters"] == [3]
    assert result.numbers["points_that_changed_hands"] == [3]


def test_the_law_breaks_when_the_labels_are_not_the_reference_s(monkeypatch):
    wrong = np.zeros(110, dtype=np.intp)
    core, _ = reference.dbscan(np.zeros((110, 1)), 1.0)
    monkeypatch.setattr(reference, "dbscan", lambda *_arguments, **_named: (core, wrong))
    assert not studies.dbscan_steps().holds


def test_filmstrip_and_animation(tmp_path):
    result = studies.dbscan_steps(np.array([[0.0], [1.0], [2.0], [9.0]]), eps=1.0, min_samples=3)
    display = result.display.plot(n_frames=6)
    assert len(display.axes_) == 6
    assert "done: 1 clusters, 1 noise" in display.axes_[-1].get_title()
    display.animate(str(tmp_path / "steps.gif"), every=4)
    assert (tmp_path / "steps.gif").read_bytes().startswith(b"GIF89a")


# ---- negative_sampling ----


@pytest.fixture(name="negatives")
def negative_sampling():
    return answer("negative_sampling").display


def test_a_pair_costs_a_dot_product_per_node_or_per_negative(negatives):
    race = negatives.race
    assert race.softmax.dot_products == 10_000 * race.softmax.pairs
    assert race.negatives.dot_products == 6 * race.negatives.pairs
    assert race.softmax.dot_products_per_pair / race.negatives.dot_products_per_pair == 10_000 / 6


def test_negatives_reach_the_loss_of_the_softmax_in_less_time(negatives):
    race = negatives.race
    assert race.softmax.losses[-1] < race.softmax.losses[0] - 0.05  # there is something to reach
    assert race.seconds_to_the_loss_of_softmax < race.softmax.seconds[-1]
    assert race.negatives.losses[-1] < race.softmax.losses[-1] < race.loss_after_as_many_pairs
    assert race.kernel_seconds_per_pair < race.negatives.seconds_per_pair < race.softmax.seconds_per_pair
    assert race.negatives.seconds_until(-1.0) == np.inf


def test_the_loss_before_any_pair_is_that_of_the_noise(negatives):
    assert negatives.race.softmax.losses[0] == negatives.race.negatives.losses[0]
    fresh = runs.pairs_of(runs.stars(10_000, runs.HUBS), 1, 1)
    trained_on = runs.pairs_of(runs.stars(10_000, runs.HUBS), 1, 0)
    expected = -np.log(trained_on.noise[fresh.targets[: runs.FRESH_PAIRS]]).mean()
    assert negatives.race.softmax.losses[0] == pytest.approx(expected, rel=1e-12)


def test_a_step_of_the_softmax_is_against_its_gradient():
    rng = np.random.default_rng(0)
    V, C, noise = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), np.array([0.1, 0.2, 0.3, 0.4])

    def loss(V, C):
        p = noise * np.exp(C @ V[1])
        return -np.log(p[2] / p.sum())

    moved_V, moved_C = V.copy(), C.copy()
    assert runs.softmax_step(moved_V, moved_C, 1, 2, 1.0, np.log(noise)) == 4
    for table, moved in ((V, moved_V), (C, moved_C)):
        for place in np.ndindex(table.shape):
            kept, losses = table[place], []
            for shift in (1e-6, -1e-6):
                table[place] = kept + shift
                losses.append(loss(V, C))
            table[place] = kept
            assert kept - moved[place] == pytest.approx((losses[0] - losses[1]) / 2e-6, abs=1e-8)


def test_one_pair_by_both_forces_is_the_step_with_negatives():
    both = runs.move(3, attraction=True, repulsion=True, pairs=1, rate=0.1)
    V, C = both.vectors[0].copy(), both.contexts[0] + 0.0
    edges, _, _ = load_karate()
    corpus = runs.pairs_of(Graph.from_edges(edges).adjacency, 10, 0)
    drawn = negative_samples(corpus.noise, 3, rng=0)
    v, c = corpus.inputs[0], corpus.targets[0]
    assert runs.negatives_step(V, C, v, c, drawn[drawn != c], 0.1) == 1 + np.count_nonzero(drawn != c)
    np.testing.assert_allclose(both.vectors[-1], V, rtol=0, atol=1e-15)
    np.testing.assert_allclose(both.contexts[-1], C, rtol=0, atol=1e-15)


@pytest.mark.parametrize("rng", [1, 2])
def test_only_both_forces_tell_communities_apart(rng):
    attraction, repulsion, both = (
        runs.move(5, attraction=pull, repulsion=push, rng=rng)
        for pull, push in ((True, False), (False, True), (True, True))
    )
    assert attraction.positive_scores == 1  # every pair is near, neighbours or not
    assert repulsion.positive_scores == 0  # none is
    for move, side in ((attraction, 1), (repulsion, -1)):
        assert min(move.cosine_within, move.cosine_across) > 0.9  # all vectors point one way,
        assert side * move.cosine_to_contexts > 0.99  # and contexts the same or the other
    assert 0 < both.positive_scores < 0.5
    assert both.cosine_within > 0.8
    assert both.cosine_across < 0.6


def test_the_noise_takes_visits_off_the_scores_of_hubs(negatives):
    uniform, usual = negatives.noises
    assert (uniform.exponent, usual.exponent) == (0, 0.75)
    assert uniform.slope - usual.slope == pytest.approx(0.75, abs=0.05)
    assert usual.hub_share < uniform.hub_share


def test_the_law_breaks_with_each_of_its_parts(negatives):
    right = module._Answer(negatives.race, negatives.movements, negatives.noises)
    assert right.cheaper
    assert right.takes_both
    assert right.hubs_are_held
    race, (uniform, usual) = negatives.race, negatives.noises
    slow = replace(race.negatives, seconds=race.negatives.seconds * 1000)
    more = replace(race.negatives, dot_products=race.negatives.dot_products + 1)
    for few in (slow, more):
        assert not replace(right, race=replace(race, negatives=few)).cheaper
    alone = right.movements | {"both": right.movements["repulsion"]}
    assert not replace(right, movements=alone).takes_both
    assert not replace(right, noises=(uniform, replace(usual, slope=uniform.slope))).hubs_are_held


def test_all_but_seconds_depends_on_the_seed_alone(negatives):
    def losses(rng):
        return runs.race(300, 2, softmax_pairs=40, rng=rng).negatives.losses.tolist()

    def ends(rng):
        return runs.move(2, attraction=True, repulsion=True, pairs=50, rng=rng).vectors[-1].tolist()

    for numbers in (losses, ends):
        assert numbers(3) == numbers(3)
        assert numbers(3) != numbers(4)
    usual = negatives.noises[1]
    assert runs.noise_effect(usual.exponent, 5, rng=0).slope == usual.slope


def test_negative_sampling_is_drawn_and_moves(negatives, tmp_path):
    display = negatives.plot()
    assert set(display.axes_) == {"race", "noise", "attraction", "repulsion", "both"}
    assert [len(line.get_xdata()) for line in display.axes_["race"].lines] == [7, 13, 2]
    display.animate(str(tmp_path / "forces.gif"), every=30)
    assert (tmp_path / "forces.gif").read_bytes().startswith(b"GIF89a")


@pytest.mark.parametrize(
    ("name", "value"), [("n_nodes", 199), ("negative", 0), ("softmax_pairs", 0), ("n_nodes", 200.5)]
)
def test_races_that_cannot_be_run(name, value):
    with pytest.raises(ValueError, match=f"{name}={value}"):
        studies.negative_sampling(**{name: value})
