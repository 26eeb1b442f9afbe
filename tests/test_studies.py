"""The studies: their laws hold, and their walks end where the reference does."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diptych import studies
from diptych.reference import clustering as reference
from diptych.studies.dbscan_steps import walk_through


@pytest.mark.parametrize("name", studies.STUDIES)
def test_every_study_obeys_its_law(name):
    result = studies.STUDIES[name]()
    assert result.name == name
    assert result.holds
    assert result.question in str(result)
    assert result.law in " ".join(str(result).split())
    assert result.display is not None


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


def test_studies_need_no_matplotlib_until_they_draw(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = studies.dbscan_steps()
    with pytest.raises(ImportError, match="diptych\\[plot\\]"):
        result.display.plot()
