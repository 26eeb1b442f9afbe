"""The extension module on its own is safe: malformed CSR and hostile arguments meet an error there too."""

import re

import numpy as np
import pytest
from scipy.sparse import coo_array, csc_array, csr_array, csr_matrix

import diptych
from diptych import _rust
from diptych.kernels import clustering
from diptych.reference import clustering as reference

refusal = (ValueError, TypeError, OverflowError)  # the last: a Python int that is no usize
ints = lambda *values: np.array(values, dtype=np.int64)  # noqa: E731

# A chain 0 - 1 - 2 and a lone point; row 1 unsorted, an explicit zero on a diagonal.
INDPTR, INDICES, DATA = ints(0, 1, 3, 5, 5), ints(1, 2, 0, 1, 2), np.array([0.1, 0.1, 0.1, 0.1, 0.0])

BAD_CSR = {
    "index too large": (
        INDPTR,
        ints(1, 2, 0, 1000, 2),
        DATA,
        r"indices\[3\]=1000 is out of range for 4 columns \(row 2\)",
    ),
    "index one too large": (INDPTR, ints(1, 2, 0, 4, 2), DATA, r"indices\[3\]=4 is out of range"),
    "index negative": (
        INDPTR,
        ints(1, -1, 0, 1, 2),
        DATA,
        r"indices\[1\]=-1 is out of range for 4 columns \(row 1\)",
    ),
    "index smallest": (INDPTR, ints(1, 2, 0, 1, -(2**63)), DATA, r"indices\[4\]=-9223372036854775808"),
    "index largest": (INDPTR, ints(1, 2, 0, 1, 2**63 - 1), DATA, r"indices\[4\]=9223372036854775807"),
    "indptr falls": (ints(0, 3, 1, 5, 5), INDICES, DATA, r"indptr\[2\]=1"),
    "indptr does not start at 0": (ints(1, 1, 3, 5, 5), INDICES, DATA, r"indptr\[0\]=1"),
    "indptr starts below 0": (ints(-1, 1, 3, 5, 5), INDICES, DATA, r"indptr\[0\]=-1"),
    "indptr ends too early": (ints(0, 1, 3, 4, 4), INDICES, DATA, r"indptr\[-1\]=4.*5"),
    "indptr ends too late": (ints(0, 1, 3, 5, 6), INDICES, DATA, r"indptr\[-1\]=6.*5"),
    "indptr ends far too late": (ints(0, 1, 3, 5, 2**62), INDICES, DATA, r"4611686018427387904"),
    "indptr overflows": (ints(0, 2**62, 2**63 - 1, 5, 5), INDICES, DATA, r"indptr\[\d\]"),
    "data shorter": (INDPTR, INDICES, DATA[:4], "(?s)data.*4|4.*data"),
    "data longer": (INDPTR, INDICES, np.append(DATA, 1.0), "(?s)data.*6|6.*data"),
    "indices shorter": (INDPTR, INDICES[:4], DATA, "(?s)indices.*4|4"),
}
TRAINING = (2, 2, 1, 0.75, True, 1, 0.1, 0.01, 7, (8, 16, 32, 100))
CSR_CALLS = {
    "dbscan_csr": lambda *csr: _rust.dbscan_csr(*csr, 4, 0.2, 2, None, 2, None),
    "dbscan_csr, weights": lambda *csr: _rust.dbscan_csr(*csr, 4, 0.2, 2, np.ones(4) * 2, 2, None),
    "k_distances_csr": lambda *csr: _rust.k_distances_csr(*csr, 4, 1, 2, None),
    "dbscan_predict_csr": lambda *csr: _rust.dbscan_predict_csr(*csr, 4, ints(0, 1, 2, 3), 0.2, 2, None),
    "random_walks": lambda *csr: _rust.random_walks(*csr, 4, None, 5, 2, 1.0, 1.0, 7, 2, None),
    "random_walks, p and q": lambda *csr: _rust.random_walks(*csr, 4, None, 5, 2, 0.5, 2.0, 7, 2, None),
    "skipgram_embed": lambda *csr: _rust.skipgram_embed(*csr, 4, (5, 2, 1.0, 1.0), TRAINING, None, 2, None),
}


