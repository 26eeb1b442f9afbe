"""What crosses the boundary: bad input is refused by name, an unusual layout gives the usual answer."""

import re

import numpy as np
import pandas as pd
import pytest

import diptych
from diptych.kernels import clustering
from diptych.reference import clustering as reference

rng = np.random.default_rng(0)
# Square, so that the shape does not betray a matrix read transposed; transposed, it has other clusters.
SQUARE = np.repeat([[0.0, 1.0, 2.0, 7.0]], 4, axis=0) * [[1], [1], [4], [4]] + 0.01 * rng.random((4, 4))
NEW = SQUARE[:3] + 0.001
EPS = 0.1


def core_and_labels(X, **options):
    model = diptych.DBSCAN(**({"eps": EPS, "min_samples": 2} | options)).fit(X)
    return model.core_sample_indices_, model.labels_


KERNELS = {
    "dbscan": lambda X, **o: clustering.dbscan(X, **({"eps": EPS, "min_samples": 2} | o)),
    "k_distances": lambda X, **o: (clustering.k_distances(X, k=1, **o),),
    "dbscan_predict new": lambda X, **o: (
        clustering.dbscan_predict(X, SQUARE, [0, 0, 1, 1], **({"eps": EPS} | o)),
    ),
    "dbscan_predict core": lambda X, **o: (
        clustering.dbscan_predict(NEW, X, np.zeros(len(X), int), **({"eps": EPS} | o)),
    ),
}
ESTIMATORS = {
    "DBSCAN.fit": core_and_labels,
    "diptych.dbscan": lambda X, **o: diptych.dbscan(X, **({"eps": EPS, "min_samples": 2} | o)),
    "DBSCAN.predict": lambda X, **o: (
        diptych.DBSCAN(**({"eps": EPS, "min_samples": 2} | o)).fit(SQUARE).predict(X),
    ),
}
CALLS = KERNELS | ESTIMATORS
refusal = (ValueError, TypeError)  # and nothing else: no InternalError, no OverflowError, no MemoryError


def with_value(value, dtype=np.float64):
    X = SQUARE.astype(dtype)
    X[2, 1] = value
    return X


# Values and shapes: name -> (input, what a kernel says, what the estimator says in scikit-learn's words)

BAD_ROWS = {
    "NaN": (with_value(np.nan), r"\[2, 1\]=nan.*finite", "contains NaN"),
    "infinity": (with_value(np.inf), r"\[2, 1\]=inf.*finite", "contains infinity"),
    "-infinity": (with_value(-np.inf), r"\[2, 1\]=-inf.*finite", "contains infinity"),
    "NaN in float32": (with_value(np.nan, np.float32), r"\[2, 1\]=nan", "contains NaN"),
    "complex": (SQUARE.astype(complex), "complex", "(?i)complex"),
    "strings": (np.array([["a", "b"], ["c", "d"]]), "(?i)str|<U1", "(?i)string|numeric|convert"),
    "bytes": (np.array([[b"a", b"b"], [b"c", b"d"]]), "(?i)S1|byte", "(?i)byte|numeric|convert"),
    "objects": (np.array([[{}, {}], [{}, {}]]), "(?i)object|dict|real", "(?i)dict|float"),
    "dates": (np.zeros((4, 4), "datetime64[s]"), "datetime64", "(?i)datetime|dtype"),
    "a record": (np.zeros((4, 4), [("x", float)]), "dtype", ".+"),
    "a number": (3.0, r"\(\)", "(?i)scalar|2D"),
    "one dimension": (SQUARE[0], r"\(4,\).*reshape", "2D array, got 1D"),
    "three dimensions": (np.zeros((4, 4, 4)), r"\(4, 4, 4\)", "dim 3|3 dim"),
    "no rows": (np.empty((0, 4)), "at least one row|0 rows|no rows", r"0 sample\(s\)"),
    "no columns": (np.empty((4, 0)), "column", r"0 feature\(s\)"),
    "ragged": ([[1.0, 2.0], [3.0]], "(?i)inhomogeneous|length|rows", "(?i)inhomogeneous|sequence"),
    "None": (None, "(?i)none|object", "(?i)none|array"),
}


