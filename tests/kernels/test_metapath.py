"""Meta-paths: the laws, the worked examples, and the edges of what 64 bits hold, on both panels."""

from itertools import pairwise

import numpy as np
import pytest
from metapath_chains import FLOATS, FORMATS, WHOLE, chain, plain_product
from scipy.sparse import coo_array, csr_array, csr_matrix

from diptych import testing

NAMES = ["commuting_matrix", "pathsim", "pathsim_top_k", "pathsim_pairs"]
WRITES = csr_array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])  # three authors, four papers
APPEARS_IN = csr_array([[1, 0], [0, 1], [1, 0], [0, 1]])  # … two venues
MIKE = csr_array([[2, 1, 0, 0], [50, 20, 0, 0], [2, 0, 1, 0], [2, 1, 0, 0], [0, 0, 1, 1]])


@pytest.mark.parametrize("name", NAMES)
def test_laws(panel, name):
    function = getattr(panel.metapath, name)
    report = testing.check(function, f"metapath.{name}", seed=1, strict=True, timeout=60)
    assert report.passed, str(report)
    assert {law.status for law in report.laws} == {"holds"}, str(report)


def test_the_worked_example(panel):
    S = panel.metapath.pathsim([WRITES, APPEARS_IN])
    assert S.toarray().tolist() == [[1, 2 / 3, 2 / 3], [2 / 3, 1, 0], [2 / 3, 0, 1]]
    assert S.nnz == 7  # the two who never meet are not stored


def test_the_table_of_the_paper(panel):
    # Sun et al. (2011), table 2, row PathSim: Mike against Jim, Mary, Bob, Ann.
    scores = panel.metapath.pathsim_pairs([MIKE], [0, 0, 0, 0], [1, 2, 3, 4])
    assert scores.tolist() == [240 / 2905, 0.8, 1.0, 0.0]
    assert scores.round(4).tolist() == [0.0826, 0.8, 1.0, 0.0]
    indices, best = panel.metapath.pathsim_top_k([MIKE], 10, queries=[0])
    assert indices.tolist() == [[3, 2, 1] + [-1] * 7]
    assert best.tolist() == [[1.0, 0.8, 240 / 2905] + [0.0] * 7]


def test_results_are_owned_arrays_in_canonical_form(panel):
    relations = [WRITES, APPEARS_IN]
    W, S = panel.metapath.commuting_matrix(relations), panel.metapath.pathsim(relations)
    top, pairs = panel.metapath.pathsim_top_k(relations, 2), panel.metapath.pathsim_pairs(relations, [0], [1])
    for A, dtype in ((W, np.int64), (S, np.float64)):
        assert isinstance(A, csr_array)
        assert A.dtype == dtype
        assert A.indices.dtype == A.indptr.dtype == np.int32
        fresh = csr_array((A.data, A.indices, A.indptr), shape=A.shape)
        fresh.check_format()
        assert fresh.has_canonical_format
        assert A.has_canonical_format
    assert type(top).__name__ == "TopK"
    assert [a.dtype for a in (*top, pairs)] == [np.int64, np.float64, np.float64]
    assert [a.shape for a in (*top, pairs)] == [(3, 2), (3, 2), (1,)]
    assert all(a.flags.c_contiguous and a.flags.writeable for a in (*top, pairs, W.data, S.data))


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("dtype", [*WHOLE, *FLOATS])
def test_any_dtype_in_any_format(panel, dtype, form):
    rng = np.random.default_rng(3)
    relations = [A.astype(dtype).asformat(form) for A in chain(rng, (4, 6, 4), [np.int64])]
    found, expected = panel.metapath.commuting_matrix(relations), plain_product(relations)
    assert found.dtype == expected.dtype == (np.int64 if np.dtype(dtype).kind in "biu" else np.float64)
    np.testing.assert_array_equal(found.toarray(), expected.toarray())
    assert found.data.all()


def test_one_floating_point_relation_makes_the_chain_float(panel):
    third = csr_array([[1 / 3]])
    for relations in ([csr_array([[3]]), third], [third, csr_array([[True]])]):
        assert panel.metapath.commuting_matrix(relations).dtype == np.float64