@pytest.mark.parametrize("bad", BAD_CSR)
@pytest.mark.parametrize("call", CSR_CALLS)
def test_the_kernel_refuses_malformed_csr(call, bad):
    *csr, says = BAD_CSR[bad]
    with pytest.raises(ValueError, match=says):
        CSR_CALLS[call](*csr)


def lying(bad, container):
    """Build a SciPy matrix that is wrong inside: its constructor would have noticed, assignment does not."""
    indptr, indices, data, _ = BAD_CSR[bad]
    A = container((4, 4))
    A.indptr, A.indices, A.data = indptr.copy(), indices.copy(), data.copy()
    return A


@pytest.mark.parametrize("container", [csr_array, csr_matrix])
@pytest.mark.parametrize("bad", BAD_CSR)
def test_malformed_csr_is_refused_whoever_is_asked(bad, container):
    for call in (
        lambda A: clustering.dbscan(A, 0.2, metric="precomputed"),
        lambda A: clustering.k_distances(A, 1, metric="precomputed"),
        lambda A: clustering.dbscan_predict(A, None, [0, 1, 2, 3], 0.2, metric="precomputed"),
        lambda A: diptych.DBSCAN(eps=0.2, metric="precomputed").fit(A),
        lambda A: diptych.dbscan(A, 0.2, metric="precomputed"),
    ):
        with pytest.raises(ValueError, match=r"(?i)ind(ices|ptr|ex)|data|size|row|column"):
            call(lying(bad, container))


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("value", [np.float64, np.float32, int])
@pytest.mark.parametrize("container", [csr_array, csr_matrix])
def test_well_formed_csr_of_every_type(container, index, value):
    A = container((4, 4))
    A.indptr, A.indices = INDPTR.astype(index), INDICES.astype(index)
    A.data = np.ceil(DATA).astype(value) if value is int else DATA.astype(value)
    expected = reference.dbscan(A, 1.5, min_samples=3, metric="precomputed")
    assert expected[1].tolist() == [0, 0, 0, -1]
    for found in (
        clustering.dbscan(A, 1.5, min_samples=3, metric="precomputed"),
        diptych.dbscan(A, 1.5, min_samples=3, metric="precomputed"),
    ):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(
        clustering.k_distances(A, 2, metric="precomputed"), reference.k_distances(A, 2, metric="precomputed")
    )


def test_other_sparse_formats():
    A = csr_array((DATA, INDICES, INDPTR), shape=(4, 4))
    expected = clustering.dbscan(A, 0.2, min_samples=3, metric="precomputed")[1]
    for other in (coo_array(A), csc_array(A), A.tolil()):
        with pytest.raises(TypeError, match=rf"{other.format}.*tocsr"):
            clustering.dbscan(other, 0.2, metric="precomputed")
        labels = diptych.DBSCAN(eps=0.2, min_samples=3, metric="precomputed").fit(other).labels_
        np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize(
    ("values", "shape", "says"),
    [
        (-DATA, (4, 4), "(?i)negative"),
        (DATA * np.nan, (4, 4), "(?i)nan"),
        (DATA + np.inf, (4, 4), "(?i)inf"),
        (DATA * 1j, (4, 4), "(?i)complex"),
        (DATA, (4, 5), r"(?i)square|\(4, 5\)"),
    ],
    ids=["negative", "NaN", "infinity", "complex", "not square"],
)
def test_bad_sparse_distances(values, shape, says):
    A = csr_array((values, INDICES, INDPTR), shape=shape)
    for call in (clustering.dbscan, diptych.dbscan):
        with pytest.raises(refusal, match=says):
            call(A, eps=0.2, metric="precomputed")
    with pytest.raises(refusal, match=says):
        clustering.k_distances(A, 1, metric="precomputed")


