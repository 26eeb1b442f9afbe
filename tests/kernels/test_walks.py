"""Walks and alias tables: the laws, and the exact law of every step, on both panels."""

import itertools

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.stats import chi2
from walk_graphs import GRAPHS, p_value, sparse, worst_first_step, worst_second_step

from diptych import testing

NAMES = ["alias_table", "sample_alias", "random_walks"]
UNLIKELY = 1e-6  # seeds are fixed: a right implementation passes always or, once in a million, never
BIASES = list(itertools.product((0.25, 1.0, 4.0), repeat=2))


@pytest.mark.parametrize("name", NAMES)
def test_laws(panel, name):
    function = getattr(panel.walks, name)
    report = testing.check(function, f"walks.{name}", seed=1, examples=20, strict=True, timeout=60)
    assert report.passed, str(report)
    assert {law.status for law in report.laws} == {"holds"}, str(report)


def repeats(panel):
    """Walks per node: as many as the panel walks in a second or two."""
    return 20_000 if panel.name == "rust" else 25


@pytest.mark.parametrize("name", GRAPHS)
def test_first_order_steps_follow_their_law(panel, name):
    A = GRAPHS[name]
    walks = panel.walks.random_walks(
        sparse(A), walk_length=30, walks_per_node=5 * repeats(panel), rng=len(name)
    )
    worst, tried = worst_first_step(A, walks)
    assert tried >= 5
    assert worst > UNLIKELY


@pytest.mark.parametrize(("p", "q"), BIASES)
@pytest.mark.parametrize("name", GRAPHS)
def test_every_triple_follows_its_law(panel, name, p, q):
    A = GRAPHS[name]
    walks = panel.walks.random_walks(
        sparse(A), walk_length=40, walks_per_node=repeats(panel), p=p, q=q, rng=len(name)
    )
    worst, tried = worst_second_step(A, walks, p, q)
    assert tried >= 10
    assert worst > UNLIKELY


@pytest.mark.parametrize(
    ("p", "q"), [(1e-3, 1.0), (1e3, 1.0), (1.0, 1e-3), (1.0, 1e3), (1e-300, 1e300), (1e300, 1e-300)]
)
def test_extreme_biases_end_and_follow_the_law(panel, p, q):
    for A in GRAPHS.values():
        few = max(repeats(panel) // 10, 20)
        walks = panel.walks.random_walks(sparse(A), walk_length=20, walks_per_node=few, p=p, q=q, rng=5)
        assert worst_second_step(A, walks, p, q)[0] > UNLIKELY


def test_visits_tend_to_the_stationary_distribution(panel):
    # On a connected undirected graph that is not bipartite: in proportion to the weight at each node.
    A = GRAPHS["first_neighbours"] * np.outer([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6])
    share = A.sum(1) / A.sum()
    mixing = np.sort(abs(np.linalg.eigvals(A / A.sum(1)[:, None])))[-2]
    assert mixing**59 < 1e-6  # what is left of the start after 59 steps
    walks = panel.walks.random_walks(sparse(A), walk_length=60, walks_per_node=repeats(panel), rng=3)
    last = np.bincount(walks[:, -1], minlength=len(A))  # one per walk: independent
    assert p_value(last, share) > UNLIKELY


def test_the_law_of_second_steps_can_fail(panel):
    # The helpers tell a neighbouring law apart, at the number of steps the tests above take.
    A = GRAPHS["lollipop"]
    walks = panel.walks.random_walks(
        sparse(A), walk_length=40, walks_per_node=repeats(panel), p=0.25, q=4.0, rng=1
    )
    assert worst_second_step(A, walks, 0.25, 1.0)[0] < UNLIKELY
    assert worst_second_step(A, walks, 1.0, 4.0)[0] < UNLIKELY
    assert worst_first_step(A, walks)[0] < UNLIKELY


def test_alias_tables_reproduce_their_weights(panel):
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 10, 1000):
        for weights in (
            rng.random(n),
            rng.pareto(0.5, n),
            rng.integers(0, 3, n) + np.eye(1, n)[0],
            2.0 ** -np.arange(n),
        ):
            threshold, alias = panel.walks.alias_table(weights)
            share = threshold + np.bincount(alias, weights=1 - threshold, minlength=n)
            np.testing.assert_allclose(share / n, weights / weights.sum(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1.0, 1e300])
