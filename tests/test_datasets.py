"""The data sets: shapes, classes, seeds."""

from __future__ import annotations

import numpy as np
import pytest

from diptych import datasets


@pytest.mark.parametrize(
    ("name", "shape", "n_classes"),
    [("iris", (150, 4), 3), ("wine", (178, 13), 3), ("digits", (1797, 64), 10)],
)
def test_what_scikit_learn_ships(name, shape, n_classes):
    X, y, class_names = getattr(datasets, f"load_{name}")()
    assert X.shape == shape
    assert X.dtype == np.float64
    assert X.flags.c_contiguous
    assert y.dtype == np.intp
    assert sorted(set(y.tolist())) == list(range(n_classes))
    assert len(class_names) == n_classes


def test_photo():
    pytest.importorskip("PIL")
    photo = datasets.load_photo(step=4)
    assert photo.shape == (107, 160, 3)
    assert photo.dtype == np.uint8


def test_moons_depend_on_the_seed_alone():
    first, again, other = (datasets.make_moons_and_noise(50, rng=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.X, again.X)
    assert not np.array_equal(first.X, other.X)
    generator = datasets.make_moons_and_noise(50, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(first.X, generator.X)


def test_moons_lie_on_half_circles():
    X, y, _ = datasets.make_moons_and_noise(300, noise_share=0.2, spread=0.0, rng=0)
    assert np.bincount(y).tolist() == [120, 120, 60]
    np.testing.assert_allclose(np.hypot(*X[y == 0].T), 1.0)
    np.testing.assert_allclose(np.hypot(*(X[y == 1] - [1.0, 0.5]).T), 1.0)
    assert (X[y == 0][:, 1] >= 0).all()


def test_karate_is_the_one_that_networkx_ships():
    theirs = pytest.importorskip("networkx").karate_club_graph()
    edges, y, class_names = datasets.load_karate()
    assert sorted(map(tuple, edges.tolist())) == sorted(tuple(sorted(edge)) for edge in theirs.edges)
    clubs = {"Mr. Hi": "instructor", "Officer": "officer"}
    assert [class_names[c] for c in y] == [clubs[theirs.nodes[node]["club"]] for node in range(34)]
    assert (edges.dtype, y.dtype) == (np.int64, np.intp)