@pytest.mark.parametrize(
    ("call", "bad"),
    [(c, b) for c in CALLS for b in BAD_ROWS if (c, b) != ("dbscan_predict core", "no rows")],  # no mistake
)
def test_bad_rows_are_refused_by_name(call, bad):
    X, kernel_says, estimator_says = BAD_ROWS[bad]
    if call == "dbscan_predict core" and X is not None and not np.isscalar(X):
        options = {"core_labels": np.zeros(len(X), int)}
        with pytest.raises(refusal, match=kernel_says):
            clustering.dbscan_predict(NEW, X, eps=EPS, **options)
        return
    with pytest.raises(refusal, match=kernel_says if call in KERNELS else estimator_says):
        CALLS[call](X)


def test_no_core_points_make_everything_noise():
    found = clustering.dbscan_predict(NEW, np.empty((0, 4)), np.empty(0, int), EPS)
    np.testing.assert_array_equal(found, [-1, -1, -1])


def test_columns_must_be_those_of_the_core_points():
    with pytest.raises(ValueError, match=r"3 columns.*4|4.*3 columns"):
        clustering.dbscan_predict(NEW[:, :3], SQUARE, [0, 0, 1, 1], EPS)
    with pytest.raises(ValueError, match=r"3 features.*4 features"):
        diptych.DBSCAN().fit(SQUARE).predict(NEW[:, :3])


# Layouts and types of arrays


def strided(X, *steps):
    big = np.full([n * abs(step) for n, step in zip(X.shape, steps, strict=True)], np.nan)
    view = big[tuple(slice(None, None, step) for step in steps)]
    view[...] = X
    return view


def misaligned(X):
    raw = np.zeros(X.nbytes + 1, np.uint8)[1:]
    view = raw.view(X.dtype).reshape(X.shape)
    view[...] = X
    assert not view.flags.aligned
    return view


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


LAYOUTS = {
    "C": np.array,
    "Fortran order": np.asfortranarray,
    "transposed": lambda X: np.ascontiguousarray(X.T).T,
    "every second row": lambda X: strided(X, 2, 1),
    "every second column": lambda X: strided(X, 1, 2),
    "rows backwards": lambda X: strided(X, -1, 1),
    "columns backwards": lambda X: strided(X, 1, -1),
    "Fortran, backwards": lambda X: np.asfortranarray(X[::-1, ::-1])[::-1, ::-1],
    "misaligned": misaligned,
    "read-only": read_only,
    "big-endian": lambda X: X.astype(">f8"),
    "little-endian": lambda X: X.astype("<f8"),
    "float32": lambda X: X.astype(np.float32),
    "float32, big-endian": lambda X: X.astype(">f4"),
    "float32, Fortran order": lambda X: np.asfortranarray(X.astype(np.float32)),
    "float16": lambda X: X.astype(np.float16),
    "long double": lambda X: X.astype(np.longdouble),
    "integers": lambda X: X.astype(int),
    "8-bit integers": lambda X: X.astype(np.int8),
    "unsigned": lambda X: X.astype(np.uint64),
    "Boolean": lambda X: X.astype(int) % 2 == 0,
    "objects": lambda X: X.astype(object),
    "lists": lambda X: X.tolist(),
    "tuples": lambda X: tuple(map(tuple, X)),
    "pandas": pd.DataFrame,
    "pandas, mixed": lambda X: pd.DataFrame(X).astype({0: np.float32, 1: int}),
    "broadcast row": lambda X: np.broadcast_to(X[0], X.shape),
    "broadcast column": lambda X: np.broadcast_to(X[:, :1], X.shape),
    "one row": lambda X: X[:1],
    "one column": lambda X: X[:, :1],
    "subclass": lambda X: np.asarray(X).view(type("Own", (np.ndarray,), {})),
}


def plain(X):
    """Return the same values as an array nobody could misread."""
    return np.array(np.asarray(X).tolist(), dtype=np.float64, order="C")