def test_weights_may_be_tiny_or_huge(panel, scale):
    table = panel.walks.alias_table(np.array([1.0, 2.0, 5.0]) * scale)
    assert table.threshold.tolist() == [0.375, 0.75, 1.0]
    assert table.alias.tolist() == [2, 2, 2]


def test_equal_weights_need_no_alias(panel):
    for weight, n in itertools.product((0.1, 1.0, 3.3, 1e300), (1, 3, 10, 49)):
        threshold, alias = panel.walks.alias_table(np.full(n, weight))
        assert (threshold == 1).all()
        assert (alias == np.arange(n)).all()


def test_draws_follow_their_table(panel):
    weights = np.array([0.0, 1.0, 2.0, 0.5, 10.0, 0.0, 3.0])
    draws = panel.walks.sample_alias(panel.walks.alias_table(weights), 500_000, rng=0)
    assert p_value(np.bincount(draws, minlength=7), weights / weights.sum()) > UNLIKELY


def test_slots_are_drawn_evenly_when_they_are_many(panel):
    n = 3000  # no power of two: a biased choice of the slot shows
    draws = panel.walks.sample_alias(panel.walks.alias_table(np.ones(n)), 3_000_000, rng=1)
    counts = np.bincount(draws, minlength=n)
    assert chi2.sf(((counts - 1000.0) ** 2 / 1000).sum(), n - 1) > UNLIKELY


def test_results_are_owned_arrays(panel):
    table = panel.walks.alias_table([1, 2, 3])
    draws = panel.walks.sample_alias(table, 4, rng=0)
    walks = panel.walks.random_walks(csr_array(np.ones((3, 3))), walk_length=5, rng=0)
    arrays = [table.threshold, table.alias, draws, walks]
    assert [a.dtype for a in arrays] == [np.float64, np.int64, np.int64, np.int32]
    assert [a.shape for a in arrays] == [(3,), (3,), (4,), (30, 5)]
    assert all(a.flags.c_contiguous and a.flags.writeable for a in arrays)
    assert type(table).__name__ == "AliasTable"


def test_dead_ends_and_starts(panel):
    A = np.zeros((5, 5))
    A[0, 1] = A[1, 2] = A[3, 0] = 1.0  # 0 -> 1 -> 2, 3 -> 0, node 4 alone
    walks = panel.walks.random_walks(
        csr_array(A), walk_length=4, walks_per_node=2, start_nodes=[3, 4, 3, 2], p=2
    )
    assert walks.tolist() == 2 * [[3, 0, 1, 2]] + 2 * [[4, -1, -1, -1]] + 2 * [[3, 0, 1, 2]] + 2 * [
        [2, -1, -1, -1]
    ]


def test_nothing_to_walk_on(panel):
    walk = panel.walks.random_walks
    assert walk(csr_array((0, 0)), walk_length=7).shape == (0, 7)
    assert walk(csr_array(np.ones((2, 2))), walk_length=7, start_nodes=[]).shape == (0, 7)
    assert walk(csr_array((3, 3)), walk_length=2, walks_per_node=1).tolist() == [[0, -1], [1, -1], [2, -1]]
    assert walk(csr_array((2, 2)), walk_length=1, walks_per_node=1).tolist() == [[0], [1]]


def test_shorter_walks_begin_the_longer_ones(panel):
    A = sparse(GRAPHS["one_way"])
    for options in ({}, {"p": 0.25, "q": 4.0}):
        long = panel.walks.random_walks(A, walk_length=20, walks_per_node=5, rng=9, **options)
        short = panel.walks.random_walks(A, walk_length=7, walks_per_node=5, rng=9, **options)
        np.testing.assert_array_equal(long[:, :7], short)


def test_a_generator_moves_on(panel):
    generator, A = np.random.default_rng(4), sparse(GRAPHS["lollipop"])
    first, second = (panel.walks.random_walks(A, rng=generator) for _ in range(2))
    assert (first != second).any()
    again = panel.walks.random_walks(A, rng=np.random.default_rng(4))
    np.testing.assert_array_equal(first, again)
    sequence = panel.walks.random_walks(A, rng=np.random.SeedSequence(4))
    np.testing.assert_array_equal(sequence, panel.walks.random_walks(A, rng=4))
