"""What meta-paths refuse, by name, and what they survive: the kernels behind their contracts."""

import re
import sys
import threading
import time

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse import coo_array, csc_array, csr_array

from diptych._progress import reporting
from diptych.kernels.metapath import commuting_matrix, pathsim, pathsim_pairs, pathsim_top_k

WRITES = csr_array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
APPEARS_IN = csr_array([[1, 0], [0, 1], [1, 0], [0, 1]])
nan, inf = float("nan"), float("inf")

CALLS = {
    "relations": commuting_matrix,
    "half_path": pathsim,
    "half_path of the best k": pathsim_top_k,
    "half_path of pairs": lambda half: pathsim_pairs(half, [0], [1]),
}


def weighing(value, container=csr_array):
    A = container(APPEARS_IN.astype(float))
    A.data[2] = value
    return A


def lying(**parts):
    A = APPEARS_IN.copy()
    for name, values in parts.items():
        setattr(A, name, np.array(values, dtype=np.int32))
    return A


def lying_columns():
    A = csc_array(APPEARS_IN)
    A.indices[1] = 9
    return A


def lying_coordinates():
    A = coo_array(APPEARS_IN)
    A.coords = (np.array([0, 1, 2, 9]), A.coords[1])
    return A


SECOND = {  # what stands in the second place, and what is said of it
    "NaN": (weighing(nan), r"\[2, 0\]=nan"),
    "infinite": (weighing(inf), r"\[2, 0\]=inf"),
    "negative": (weighing(-2.0), r"\[2, 0\]=-2\.0"),
    "negative count": (csr_array([[0, 0], [0, -3], [0, 0], [0, 0]]), r"\[1, 1\]=-3"),
    "NaN in coordinates": (weighing(nan, coo_array), r"\[2, 0\]=nan"),
    "NaN in columns": (weighing(nan, csc_array), r"\[1, 1\]=nan"),
    "does not chain": (csr_array((3, 2)), r"\[0\] has shape \(3, 4\) and \w+\[1\] \(3, 2\)"),
    "one dimension": (coo_array(np.ones(4)), r"shape \(4,\)"),
    "index out of range": (lying(indices=[0, 1, 0, 7]), r"indices\[3\]=7 is out of range .* \(row 3\)"),
    "negative index": (lying(indices=[0, -1, 0, 1]), r"indices\[1\]=-1"),
    "indptr falls": (lying(indptr=[0, 2, 1, 3, 4]), r"indptr\[2\]=1"),
    "indptr begins late": (lying(indptr=[1, 1, 2, 3, 4]), r"indptr\[0\]=1"),
    "indptr ends late": (lying(indptr=[0, 1, 2, 3, 9]), r"indptr\[-1\]=9"),
    "indptr is short": (lying(indptr=[0, 1, 2, 4]), r"indptr has 4 entries"),
    "columns out of range": (lying_columns(), "indices must be < 4"),
    "coordinates out of range": (lying_coordinates(), "9"),
    "dense": (APPEARS_IN.toarray(), r"type ndarray.*csr_array\(\w+\[1\]\)"),
    "list": ([[1, 0]] * 4, "type list"),
    "complex": (csr_array(APPEARS_IN * 1j), "Complex"),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("bad", SECOND)
def test_bad_matrices_are_refused_by_name_and_place(name, bad):
    matrix, says = SECOND[bad]
    with pytest.raises(ValueError, match=says) as caught:
        CALLS[name]([WRITES, matrix])
    assert f"{name.split()[0]}[1]" in str(caught.value)
    if bad in ("dense", "list", "complex"):
        assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("name", CALLS)
def test_relations_that_do_not_chain_are_named_with_both_shapes(name):
    key = name.split()[0]
    with pytest.raises(ValueError, match=rf"{key}\[1\] has shape \(4, 2\) and {key}\[2\] \(3, 4\)"):
        CALLS[name]([WRITES, APPEARS_IN, WRITES])


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([], "is empty: at least one matrix"),
        ((), "is empty: at least one matrix"),
        (WRITES, "of type csr_array: a list"),
        (np.ones((2, 2)), "of type ndarray: a list"),
        (None, "of type NoneType: a list"),
        ("APVPA", "of type str: a list"),
    ],
    ids=str,
)
def test_what_is_no_list_of_matrices(name, given, says):
    with pytest.raises(ValueError, match=f"{name.split()[0]}.*{says}"):
        CALLS[name](given)