@pytest.mark.parametrize(
    ("call", "layout"),
    # A prediction from four columns has no use for one.
    [(c, x) for c in CALLS for x in LAYOUTS if not ("predict" in c and x == "one column")],
)
def test_a_layout_does_not_change_the_answer(call, layout):
    X = LAYOUTS[layout](SQUARE)
    if layout == "one row" and call == "k_distances":
        with pytest.raises(ValueError, match=r"k=1 needs at least 2 rows, got 1"):
            CALLS[call](X)
        return
    kept = np.array(X, copy=True)
    found, expected = CALLS[call](X), CALLS[call](plain(X))
    np.testing.assert_array_equal(np.asarray(X), kept, err_msg="the input was written to")
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.flags.c_contiguous
        assert a.flags.owndata or a.base is not None


@pytest.mark.parametrize("mode", ["r", "c", "r+"])
def test_memory_mapped(tmp_path, mode):
    X = rng.random((500, 3))
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode=mode)
    for call in ("dbscan", "k_distances", "DBSCAN.fit"):
        for a, b in zip(CALLS[call](mapped), CALLS[call](X), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "metric", ["euclidean", "manhattan", "chebyshev", "cosine", "haversine", "minkowski"]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "X",
    [
        np.full((50, 2), 0.3),
        np.zeros((50, 2)),
        np.zeros((1, 2)),
        np.array([[0.0, 0.0], [-0.0, 0.0]]),
        np.array([[0.1, 0.1], [0.2, 0.2]]),
        np.array([[0.1, 0.1], [0.1, 0.1], [1.5, 3.1]]),
    ],
    ids=["all equal", "all zero", "one row", "minus zero", "two", "three"],
)
def test_few_and_equal_rows(metric, dtype, X):
    p = 3.0 if metric == "minkowski" else None
    for eps in (1e-300, 1e-9, 0.2, 3.0):
        for min_samples in (1, 2, 3, 50, 51, 2**40):
            options = {"min_samples": min_samples, "metric": metric, "p": p}
            found = clustering.dbscan(X.astype(dtype), eps, **options)
            for a, b in zip(found, reference.dbscan(X.astype(dtype), eps, **options), strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("d", [1, 2, 3, 7, 40])
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev", "minkowski"])
def test_huge_tiny_and_far_values(metric, d):
    """Squares that overflow or vanish, cells beyond every integer: what the contract's expression says."""
    base = rng.integers(0, 4, (60, d)).astype(float)
    outlier = np.vstack([base, np.full((1, d), 1e18)])
    cases = [(base * 1e200, 1e200), (base * 1e-200, 1e-200), (base * 5e-324, 5e-324), (base + 1e15, 1.0)]
    cases += [(outlier, 1.0), (outlier * 1e290, 1e290), (base, 1e308), (base, 5e-324), (base * 1e307, 1e-300)]
    p = 3.0 if metric == "minkowski" else None
    for X, eps in cases:
        found = clustering.dbscan(X, eps, min_samples=3, metric=metric, p=p)
        expected = reference.dbscan(X, eps, min_samples=3, metric=metric, p=p)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=f"scale {X.max()}, eps {eps}")


# Arguments

BAD_ARGUMENTS = {
    "eps": [0, 0.0, -1, -1.0, np.nan, np.inf, -np.inf, "0.5", None, 1j, [0.5]],
    "min_samples": [0, -3, 2.5, 2.0, "5", None, np.nan],
    "metric": ["euclidian", "", None, 3],
    "p": [0, -1, np.nan, "2"],
    "n_jobs": [0, 1.5, "2"],
}
USES = {
    "eps": ["dbscan", "dbscan_predict new", *ESTIMATORS],
    "min_samples": ["dbscan", *ESTIMATORS],
    "metric": CALLS,
    "p": CALLS,
    "n_jobs": CALLS,
}