@pytest.mark.parametrize(("dtype", "value"), [(np.bool_, True), (np.int8, 100), (np.uint8, 200)])
@pytest.mark.parametrize("container", [coo_array, csr_array])
def test_narrow_types_are_widened_before_they_are_summed(panel, dtype, value, container):
    data, places = np.full(300, value, dtype), np.zeros(300, dtype=np.int32)
    stored = (data, (places, places)) if container is coo_array else (data, places, np.array([0, 300]))
    [count] = panel.metapath.commuting_matrix([container(stored, shape=(1, 1))]).data
    assert count == 300 * int(value)


def test_floats_stored_more_than_once_are_summed_as_they_come(panel):
    data = np.array([1.0, 1e16, 1.0, 1.0, -0.0] * 5)
    A = csr_array((data, np.zeros(25, dtype=int), np.array([0, 25])), shape=(1, 1))
    total = 0.0
    for value in data.tolist():
        total += value
    assert panel.metapath.commuting_matrix([A]).data.tolist() == [total]


def test_scipy_matrices_of_old_are_taken(panel):
    relations = [csr_matrix(WRITES), csr_matrix(APPEARS_IN)]
    assert isinstance(panel.metapath.commuting_matrix(relations), csr_array)
    assert panel.metapath.pathsim_pairs(relations, [0], [1]).tolist() == [2 / 3]


# The edges of 64 bits


def test_counts_up_to_the_last_of_int64(panel):
    multiply = panel.metapath.commuting_matrix
    most = 2**63 - 1
    assert multiply([csr_array([[most]])]).data.tolist() == [most]
    assert multiply([csr_array([[2**62, 2**62 - 1]]), csr_array([[1], [1]])]).data.tolist() == [most]
    assert multiply([csr_array([[2**31 - 1]]), csr_array([[2**32]])]).data.tolist() == [(2**31 - 1) * 2**32]
    assert multiply([csr_array([[np.uint64(most)]])]).data.tolist() == [most]


BEYOND = {
    "product": [csr_array([[2**32]]), csr_array([[2**31]])],
    "product that wraps to 0": [csr_array([[2**32]]), csr_array([[2**32]])],
    "sum": [csr_array([[2**62, 2**62]]), csr_array([[1], [1]])],
    "sum that wraps to 0": [csr_array([[2**62] * 4]), csr_array([[1]] * 4)],
    "third": [csr_array([[2**30]])] * 3,
    "entry": [csr_array(np.array([[2**63]], dtype=np.uint64))],
    "stored twice": [csr_array(([2**62, 2**62], [0, 0], [0, 2]), shape=(1, 1))],
    "stored so often that it wraps to 0": [csr_array(([2**62] * 4, [0] * 4, [0, 4]), shape=(1, 1))],
    "coordinates": [coo_array(([2**62] * 4, ([0] * 4, [0] * 4)), shape=(1, 1))],
    "float product": [csr_array([[1e200]]), csr_array([[1e200]])],
    "float sum": [csr_array([[1e308, 1e308]]), csr_array([[1.0], [1.0]])],
    "float stored twice": [csr_array(([1e308, 1e308], [0, 0], [0, 2]), shape=(1, 1))],
}


@pytest.mark.parametrize("case", BEYOND)
def test_what_64_bits_do_not_hold_is_an_overflow_error(panel, case):
    with pytest.raises(OverflowError):
        panel.metapath.commuting_matrix(BEYOND[case])
    with pytest.raises(OverflowError):
        panel.metapath.pathsim(BEYOND[case])


def every_score(panel, half_path):
    """Return s(0, 1) from all three functions, which must agree."""
    S = panel.metapath.pathsim(half_path).toarray()
    top = panel.metapath.pathsim_top_k(half_path, 1)
    pairs = panel.metapath.pathsim_pairs(half_path, [0, 1], [1, 0])
    assert S[0, 1] == S[1, 0] == top.scores[0, 0] == top.scores[1, 0] == pairs[0] == pairs[1]
    return S[0, 1]


@pytest.mark.parametrize(("a", "b"), [(2**26 + 1, 2**26), (2**27 - 1, 2**27 - 3), (2**31 - 1, 2**31 - 2)])
def test_scores_of_great_counts_are_rounded_once(panel, a, b):
    assert a * a < 2**62
    assert every_score(panel, [csr_array([[a], [b]])]) == 2 * a * b / (a * a + b * b)  # Python's integers
    assert every_score(panel, [csr_array([[a, 1], [b, 0]])]) == 2 * a * b / (a * a + 1 + b * b)


