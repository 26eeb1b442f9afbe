"""Each check once: what passes unchanged, what is converted, and what each refusal says."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from diptych import _validate
from diptych._validate import METRICS, DtypeError
from diptych.kernels.clustering import dbscan_predict


class TestPoints:
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_good_arrays_pass_without_a_copy(self, dtype):
        X = np.ones((3, 2), dtype=dtype)
        assert _validate.points(X) is X
        X.flags.writeable = False
        assert _validate.points(X) is X

    @pytest.mark.parametrize(
        ("given", "dtype"),
        [
            (np.arange(6).reshape(3, 2), np.float64),
            (np.arange(6, dtype=np.uint8).reshape(3, 2), np.float64),
            (np.ones((3, 2), dtype=bool), np.float64),
            (np.ones((3, 2), dtype=np.float16), np.float64),
            (np.arange(6.0).reshape(3, 2).astype(">f8"), np.float64),
            (np.arange(6.0).reshape(3, 2).astype(">f4"), np.float32),
            (np.arange(6.0).reshape(3, 2).astype(np.longdouble), np.float64),
            (np.asfortranarray(np.arange(6.0).reshape(3, 2)), np.float64),
            (np.arange(12.0).reshape(3, 4)[::-1, ::-2], np.float64),
            (np.broadcast_to(np.arange(2.0), (3, 2)), np.float64),
            (np.ma.masked_array(np.arange(6.0).reshape(3, 2), mask=False), np.float64),
            ([[0, 1], [2.5, 3]], np.float64),
            (np.array([[0, 1.5], [True, 3]], dtype=object), np.float64),
            (pd.DataFrame({"a": [0.0, 1.0], "b": [2, 3]}), np.float64),
            (np.matrix([[0.0, 1.0]]), np.float64),
        ],
        ids=repr,
    )
    @pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
    def test_the_rest_is_converted_once(self, given, dtype):
        X = _validate.points(given)
        assert type(X) is np.ndarray
        assert X.dtype == dtype
        assert X.dtype.isnative
        assert X.flags.c_contiguous
        assert X.flags.aligned
        np.testing.assert_array_equal(X, np.asarray(given).astype(dtype))

    def test_memory_map_and_unaligned_buffer(self, tmp_path):
        np.arange(6.0).tofile(tmp_path / "x")
        mapped = np.memmap(tmp_path / "x", dtype=np.float64, mode="r", shape=(3, 2))
        assert np.shares_memory(_validate.points(mapped), mapped)
        shifted = np.frombuffer(b"\0" + np.arange(6.0).tobytes(), dtype=np.float64, offset=1).reshape(3, 2)
        assert not shifted.flags.aligned
        assert _validate.points(shifted).flags.aligned

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (np.float64(3), r"X has shape \(\): two dimensions.*pass \[\[X\]\]"),
            (np.arange(3.0), r"X has shape \(3,\): two dimensions.*X\.reshape\(-1, 1\)"),
            (np.ones((2, 2, 2)), r"X has shape \(2, 2, 2\).*X\.reshape\(X\.shape\[0\], -1\)"),
            (np.ones((0, 2)), r"X has shape \(0, 2\): at least one row"),
            (np.ones((2, 0)), r"X has shape \(2, 0\): at least one column"),
            ([[1, 2], [3]], "rows differ in length"),
            (np.array([[1.0, 2.0], [3.0, np.nan]]), r"X\[1, 1\]=nan: every value must be finite"),
            (np.array([[1.0, -np.inf], [3.0, np.nan]], dtype=np.float32), r"X\[0, 1\]=-inf"),
            (np.ma.masked_array(np.ones((2, 2)), mask=[[0, 1], [0, 0]]), "masked entries"),
            (np.broadcast_to(np.float64(0), (2**32 - 1, 1)), "X has 4294967295 rows: at most 4294967294"),
        ],
        ids=repr,
    )
    def test_bad_values(self, given, message):
        with pytest.raises(ValueError, match=message):
            _validate.points(given)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (np.ones((2, 2), dtype=complex), "X has dtype complex128: Complex data not supported"),
            ([["a", "b"]], "X has dtype <U1: numbers are needed"),
            (np.array([[1.0, "2.0"]], dtype=object), r"X\[0, 1\]='2.0': every value must be a real number"),
            (np.array([[1.0, None]], dtype=object), r"X\[0, 1\]=None"),
            (np.array([["2020-01-01"]], dtype="M8[D]"), "numbers are needed"),
            (np.zeros((2, 2), dtype=[("a", float)]), "numbers are needed"),
            (sparse.csr_array(np.eye(2)), r"X is sparse \(csr\).*toarray.*diptych\.DBSCAN"),
            ("points.csv", "X has dtype <U10"),
            (None, "X=None: every value must be a real number"),
        ],
        ids=repr,
    )
    def test_wrong_types_are_both_kinds_of_error(self, given, message):
        with pytest.raises(DtypeError, match=message):
            _validate.points(given)
        assert issubclass(DtypeError, TypeError)
        assert issubclass(DtypeError, ValueError)

    def test_sums_that_overflow_are_not_mistaken_for_infinity(self):
        X = np.full((4, 2), 1e308)
        assert _validate.points(X) is X
        assert _validate.points(np.float32(1e38) * np.ones((40, 2), np.float32)).dtype == np.float32

    def test_a_long_double_beyond_float64_is_named(self):
        if np.finfo(np.longdouble).max == np.finfo(np.float64).max:
            pytest.skip("long double is float64 here")
        with pytest.raises(ValueError, match=r"X\[0, 0\]=inf"):
            _validate.points(np.array([["1e400"]], dtype=np.longdouble))


class TestDistances:
    def test_square(self):
        D = np.ones((2, 2), dtype=np.float32)
        assert _validate.distances(D) is D
        with pytest.raises(ValueError, match=r"shape \(2, 3\): Precomputed matrix must be square"):
            _validate.distances(np.ones((2, 3)))
        with pytest.raises(
            ValueError, match=r"X\[0, 1\]=-1\.0: Negative values in data passed to precomputed"
        ):
            _validate.distances([[0.0, -1.0], [1.0, 0.0]])

    def test_to_core_points(self):
        assert _validate.distances(np.ones((5, 3)), columns=3).shape == (5, 3)
        assert _validate.distances(np.ones((5, 0)), columns=0).shape == (5, 0)
        with pytest.raises(ValueError, match="X has 2 columns: one for each of the 3 core points"):
            _validate.distances(np.ones((5, 2)), columns=3)

    @pytest.mark.parametrize("container", [sparse.csr_array, sparse.csr_matrix])
    @pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int8])
    def test_csr(self, container, dtype):
        graph = container(np.array([[0, 2, 0], [1, 0, 0], [0, 3, 0]], dtype=dtype))
        indptr, indices, data, columns = _validate.csr_distances(graph)
        assert (indptr.dtype, indices.dtype, data.dtype, columns) == (np.int64, np.int64, np.float64, 3)
        np.testing.assert_array_equal(indptr, [0, 1, 2, 3])
        np.testing.assert_array_equal(indices, [1, 0, 1])
        np.testing.assert_array_equal(data, [2, 1, 3])

    def test_bad_csr(self):
        graph = sparse.csr_array(np.array([[0.0, 2.0], [1.0, 0.0]]))
        with pytest.raises(DtypeError, match=r"'coo' format: pass X\.tocsr\(\)"):
            _validate.csr_distances(graph.tocoo())
        with pytest.raises(ValueError, match="must be square"):
            _validate.csr_distances(graph[:1])
        for value, message in [
            (np.nan, r"X\.data\[1\]=nan: every value must be finite"),
            (-3.0, r"X\.data\[1\]=-3\.0"),
        ]:
            bad = graph.copy()
            bad.data[1] = value
            with pytest.raises(ValueError, match=message):
                _validate.csr_distances(bad)
        bad = graph.copy()
        bad.indptr = bad.indptr[:-1]
        with pytest.raises(ValueError, match="indptr has 2 entries: 2 rows need 3"):
            _validate.csr_distances(bad)
        bad = graph.copy()
        bad.indices = bad.indices.astype(float)
        with pytest.raises(DtypeError, match=r"X\.indices has dtype float64"):
            _validate.csr_distances(bad)
        bad.indices = np.array([1, 2**64 - 1], np.uint64)  # as a signed number it would be -1
        with pytest.raises(ValueError, match=r"X\.indices\[1\]=18446744073709551615"):
            _validate.csr_distances(bad)


class TestWeights:
    def test_none_and_ones_make_no_difference(self):
        assert _validate.weights(None, 3) is None
        assert _validate.weights([1, 1, 1], 3) is None
        assert _validate.weights(np.ones(3, np.float32), 3) is None

    def test_the_rest_becomes_float64(self):
        w = _validate.weights(np.array([1, -2, 3], dtype=np.int8)[::-1], 3)
        assert w.dtype == np.float64
        assert w.flags.c_contiguous
        np.testing.assert_array_equal(w, [3, -2, 1])

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ([1, 2], "sample_weight has 2 entries: one for each of the 3 rows"),
            ([[1, 2, 3]], r"sample_weight has shape \(1, 3\): one dimension"),
            (2.0, r"sample_weight has shape \(\)"),
            ([0, 0, 0], "sample_weight is 0 everywhere"),
            ([1, np.nan, 2], r"sample_weight\[1\]=nan"),
            ([1, 2, np.inf], r"sample_weight\[2\]=inf"),
            ([1e308, 1e308, 0], "sums to more than float64"),
            (["a", "b", "c"], "sample_weight has dtype <U1"),
        ],
        ids=repr,
    )
    def test_bad_weights(self, given, message):
        with pytest.raises(ValueError, match=message):
            _validate.weights(given, 3)


def test_labels():
    assert _validate.labels([], 0).dtype == np.int64
    np.testing.assert_array_equal(_validate.labels(np.array([0, 1], np.int8), 2), [0, 1])
    for given, message in [
        ([0, 1, 2], "core_labels has 3 entries: one for each of the 2 core points"),
        ([0, -1], r"core_labels\[1\]=-1"),
        ([0.0, 1.0], "core_labels has dtype float64"),
        ([[0, 1]], r"core_labels has shape \(1, 2\)"),
        ([0, 2**32 - 1], r"core_labels\[1\]=4294967295: cluster numbers go up to 4294967294"),
        (np.array([2**64 - 1, 0], np.uint64), r"core_labels\[0\]=18446744073709551615: integers up to"),
        ([0, 2**70], r"core_labels\[1\]=1180591620717411303424: integers up to"),
        ([-(2**70), 0], r"core_labels\[0\]=-1180591620717411303424: integers up to"),
        (None, "core_labels=None: every value must be an integer"),
        ([0, None], r"core_labels\[1\]=None: every value must be an integer"),
        ([[0], [0, 1]], "core_labels is not a table of numbers, its rows differ in length"),
        (np.ma.masked_array([0, 1], mask=[0, 1]), "core_labels has masked entries"),
        (["a", "b"], "core_labels has dtype <U1: integers"),
    ]:
        with pytest.raises(ValueError, match=message):
            _validate.labels(given, 2)
    np.testing.assert_array_equal(_validate.labels(np.array([2**32 - 2], np.uint64)), [2**32 - 2])
    np.testing.assert_array_equal(_validate.labels(np.array([3, 1], object)), [3, 1])


@pytest.mark.parametrize("dtype", [float, str, bool])
@pytest.mark.parametrize("n", [0, 2])
def test_labels_have_one_rule_whether_empty_or_not(dtype, n):
    with pytest.raises(DtypeError, match=r"core_labels has dtype .*: integers are needed"):
        _validate.labels(np.zeros(n, dtype), n)
    assert _validate.labels([0] * n, n).dtype == np.int64


def test_core_points():
    assert _validate.core_points([[0, 1]], 2).tolist() == [[0.0, 1.0]]
    rows = np.zeros((0, 2), np.float32)
    assert _validate.core_points(rows, 2) is rows
    assert _validate.core_points([], 3).shape == (0, 3)
    np.testing.assert_array_equal(dbscan_predict([[0.0, 1.0]], [], []), [-1])
    with pytest.raises(DtypeError, match=r"core_points=None: only metric='precomputed' takes None"):
        dbscan_predict([[0.0, 1.0]], None, [0])
    np.testing.assert_array_equal(dbscan_predict([[0.1]], None, [4], metric="precomputed"), [4])
    for given, message in [(np.zeros(0), r"shape \(0,\)"), (np.zeros(0, str), "core_points has dtype <U1")]:
        with pytest.raises(ValueError, match=message):
            _validate.core_points(given, 2)


@pytest.mark.parametrize("metric", [*METRICS, "sparse"])
def test_labels_have_one_bound_under_every_metric(metric):
    new = sparse.csr_array([[0.0, 0.1]]) if metric == "sparse" else np.array([[0.1, 0.2]])
    name = "precomputed" if metric == "sparse" else metric
    core = np.array([[0.1, 0.2], [0.1, 0.2]])
    assert dbscan_predict(new, core, [2**32 - 2, 2**32 - 2], 0.5, metric=name) == [2**32 - 2]
    for label in (-1, 2**32 - 1, 2**63):
        with pytest.raises(ValueError, match=rf"core_labels\[1\]={label}: "):
            dbscan_predict(new, core, np.array([0, label], np.uint64 if label > 0 else int), metric=name)


def test_columns_must_be_those_of_the_core_points():
    assert [table.dtype for table in _validate.alike(np.ones((2, 3), np.float32), np.ones((4, 3)))] == [
        float,
        float,
    ]
    assert _validate.alike(np.ones((2, 3), np.float32), np.ones((4, 3), np.float32))[0].dtype == np.float32
    with pytest.raises(ValueError, match="X_new has 3 columns, core_points has 2"):
        _validate.alike(np.ones((4, 3)), np.ones((4, 2)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sphere(dtype):
    _validate.check_sphere(np.array([[np.pi / 2, 9.0], [-np.pi / 2, -9.0]], dtype=dtype))
    over = np.nextafter(dtype(np.pi / 2), dtype(2))
    with pytest.raises(ValueError, match=r"X\[1, 0\]=-1\.57079.*are these degrees\? Pass np\.radians\(X\)"):
        _validate.check_sphere(np.array([[0.0, 0.0], [-over, 0.0]], dtype=dtype))
    with pytest.raises(ValueError, match="X has 3 columns: metric='haversine' takes latitude and longitude"):
        _validate.check_sphere(np.zeros((2, 3), dtype=dtype))


def test_eps():
    assert _validate.eps(np.float32(0.5)) == 0.5
    assert _validate.eps(2) == 2.0
    assert type(_validate.eps(np.float64(0.1))) is float
    for bad in (-1.0, 0, 0.0, np.nan, np.inf, -np.inf, 10**400):
        with pytest.raises(ValueError, match=f"eps={bad}: must be a positive finite number."):
            _validate.eps(bad)
    for bad in ("0.5", None, True, 1j, [0.5], np.array(0.5)):
        with pytest.raises(DtypeError, match="must be a positive finite number"):
            _validate.eps(bad)
    assert _validate.eps(np.pi, "haversine") == np.pi
    with pytest.raises(ValueError, match=r"eps=5: .* radians, at most pi; is this in degrees\?"):
        _validate.eps(5, "haversine")


def test_min_samples():
    assert type(_validate.min_samples(np.int8(3))) is int
    assert _validate.min_samples(10**30) == 2**63 - 1
    for bad in (0, -2):
        with pytest.raises(ValueError, match=f"min_samples={bad}: must be an integer, at least 1."):
            _validate.min_samples(bad)
    for bad in (2.0, "3", True, np.True_, None):
        with pytest.raises(DtypeError, match=r"min_samples=.*: must be an integer, at least 1\."):
            _validate.min_samples(bad)


def test_k():
    assert _validate.k(np.int64(4), 5) == 4
    with pytest.raises(ValueError, match="k=5 needs at least 6 rows, got 3"):
        _validate.k(5, 3)
    with pytest.raises(ValueError, match="k=0: must be an integer, at least 1"):
        _validate.k(0, 3)
    with pytest.raises(DtypeError, match=r"k=1\.5: must be an integer"):
        _validate.k(1.5, 3)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (("euclidean", None), ("euclidean", 2.0)),
        (("manhattan", 7), ("manhattan", 2.0)),
        (("minkowski", None), ("euclidean", 2.0)),
        (("minkowski", 1), ("manhattan", 1.0)),
        (("minkowski", np.inf), ("chebyshev", np.inf)),
        (("minkowski", np.float32(0.5)), ("minkowski", 0.5)),
        (("precomputed", None), ("precomputed", 2.0)),
    ],
)
def test_metric(given, meant):
    assert _validate.metric(*given) == meant


def test_bad_metric():
    for bad in ("canberra", np.linalg.norm, None, ["euclidean"]):
        with pytest.raises(ValueError, match=r"must be one of 'euclidean', .*diptych\.DBSCAN takes others"):
            _validate.metric(bad)
    for bad in (0, -1, np.nan):
        with pytest.raises(ValueError, match=f"p={bad}: must be a positive number"):
            _validate.metric("minkowski", bad)
    for bad in ("3", True):
        with pytest.raises(DtypeError, match="must be a positive number"):
            _validate.metric("minkowski", bad)


def test_seed_key():
    key = _validate.seed_key(7)
    assert key == _validate.seed_key(np.int32(7)) == _validate.seed_key(np.random.SeedSequence(7))
    assert key == int(np.random.SeedSequence(7).generate_state(1, np.uint64)[0])
    assert 0 <= key < 2**64
    assert _validate.seed_key() != _validate.seed_key()
    generator = np.random.default_rng(3)
    assert _validate.seed_key(generator) == np.random.default_rng(3).bit_generator.random_raw()
    assert _validate.seed_key(generator) != _validate.seed_key(generator)
    with pytest.raises(ValueError, match="rng=-1: a seed must not be negative"):
        _validate.seed_key(-1)
    for bad in (1.0, "7", True, np.random.RandomState(0)):
        with pytest.raises(
            DtypeError, match="must be None, an integer, a NumPy SeedSequence or a NumPy Generator"
        ):
            _validate.seed_key(bad)