HALF = [WRITES, APPEARS_IN]


@pytest.mark.parametrize(
    ("k", "says"),
    [(0, "k=0: must be an integer, at least 1"), (-1, "k=-1"), (2.5, r"k=2\.5"), (True, "k=True")],
)
def test_k_is_a_count(k, says):
    with pytest.raises(ValueError, match=says):
        pathsim_top_k(HALF, k)


@pytest.mark.parametrize("threshold", [-0.1, 1.5, nan, inf, "0.5", None, True])
def test_a_threshold_is_a_score(threshold):
    with pytest.raises(ValueError, match=r"threshold=.*from 0 to 1"):
        pathsim(HALF, threshold=threshold)


@pytest.mark.parametrize("value", [1, 0, "no", None])
def test_include_self_is_true_or_false(value):
    with pytest.raises(TypeError, match="include_self="):
        pathsim_top_k(HALF, include_self=value)


@pytest.mark.parametrize("nodes", [[3], [-1], [0, 1, 9], np.array([2**63], np.uint64)])
def test_queries_and_pairs_are_nodes(nodes):
    fine = [0] * len(nodes)
    for name, call in (
        ("queries", lambda: pathsim_top_k(HALF, queries=nodes)),
        ("left", lambda: pathsim_pairs(HALF, nodes, fine)),
        ("right", lambda: pathsim_pairs(HALF, fine, nodes)),
    ):
        with pytest.raises(ValueError, match=rf"{name}\[{len(nodes) - 1}\]={nodes[-1]}"):
            call()


@pytest.mark.parametrize("nodes", [[0.5], ["Mike"], [[0, 1]], 0, [None]])
def test_nodes_are_given_by_number_in_one_row(nodes):
    with pytest.raises(ValueError, match="queries"):
        pathsim_top_k(HALF, queries=nodes)


def test_pairs_have_two_nodes():
    with pytest.raises(ValueError, match="left has 2 nodes, right has 1"):
        pathsim_pairs(HALF, [0, 1], [2])


def test_n_jobs_is_checked():
    for call in (pathsim, pathsim_top_k, lambda half, n_jobs: pathsim_pairs(half, [0], [1], n_jobs=n_jobs)):
        with pytest.raises(ValueError, match="n_jobs=0"):
            call(HALF, n_jobs=0)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            csr_array(np.array([[2**63]], np.uint64)),
            r"relations\[0\]\[0, 0\]=9223372036854775808 is beyond 64",
        ),
        (
            csr_array(([2**62] * 2, [0, 0], [0, 2]), shape=(1, 1)),
            r"relations\[0\]\[0, 0\] is stored more than",
        ),
        (
            csr_array(([1e308] * 2, [0, 0], [0, 2]), shape=(1, 1)),
            r"relations\[0\]\[0, 0\] is stored more than",
        ),
    ],
    ids=["entry", "sum of counts", "sum of weights"],
)
def test_entries_beyond_64_bits_are_named(given, says):
    with pytest.raises(OverflowError, match=says):
        commuting_matrix([given])


def test_no_weight_of_a_long_double_becomes_infinite():
    if np.finfo(np.longdouble).max == np.finfo(np.float64).max:
        pytest.skip("long double is float64 here")
    with pytest.raises(ValueError, match=r"relations\[0\]\[0, 0\]=inf"):
        commuting_matrix([csr_array(np.array([["1e400"]], dtype=np.longdouble))])