@pytest.mark.parametrize("rows", [[[2**31], [1]], [[2**32], [1]], [[2**30] * 4, [1, 0, 0, 0]]])
def test_paths_around_from_2_to_the_62_are_refused(panel, rows):
    half = [csr_array(rows)]
    for call in (
        panel.metapath.pathsim,
        panel.metapath.pathsim_top_k,
        lambda half: panel.metapath.pathsim_pairs(half, [0], [1]),
    ):
        with pytest.raises(OverflowError):
            call(half)


def test_great_weights(panel):
    assert every_score(panel, [csr_array([[9e153], [9e153]])]) == 1.0
    for weight in (1e154, 2e154):  # 2 M_xx, then M_xx itself, does not fit
        with pytest.raises(OverflowError):
            panel.metapath.pathsim([csr_array([[weight], [1.0]])])


def test_tiny_weights(panel):
    # Products that round to 0 are no entries; a node whose M_xx rounds to 0 has no path.
    assert panel.metapath.commuting_matrix([csr_array([[1e-200]]), csr_array([[1e-200]])]).nnz == 0
    assert every_score(panel, [csr_array([[1e-170], [1e100]])]) == 0.0
    assert panel.metapath.pathsim([csr_array([[1e-170], [1e100]])]).toarray().tolist() == [[0, 0], [0, 1]]
    assert every_score(panel, [csr_array([[1e-150], [1e-150]])]) == 1.0


# Nothing, little, too much asked for


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (0, 0), (2, 0, 3), (0, 2, 3), (3, 2, 0), (3, 2)])
def test_types_without_nodes_and_relations_without_edges(panel, sizes):
    half = [csr_array(shape, dtype=np.int64) for shape in pairwise(sizes)]
    n = sizes[0]
    W, S = panel.metapath.commuting_matrix(half), panel.metapath.pathsim(half)
    assert (W.shape, W.nnz, W.dtype) == ((n, sizes[-1]), 0, np.int64)
    assert (S.shape, S.nnz, S.dtype) == ((n, n), 0, np.float64)
    indices, scores = panel.metapath.pathsim_top_k(half, 2, include_self=True)
    assert indices.tolist() == [[-1, -1]] * n
    assert scores.tolist() == [[0.0, 0.0]] * n
    everyone = np.arange(n)
    assert panel.metapath.pathsim_pairs(half, everyone, everyone).tolist() == [0.0] * n


def test_no_queries_and_no_pairs(panel):
    indices, scores = panel.metapath.pathsim_top_k([MIKE], 3, queries=[])
    assert (indices.shape, indices.dtype, scores.shape) == ((0, 3), np.int64, (0, 3))
    assert panel.metapath.pathsim_pairs([MIKE], [], []).shape == (0,)


def test_queries_keep_their_order_and_may_come_twice(panel):
    whole = panel.metapath.pathsim_top_k([MIKE], 3, include_self=True)
    queries = np.array([4, 0, 4, 2], dtype=np.int16)
    some = panel.metapath.pathsim_top_k([MIKE], 3, queries=queries, include_self=True)
    np.testing.assert_array_equal(some.indices, whole.indices[queries])
    np.testing.assert_array_equal(some.scores, whole.scores[queries])


def test_twins_and_the_query_itself_tie_by_index(panel):
    twins = csr_array([[1, 2]] * 5 + [[2, 4]])
    top = panel.metapath.pathsim_top_k([twins], 3)
    assert top.indices[:3].tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3]]
    with_self = panel.metapath.pathsim_top_k([twins], 3, include_self=True)
    assert with_self.indices[:5].tolist() == [[0, 1, 2]] * 5
    assert top.indices[5].tolist() == [0, 1, 2]
    assert top.scores[5].tolist() == [0.8] * 3


def test_a_threshold_keeps_itself(panel):
    assert panel.metapath.pathsim([MIKE], threshold=0.8).nnz == 5 + 2 + 4  # the diagonal, twins, Mary
    assert panel.metapath.pathsim([MIKE], threshold=np.nextafter(0.8, 1)).nnz == 5 + 2
    assert panel.metapath.pathsim([MIKE], threshold=1).nnz == 5 + 2
    assert panel.metapath.pathsim([MIKE], threshold=0).nnz == panel.metapath.pathsim([MIKE]).nnz