def test_sparse_matrices_with_nothing_in_them():
    empty = csr_array((3, 3))
    for call in (clustering.dbscan, diptych.dbscan):
        core, labels = call(empty, 0.5, min_samples=1, metric="precomputed")
        np.testing.assert_array_equal(core, [0, 1, 2])
        np.testing.assert_array_equal(labels, [0, 1, 2])
        with pytest.raises(ValueError, match=r"row|sample|column|feature"):
            call(csr_array((0, 0)), 0.5, metric="precomputed")
    np.testing.assert_array_equal(clustering.k_distances(empty, 2, metric="precomputed"), [np.inf] * 3)


def test_random_malformed_csr_gives_an_error_or_an_answer():
    """Memory safety by numbers: indices and pointers out of a hat, among them the largest there are."""
    rng = np.random.default_rng(0)
    hat = ints(-(2**63), -(2**31), -1, 0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 2**31, 2**32, 2**62, 2**63 - 1)
    answered = 0
    for _ in range(3000):
        n, nnz, columns = (
            rng.integers(0, 5),
            rng.integers(0, 9),
            int(rng.choice([0, 1, 3, 4, 2**40, 2**63 - 1])),
        )
        indptr = rng.choice(hat, n + 1)
        if rng.random() < 0.7:
            indptr = np.sort(np.clip(indptr, 0, nnz))
            indptr[[0, -1]] = 0, nnz
        indices = rng.choice(hat if rng.random() < 0.5 else ints(0, 1, 2, 3), nnz)
        data = rng.random(nnz + (rng.random() < 0.1))
        labels = rng.integers(0, 3, int(rng.choice([columns % 100, n])))
        csr = (indptr, indices, data, columns)
        for function, *rest in (
            (_rust.dbscan_csr, 0.5, 2, None, 1, None),
            (_rust.k_distances_csr, 1, 1, None),
            (_rust.dbscan_predict_csr, labels, 0.5, 1, None),
        ):
            try:
                function(*csr, *rest)
                answered += 1
            except ValueError:
                pass
    assert answered > 300, "nearly everything was malformed: the numbers test one check only"


# Dense arguments, past the Python contract

X = np.random.default_rng(0).random((40, 3))


def raw(x=X, eps=0.5, min_samples=2, metric="euclidean", p=2.0, weight=None, threads=1, progress=None):
    return _rust.dbscan(x, eps, min_samples, metric, p, weight, threads, progress)


HOSTILE = {
    "Fortran order": {"x": np.asfortranarray(X)},
    "strided": {"x": X[::2]},
    "backwards": {"x": X[::-1]},
    "one dimension": {"x": X[0]},
    "three dimensions": {"x": X[None]},
    "integers": {"x": X.astype(int)},
    "float16": {"x": X.astype(np.float16)},
    "big-endian": {"x": X.astype(">f8")},
    "a list": {"x": X.tolist()},
    "eps a string": {"eps": "1"},
    "min_samples negative": {"min_samples": -1},
    "min_samples too large": {"min_samples": 2**70},
    "unknown metric": {"metric": "euclidian"},
    "weights too short": {"weight": np.ones(39)},
    "weights too long": {"weight": np.ones(41)},
    "weights float32": {"weight": np.ones(40, np.float32)},
    "weights strided": {"weight": np.ones(80)[::2]},
    "threads negative": {"threads": -1},
    "haversine of three columns": {"metric": "haversine"},
}


@pytest.mark.parametrize("bad", HOSTILE)
def test_the_kernel_refuses(bad):
    with pytest.raises(refusal):
        raw(**HOSTILE[bad])


