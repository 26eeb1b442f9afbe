"""Rust walks number for number as the reference: about the ring, any matrix, any biases, any threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array, csr_matrix
from walk_graphs import GRAPHS, sparse

RING = 32  # walks that a thread moves together


def agree(both_panels, graph, threads=(1, 2, 3), **options):
    reference, rust = (panel.walks for panel in both_panels)
    expected = reference.random_walks(graph, **options)
    for n_jobs in threads:
        found = rust.random_walks(graph, n_jobs=n_jobs, **options)
        np.testing.assert_array_equal(found, expected, err_msg=f"n_jobs={n_jobs}")
    return expected


@st.composite
def matrices(draw):
    """CSR of any kind: rows out of order, repeats, zeros, loops, dead ends, all sorts of weights."""
    n = draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    counts = rng.integers(0, draw(st.integers(1, 14)), n)
    indptr, m = np.append(0, np.cumsum(counts)), counts.sum()
    indices = rng.integers(0, n, m)
    kind = draw(st.sampled_from(["equal", "bool", "whole", "decimal", "steep"]))
    data = {
        "equal": np.full(m, 0.1),
        "bool": np.ones(m, bool),
        "whole": rng.integers(0, 3, m),
        "decimal": rng.random(m),
        "steep": 10.0 ** rng.integers(-200, 200, m),
    }[kind]
    index = draw(st.sampled_from([np.int32, np.int64]))
    return csr_array((data, indices.astype(index), indptr.astype(index)), shape=(n, n))


@settings(max_examples=150)
@given(
    graph=matrices(),
    p=st.sampled_from([1.0, 0.25, 0.5, 2.0, 4.0, 1e-3, 1e50]),
    q=st.sampled_from([1.0, 0.25, 0.5, 2.0, 4.0, 1e3, 1e-50]),
    seed=st.integers(0, 2**32),
    length=st.integers(1, 9),
)
def test_any_matrix(both_panels, graph, p, q, seed, length):
    options = {"p": p, "q": q, "rng": seed, "walk_length": length, "walks_per_node": 3}
    before = [part.copy() for part in (graph.indptr, graph.indices, graph.data)]
    agree(both_panels, graph, threads=(1, 2), **options)
    for part, old in zip((graph.indptr, graph.indices, graph.data), before, strict=True):
        np.testing.assert_array_equal(part, old)


@pytest.mark.parametrize("n_walks", [1, RING - 1, RING, RING + 1, 2 * RING, 3 * RING + 1])
@pytest.mark.parametrize(("p", "q"), [(1.0, 1.0), (0.5, 2.0), (4.0, 0.25)])
@pytest.mark.parametrize("name", GRAPHS)
def test_sizes_about_the_ring(both_panels, name, p, q, n_walks):
    A = GRAPHS[name]
    starts = np.random.default_rng(n_walks).integers(0, len(A), n_walks)
    agree(both_panels, sparse(A), walk_length=12, walks_per_node=1, p=p, q=q, start_nodes=starts, rng=n_walks)


def a_graph(n, weighted, seed=0):
    """Degrees from one to hundreds, so that searches of all depths run together."""
    rng = np.random.default_rng(seed)
    i, j = (n * rng.random((2, 8 * n)) ** 3).astype(int)
    w = rng.random(len(i)) if weighted else np.ones(len(i))
    A = csr_matrix((w, (i, j)), shape=(n, n))
    A = A + A.T
    if not weighted:
        A.data[:] = 1.0
    return A


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("p", "q"), [(1.0, 1.0), (0.5, 2.0), (2.0, 0.5), (0.25, 0.25), (4.0, 4.0)])
def test_hubs_and_leaves(both_panels, p, q, weighted):
    walks = agree(both_panels, a_graph(300, weighted), walk_length=15, walks_per_node=2, p=p, q=q, rng=6)
    assert walks.shape == (600, 15)


@pytest.mark.parametrize("bias", [1.0, 0.5])
def test_blocks_and_threads(both_panels, bias):
    # More steps than a block has; the beginning against the reference, all against one thread.
    _, rust = (panel.walks for panel in both_panels)
    A = a_graph(3000, True, seed=1)
    first, *rest = (rust.random_walks(A, walk_length=50, p=bias, rng=2, n_jobs=n) for n in (1, 2, 3))
    for other in rest:
        np.testing.assert_array_equal(first, other)
    begin = agree(both_panels, A, threads=(2,), walk_length=50, p=bias, rng=2, start_nodes=[0, 1, 2])
    np.testing.assert_array_equal(begin, first[:30])


@settings(max_examples=200)
@given(
    st.lists(st.floats(0, 1e6) | st.sampled_from([0.0, 0.1, 1.0, 3.0]), min_size=1, max_size=70),
    st.integers(0, 9),
)
def test_alias_tables_and_draws(both_panels, weights, seed):
    if not any(weights):
        weights = [*weights, 1.0]
    reference, rust = (panel.walks for panel in both_panels)
    expected, found = reference.alias_table(weights), rust.alias_table(weights)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    for size in (0, 1, 100):
        np.testing.assert_array_equal(
            rust.sample_alias(found, size, rng=seed), reference.sample_alias(expected, size, rng=seed)
        )


def test_draws_of_several_blocks(both_panels):
    reference, rust = (panel.walks for panel in both_panels)
    table = reference.alias_table(np.random.default_rng(0).random(1000))
    for size in (2**16 - 1, 2**16, 2**16 + 1, 3 * 2**16 + 1):
        np.testing.assert_array_equal(
            rust.sample_alias(table, size, rng=7), reference.sample_alias(table, size, rng=7)
        )


@pytest.mark.parametrize("bias", [{}, {"p": 0.5, "q": 4.0}])
@pytest.mark.parametrize("weighted", [False, True])
def test_nodes_whose_numbers_take_more_than_24_bits(both_panels, weighted, bias):
    """The same graph at the far end of many nodes has the same walks there; the kernel's records differ."""
    _, rust = (panel.walks for panel in both_panels)
    n, far = 60, 2**24 - 10  # some numbers take 24 bits, some 25
    near = a_graph(n, weighted)
    indptr = np.concatenate([np.zeros(far, np.int32), near.indptr.astype(np.int32)])
    beyond = csr_array((near.data, near.indices.astype(np.int32) + far, indptr), shape=(far + n, far + n))
    options = {"walk_length": 50, "walks_per_node": 20, "rng": 3, "n_jobs": 2, **bias}
    expected = rust.random_walks(near, **options)
    found = rust.random_walks(beyond, start_nodes=np.arange(far, far + n), **options)
    np.testing.assert_array_equal(found, np.where(expected < 0, -1, expected + far))