@pytest.mark.parametrize(
    ("call", "name", "value"),
    [
        (call, name, value)
        for name, values in BAD_ARGUMENTS.items()
        for value in values
        for call in USES[name]
    ],
)
def test_bad_arguments_are_refused_with_their_value(call, name, value):
    options = {name: value} | ({"metric": "minkowski"} if name == "p" else {})
    with pytest.raises(refusal, match=f"(?s){name}.*{re.escape(str(value))}"):
        CALLS[call](SQUARE, **options)


@pytest.mark.parametrize("k", [0, -1, 4, 5, 2**70, 1.0, "1", None])
def test_bad_k(k):
    with pytest.raises(refusal, match=f"k={k!r}" if k != 2**70 else "k=9223372036854775807|k=11805916"):
        clustering.k_distances(SQUARE, k)


@pytest.mark.parametrize("value", [np.float32(0.1), np.float64(0.1), np.int64(1), 1, np.float16(0.5)])
def test_numpy_numbers_are_numbers(value):
    for a, b in zip(
        KERNELS["dbscan"](SQUARE, eps=value), KERNELS["dbscan"](SQUARE, eps=float(value)), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    core_and_labels(SQUARE, eps=value, min_samples=np.int32(2), n_jobs=np.int64(1))


BAD_WEIGHTS = {
    "too few": (np.ones(3), r"3.*4|\(3,\)"),
    "too many": (np.ones(5), r"5.*4|\(5,\)"),
    "all zero": (np.zeros(4), "at least one non-zero"),
    "NaN": ([1, np.nan, 1, 1], r"(?i)\[1\]=nan|contains NaN"),
    "infinity": ([1, 1, np.inf, 1], r"\[2\]=inf|contains infinity"),
    "two dimensions": (np.ones((4, 1)), r"\(4, 1\)|1D array"),
    "strings": (["a", "b", "c", "d"], ".+"),
    "complex": (np.ones(4) + 1j, "(?i)complex"),
}


@pytest.mark.parametrize("bad", BAD_WEIGHTS)
def test_bad_weights(bad):
    w, says = BAD_WEIGHTS[bad]
    for fit in (
        clustering.dbscan,
        diptych.dbscan,
        lambda X, sample_weight: diptych.DBSCAN().fit(X, None, sample_weight),
    ):
        with pytest.raises(refusal, match=says):
            fit(SQUARE, sample_weight=w)


@pytest.mark.parametrize(
    "layout", ["big-endian", "float16", "integers", "lists", "pandas", "read-only", "every second"]
)
def test_layouts_of_weights(layout):
    w = np.array([2.0, 0.0, 3.0, -1.0])
    made = {
        "big-endian": w.astype(">f8"),
        "float16": w.astype(np.float16),
        "integers": w.astype(int),
        "lists": w.tolist(),
        "pandas": pd.Series(w, index=[7, 3, 9, 1]),
        "read-only": read_only(w),
        "every second": np.repeat(w, 2)[::2],
    }[layout]
    expected = reference.dbscan(SQUARE, EPS, min_samples=2, sample_weight=w)
    model = diptych.DBSCAN(eps=EPS, min_samples=2).fit(SQUARE, sample_weight=made)
    found = clustering.dbscan(SQUARE, EPS, min_samples=2, sample_weight=made)
    for core, labels in (found, (model.core_sample_indices_, model.labels_)):
        np.testing.assert_array_equal(core, expected[0])
        np.testing.assert_array_equal(labels, expected[1])


# Haversine


ON_THE_SPHERE = {name: CALLS[name] for name in ("dbscan", "k_distances", "DBSCAN.fit", "diptych.dbscan")} | {
    "dbscan_predict new": lambda X, **o: clustering.dbscan_predict(X, [[0.0, 0.0]], [0], **o),
    "dbscan_predict core": lambda X, **o: clustering.dbscan_predict([[0.0, 0.0]], X, [0] * len(X), **o),
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("call", ON_THE_SPHERE)
def test_latitudes_beyond_the_poles(call, dtype):
    pole = dtype(np.pi / 2)
    for latitude in (np.nextafter(pole, dtype(9)), np.nextafter(-pole, dtype(-9)), dtype(48.2)):
        X = np.array([[0.0, 0.0], [latitude, 0.0], [pole, 1.0], [-pole, 4.0]], dtype=dtype)
        with pytest.raises(ValueError, match=rf"\[1, 0\]={re.escape(f'{latitude}')}.*degrees\?"):
            ON_THE_SPHERE[call](X, metric="haversine")
        X[1, 0] = pole
        ON_THE_SPHERE[call](X, metric="haversine")


def test_predicting_beyond_the_poles():
    model = diptych.DBSCAN(eps=0.1, metric="haversine").fit([[0.5, 0.5]] * 5)
    with pytest.raises(ValueError, match=r"48\.2.*degrees\?"):
        model.predict([[48.2, 16.4]])


def test_haversine_takes_two_columns_and_eps_up_to_pi():
    X = np.array([[0.0, 0.0], [0.0, np.pi]])
    for fit in (clustering.dbscan, diptych.dbscan):
        with pytest.raises(ValueError, match=r"eps=3\.2.*degrees\?"):
            fit(X, eps=3.2, metric="haversine")
        with pytest.raises(ValueError, match=r"4 columns|2 (columns|features)"):
            fit(SQUARE, eps=0.1, metric="haversine")
        np.testing.assert_array_equal(fit(X, eps=np.pi, metric="haversine", min_samples=2)[1], [0, 0])


# Precomputed distances, dense

ASYMMETRIC = np.array(
    [[0.0, 0.1, 9.0, 9.0], [9.0, 0.0, 0.1, 9.0], [9.0, 9.0, 0.0, 0.1], [9.0, 9.0, 9.0, 0.0]]
)


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name not in ("one row", "one column")])
def test_a_layout_does_not_transpose_distances(layout):
    D = LAYOUTS[layout](ASYMMETRIC)
    expected = reference.dbscan(plain(D), 0.2, min_samples=2, metric="precomputed")
    if layout == "C":
        transposed = reference.dbscan(ASYMMETRIC.T.copy(), 0.2, min_samples=2, metric="precomputed")
        assert not np.array_equal(expected[0], transposed[0]), "the case could not tell"
    if layout == "float16" or "float32" in layout:
        expected = reference.dbscan(ASYMMETRIC, 0.2, min_samples=2, metric="precomputed")
    for fit in (clustering.dbscan, diptych.dbscan):
        for a, b in zip(fit(D, eps=0.2, min_samples=2, metric="precomputed"), expected, strict=True):
            np.testing.assert_array_equal(a, b)
    found = clustering.k_distances(D, 1, metric="precomputed")
    np.testing.assert_array_equal(found, reference.k_distances(plain(D), 1, metric="precomputed"))