# From here on the kernels are at work.


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space")
def test_a_matrix_of_scores_that_does_not_fit_names_its_size_and_top_k(run_python):
    printed = run_python(
        """
import resource
import numpy as np
from scipy.sparse import csr_array
from diptych.kernels.metapath import pathsim, pathsim_top_k
together = [csr_array(np.ones((20_000, 1), dtype=np.int8))]  # all twins: 4 * 10**8 scores
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, resource.RLIM_INFINITY))
try:
    pathsim(together)
except MemoryError as error:
    print(error)
print(pathsim_top_k(together, 2, queries=[7]))
"""
    )
    assert re.search(r"4\.\d+ GiB.*top_k|top_k.*4\.\d+ GiB", printed), printed
    assert "TopK(indices=array([[0, 1]]), scores=array([[1., 1.]]))" in printed


def test_a_matrix_of_scores_that_cannot_fit_is_refused_before_it_is_counted():
    twins = csr_array(np.ones((10_000_000, 1), dtype=np.int8))  # 10**14 scores: hours
    with pytest.raises(MemoryError, match=r"pathsim_top_k.*at least: 1091\.4 TiB"):
        pathsim([twins])


def test_a_commuting_matrix_that_does_not_fit_names_all_of_its_size_and_top_k():
    column = csr_array(np.ones((4_000_000, 1), dtype=np.int8))  # 1.6 * 10**13 counts of 12 bytes
    with pytest.raises(MemoryError, match=r"the commuting matrix \(.*pathsim_top_k.*\): 174\.6 TiB"):
        commuting_matrix([column, column.T])


def test_best_k_that_do_not_fit_are_a_memory_error():
    with pytest.raises(MemoryError, match=r"no memory for the arrays of similar nodes: 201326592\.0 TiB"):
        pathsim_top_k(HALF, 2**62)
    with pytest.raises(MemoryError, match=r"no memory for the arrays of similar nodes: \d"):
        pathsim_top_k(HALF, 10**30)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("value", [bool, np.uint8, np.int64, np.float32, ">i4", ">f8"])
def test_types_and_read_only_arrays_do_not_matter(index, value):
    A = sparse.csr_matrix(WRITES)
    A.data = A.data.astype(value)
    A.indices, A.indptr = A.indices.astype(index), A.indptr.astype(index)
    for part in (A.data, A.indices, A.indptr):
        part.flags.writeable = False
    np.testing.assert_array_equal(pathsim([A, APPEARS_IN]).toarray(), pathsim(HALF).toarray())


def test_entries_beyond_the_last_row_are_not_looked_at():
    A = WRITES.copy()
    A.indices = np.append(A.indices, 99).astype(np.int32)
    A.data = np.append(A.data, -1)
    np.testing.assert_array_equal(commuting_matrix([A]).toarray(), WRITES.toarray())


BUSY = [
    csr_array(np.random.default_rng(0).integers(0, 3, (20_000, 60)).astype(float))
]  # weights take longest


def test_what_a_callback_raises_stops_the_work():
    def stop(done, total):
        raise KeyboardInterrupt

    started = time.perf_counter()
    with pytest.raises(KeyboardInterrupt), reporting(stop):
        pathsim_top_k(BUSY, 50)
    assert time.perf_counter() - started < 2  # of about twenty
    assert pathsim_pairs(HALF, [0], [1]).tolist() == [2 / 3]


def test_progress_rises_to_its_total():
    seen = []
    with reporting(lambda done, total: seen.append((done, total))):
        pathsim_top_k([BUSY[0][:4000]], 5)
    done, totals = zip(*seen, strict=True)
    assert list(done) == sorted(done)
    assert max(done) <= max(totals)


def test_threads_ask_side_by_side():
    wanted, found = pathsim_top_k(HALF, 2), []
    threads = [
        threading.Thread(target=lambda: found.append(pathsim_top_k(HALF, 2, n_jobs=2))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(threads)
    for top in found:
        np.testing.assert_array_equal(top.indices, wanted.indices)