WILD = {
    "eps NaN": {"eps": np.nan},
    "eps negative": {"eps": -1.0},
    "eps 0": {"eps": 0.0},
    "eps infinite": {"eps": np.inf},
    "eps tiny": {"eps": 5e-324},
    "min_samples 0": {"min_samples": 0},
    "no rows": {"x": np.empty((0, 3))},
    "no columns": {"x": np.empty((5, 0))},
    "NaN": {"x": X * np.nan},
    "one NaN": {"x": np.where(X[3, 1] == X, np.nan, X)},
    "infinity": {"x": np.where(X[3, 1] == X, np.inf, X)},
    "all infinite": {"x": X + np.inf},
    "huge": {"x": X * 1e308},
    "weights NaN": {"weight": np.full(40, np.nan)},
    "weights infinite": {"weight": np.tile([np.inf, -np.inf], 20)},
    "weights huge": {"weight": np.full(40, 1e308)},
    "p 0": {"metric": "minkowski", "p": 0.0},
    "p NaN": {"metric": "minkowski", "p": np.nan},
    "p infinite": {"metric": "minkowski", "p": np.inf},
    "no threads": {"threads": 0},
}


@pytest.mark.parametrize("wild", WILD)
@pytest.mark.parametrize(
    "metric", ["euclidean", "manhattan", "chebyshev", "minkowski", "cosine", "haversine"]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the casts here
def test_the_kernel_survives(wild, metric, dtype):
    """Values that the contract keeps out: an error or some labels, never a panic, an abort or a hang."""
    options = {"metric": metric} | WILD[wild]
    x = np.ascontiguousarray(options.pop("x", X), dtype=dtype)
    if metric == "haversine":
        x = np.ascontiguousarray(x[:, :2])
    try:
        core, labels = raw(x, **options)
    except ValueError:
        return
    assert len(labels) == len(x)
    assert len(core) <= len(x)


@pytest.mark.parametrize("k", [0, 40, 41, 2**62])
def test_the_kernel_refuses_k(k):
    with pytest.raises(ValueError, match=str(k)):
        _rust.k_distances(X, k, "euclidean", 2.0, 1, None)
    with pytest.raises(ValueError, match=str(k)):
        _rust.k_distances_dense(np.zeros((40, 40)), k, 1, None)


def test_the_kernel_refuses_shapes_that_do_not_fit():
    labels = np.zeros(40, np.int64)
    for call in (
        lambda: _rust.dbscan_predict(X, X[:, :2].copy(), labels, 0.5, "euclidean", 2.0, 1, None),
        lambda: _rust.dbscan_predict(X, X, labels[:39], 0.5, "euclidean", 2.0, 1, None),
        lambda: _rust.dbscan_predict_dense(X, labels, 0.5, 1, None),
        lambda: _rust.dbscan_dense(X, 0.5, 2, None, 1, None),
        lambda: _rust.dbscan_dense(np.zeros((3, 3)), 0.5, 2, np.ones(2), 1, None),
        lambda: _rust.k_distances_dense(X, 1, 1, None),
        lambda: _rust.dbscan_csr(INDPTR, INDICES, DATA, 5, 0.5, 2, None, 1, None),
        lambda: _rust.dbscan_csr(INDPTR, INDICES, DATA, 4, 0.5, 2, np.ones(3), 1, None),
        lambda: _rust.dbscan_csr(INDPTR[:0], INDICES[:0], DATA[:0], 0, 0.5, 2, None, 1, None),
        lambda: _rust.dbscan_predict_csr(INDPTR, INDICES, DATA, 4, labels, 0.5, 1, None),
    ):
        with pytest.raises(refusal):
            call()


def test_random_words_refuse_impossible_counts():
    assert len(_rust.splitmix64(0, 0, 0, 0)) == 0
    with pytest.raises(refusal):
        _rust.splitmix64(-1, 0, 0, 1)
    with pytest.raises(refusal):
        _rust.splitmix64(0, 0, 0, -1)
    with pytest.raises((*refusal, MemoryError), match=re.compile(".+")):
        _rust.splitmix64(0, 0, 0, 2**62)