BAD_DISTANCES = {
    "not square": (np.zeros((3, 4)), r"(?i)\(3, 4\).*square|square.*\(3, 4\)|3.*4"),
    "negative": (np.array([[0.0, -1.0], [1.0, 0.0]]), "(?i)negative values"),
    "NaN": (np.array([[0.0, np.nan], [1.0, 0.0]]), r"\[0, 1\]=nan|contains NaN"),
    "infinity": (np.array([[0.0, np.inf], [1.0, 0.0]]), r"\[0, 1\]=inf|contains infinity"),
    "one dimension": (np.zeros(4), r"\(4,\)|2D array"),
    "no rows": (np.zeros((0, 0)), "row|sample|column|feature"),
}


@pytest.mark.parametrize("bad", BAD_DISTANCES)
def test_bad_distances(bad):
    D, says = BAD_DISTANCES[bad]
    for fit in (clustering.dbscan, diptych.dbscan, clustering.k_distances):
        with pytest.raises(refusal, match=says):
            fit(D, metric="precomputed")


def test_distances_to_predict_from_have_a_column_for_each_core_point():
    with pytest.raises(ValueError, match="3"):
        clustering.dbscan_predict(np.zeros((5, 3)), None, [0, 1], 0.5, metric="precomputed")
    found = clustering.dbscan_predict(np.zeros((5, 0)), None, [], 0.5, metric="precomputed")
    np.testing.assert_array_equal(found, [-1] * 5)
