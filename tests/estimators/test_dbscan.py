"""DBSCAN the estimator: scikit-learn's result, words and conventions, on both panels."""

import inspect
import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import sklearn.cluster
from scipy import sparse
from scipy.spatial import distance
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.metrics import pairwise_distances
from sklearn.utils.estimator_checks import parametrize_with_checks

import diptych
from diptych import DBSCAN, dbscan
from diptych.estimators._neighbours import OtherNeighbours

BACKENDS = ("reference", "rust")


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


def blobs(n=150, columns=2, seed=0):
    return make_blobs(n, columns, centers=4, cluster_std=0.6, random_state=seed)[0]


def same_as_sklearn(X, backend, sample_weight=None, **parameters):
    theirs = sklearn.cluster.DBSCAN(**parameters).fit(X, sample_weight=sample_weight)
    ours = DBSCAN(backend=backend, **parameters).fit(X, sample_weight=sample_weight)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)
    np.testing.assert_array_equal(ours.core_sample_indices_, theirs.core_sample_indices_)
    assert ours.labels_.dtype == theirs.labels_.dtype
    assert ours.core_sample_indices_.dtype == theirs.core_sample_indices_.dtype
    return ours, theirs


@parametrize_with_checks([DBSCAN(backend=backend) for backend in BACKENDS])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(DBSCAN, sklearn.cluster.DBSCAN), (dbscan, sklearn.cluster.dbscan)]
)
def test_signature_holds_scikit_learns(ours, theirs):
    mine, parameters = inspect.signature(ours).parameters, inspect.signature(theirs).parameters
    assert [name for name in mine if name != "backend"] == list(parameters)
    for name, parameter in parameters.items():
        assert (mine[name].kind, mine[name].default) == (parameter.kind, parameter.default)


@pytest.mark.parametrize(
    "parameters",
    [
        {"metric": "euclidean"},
        {"metric": "l2"},
        {"metric": "manhattan"},
        {"metric": "l1"},
        {"metric": "cityblock"},
        {"metric": "chebyshev"},
        {"metric": "minkowski", "p": 1},
        {"metric": "minkowski", "p": 3},
        {"metric": "minkowski", "metric_params": {"p": 3}},
        {"metric": "cosine", "eps": 0.01},
        {"metric": "haversine", "eps": 0.05},
        {"metric": "euclidean", "algorithm": "brute"},
        {"metric": "euclidean", "algorithm": "ball_tree", "leaf_size": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int32])
def test_kernel_metrics_equal_scikit_learn(backend, parameters, dtype):
    X = blobs() * (0.05 if parameters["metric"] == "haversine" else 1)
    ours, theirs = same_as_sklearn(X.astype(dtype), backend, **{"eps": 0.6, "min_samples": 4, **parameters})
    np.testing.assert_array_equal(ours.components_, theirs.components_)
    assert ours.components_.dtype == theirs.components_.dtype
    np.testing.assert_array_equal(ours.predict(X.astype(dtype)), ours.labels_)


def absolute_difference(x, y, scale=1.0):
    return float(np.abs(x - y).sum()) * scale


def never_itself(x, y):
    return 1.0 + float(np.abs(x - y).sum())


@pytest.mark.parametrize(
    "parameters",
    [
        {"metric": "canberra", "eps": 0.2},
        {"metric": "braycurtis", "eps": 0.1},
        {"metric": "sqeuclidean", "eps": 0.3},
        {"metric": "correlation", "eps": 0.001},
        {"metric": "nan_euclidean"},
        {"metric": "seuclidean", "metric_params": {"V": [1.0, 2.0, 3.0]}, "eps": 0.5},
        {"metric": "mahalanobis", "algorithm": "brute", "eps": 0.5},
        {"metric": "minkowski", "p": 2, "metric_params": {"w": [1.0, 2.0, 3.0]}},
        {"metric": "minkowski", "p": 0.5, "algorithm": "brute", "metric_params": {"w": [1.0, 1.0, 0.5]}},
        {"metric": absolute_difference},
        {"metric": absolute_difference, "algorithm": "brute"},
        {"metric": absolute_difference, "metric_params": {"scale": 0.5}},
        {"metric": distance.euclidean, "algorithm": "ball_tree"},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:Mind that for 0 < p < 1")
def test_other_metrics_equal_scikit_learn(backend, parameters):
    X = blobs(120, columns=3)
    weights = np.arange(len(X)) % 5 / 4
    ours, _ = same_as_sklearn(X, backend, **{"eps": 0.8, "min_samples": 4, **parameters})
    np.testing.assert_array_equal(ours.predict(X)[ours.labels_ >= 0], ours.labels_[ours.labels_ >= 0])
    same_as_sklearn(X, backend, sample_weight=weights, **{"eps": 0.8, "min_samples": 4, **parameters})


@pytest.mark.parametrize("metric", ["jaccard", "hamming", "dice"])
def test_metrics_of_booleans(backend, metric):
    X = np.random.default_rng(3).random((80, 20)) < 0.3
    same_as_sklearn(X, backend, metric=metric, eps=0.5, min_samples=4, algorithm="ball_tree")


def test_point_that_is_not_its_own_neighbour(backend):
    X = np.repeat([[0.0], [1.0], [1.5], [9.0]], [2, 3, 1, 1], axis=0)
    for eps, min_samples in [(0.9, 1), (1.0, 2), (1.0, 3), (1.6, 3), (2.0, 5)]:
        same_as_sklearn(X, backend, metric=never_itself, eps=eps, min_samples=min_samples)
        weights = np.arange(1.0, 8.0)
        same_as_sklearn(X, backend, weights, metric=never_itself, eps=eps, min_samples=min_samples * 3)


@pytest.mark.parametrize(
    "container", [sparse.csr_array, sparse.csr_matrix, sparse.coo_array, sparse.lil_matrix]
)
@pytest.mark.parametrize("metric", ["euclidean", "manhattan", "cosine", "minkowski"])
def test_sparse_rows(backend, container, metric):
    dense = blobs(90, columns=6)
    dense[np.abs(dense) < 3] = 0
    p = {"p": 2} if metric == "minkowski" else {}  # scikit-learn has no default here
    ours, theirs = same_as_sklearn(container(dense), backend, metric=metric, eps=1.5, min_samples=3, **p)
    np.testing.assert_array_equal(ours.components_.toarray(), theirs.components_.toarray())
    found = ours.predict(container(dense))
    np.testing.assert_array_equal(found[ours.labels_ >= 0], ours.labels_[ours.labels_ >= 0])
    np.testing.assert_array_equal(ours.predict(dense), found)
    by_dense = DBSCAN(metric=metric, eps=1.5, min_samples=3, backend=backend).fit(dense)
    np.testing.assert_array_equal(by_dense.predict(container(dense)), by_dense.predict(dense))


def test_long_input_goes_to_scikit_learn_in_blocks(backend):
    X = blobs(60)
    with sklearn.config_context(working_memory=60 * 8 * 7 / 2**20):
        same_as_sklearn(X, backend, metric="canberra", eps=0.1, min_samples=3)
        same_as_sklearn(X, backend, metric=absolute_difference, eps=0.8, min_samples=3, algorithm="brute")


def test_missing_values_with_nan_euclidean(backend):
    X = blobs(60)
    whole = DBSCAN(eps=0.8, metric="nan_euclidean", backend=backend).fit(X)
    X[5, 0] = np.nan
    holed = DBSCAN(eps=0.8, metric="nan_euclidean", backend=backend).fit(X)
    assert holed.labels_.shape == whole.labels_.shape
    assert holed.predict(X[:3]).shape == (3,)
    with pytest.raises(ValueError, match="contains NaN"):
        DBSCAN(backend=backend).fit(X)


class TestPrecomputed:
    def test_dense_follows_rows_and_the_stored_diagonal(self, backend):
        rng = np.random.default_rng(5)
        D = np.abs(rng.normal(size=(60, 60)))
        for eps, min_samples in [(0.05, 3), (0.1, 5), (0.3, 12)]:
            for dtype in (np.float64, np.float32, np.float16, np.int64):
                same_as_sklearn(
                    (8 * D).astype(dtype), backend, metric="precomputed", eps=8 * eps, min_samples=min_samples
                )
            same_as_sklearn(
                D.T, backend, rng.normal(size=60), metric="precomputed", eps=eps, min_samples=min_samples
            )

    @pytest.mark.parametrize("diagonal", ["absent", "zero", "far"])
    @pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
    def test_sparse(self, backend, diagonal, dtype):
        rng = np.random.default_rng(6)
        D = np.abs(8 * rng.normal(size=(60, 60))) * (rng.random((60, 60)) < 0.3) + 1e-3
        D[D < 0.01] = 0
        stored = D.astype(dtype)
        np.fill_diagonal(stored, 9 if diagonal == "far" else 0)
        graph = sparse.csr_array(stored)
        if diagonal == "zero":
            graph = sparse.csr_array(stored + np.eye(60, dtype=dtype))
            graph.setdiag(0)
        for eps, min_samples in [(1.0, 2), (2.0, 3), (4.0, 7)]:
            parameters = {"metric": "precomputed", "eps": eps, "min_samples": min_samples}
            ours, theirs = same_as_sklearn(graph, backend, **parameters)
            assert ours.components_.shape == theirs.components_.shape
            same_as_sklearn(graph, backend, rng.integers(-1, 4, 60), **parameters)

    def test_sparse_duplicates_count_as_often_as_they_are_stored(self, backend):
        graph = sparse.csr_array(([0.1, 0.1, 0.1, 0.1], [1, 1, 0, 0], [0, 2, 4, 4]), shape=(3, 3))
        for min_samples in (2, 3, 4):
            same_as_sklearn(graph, backend, metric="precomputed", eps=0.15, min_samples=min_samples)

    @pytest.mark.parametrize("eps", [0.1, np.float64(0.1), np.float32(0.1), 1, 1e-60, 1e60])
    @pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
    @pytest.mark.filterwarnings("ignore:overflow encountered")
    def test_float32_is_compared_as_numpy_does(self, backend, eps, container):
        D = np.array([[0, 0.1, 1], [0.1, 0, 1], [1, 1, 0]], dtype=np.float32)
        ours, _ = same_as_sklearn(container(D), backend, metric="precomputed", eps=eps, min_samples=2)
        np.testing.assert_array_equal(ours.predict(container(D))[:2], ours.labels_[:2])

    def test_predict_takes_distances_to_the_training_rows(self, backend):
        X = blobs(120)
        by_rows = DBSCAN(eps=0.6, min_samples=4, backend=backend).fit(X)
        D = pairwise_distances(X)
        model = DBSCAN(eps=0.6, min_samples=4, metric="precomputed", backend=backend).fit(D)
        np.testing.assert_array_equal(model.predict(D), model.labels_)
        new = X[::3] + 0.1
        far = pairwise_distances(new, X)
        np.testing.assert_array_equal(model.predict(far), by_rows.predict(new))
        np.testing.assert_array_equal(
            model.predict(sparse.csr_array(np.where(far < 2, far, 0))), by_rows.predict(new)
        )
        with pytest.raises(ValueError, match="X has 5 features, but DBSCAN is expecting 120 features"):
            model.predict(far[:, :5])

    @pytest.mark.parametrize("container", [np.asarray, sparse.csr_array])
    def test_bad_matrices(self, backend, container):
        model = DBSCAN(metric="precomputed", backend=backend)
        with pytest.raises(ValueError, match="must be square"):
            model.fit(container(np.ones((3, 2))))
        with pytest.raises(ValueError, match="Negative values in data passed to"):
            model.fit(container(np.array([[0.0, -1.0], [1.0, 0.0]])))

    def test_malformed_graph(self, backend):
        graph = sparse.csr_array(np.ones((4, 4)))
        graph.indices[5] = 1001
        for eps in (0.5, 2.0):
            with pytest.raises(ValueError, match=r"ind(ex|ices)"):
                DBSCAN(eps=eps, metric="precomputed", backend=backend).fit(graph)
        model = DBSCAN(metric="precomputed", min_samples=1, backend=backend).fit(np.zeros((4, 4)))
        with pytest.raises(ValueError, match=r"ind(ex|ices)"):
            model.predict(graph)


class TestWeights:
    @pytest.mark.parametrize(
        "weights", [3, 2.5, [1.0, 2.0, 3.0] * 50, pd.Series([0.25, 2, -1] * 50)], ids=type
    )
    def test_equal_scikit_learn(self, backend, weights):
        same_as_sklearn(blobs(), backend, weights, eps=0.5, min_samples=6)

    @pytest.mark.parametrize(
        "weights", [[1.0], np.ones((150, 1)), np.zeros(150), 0, [np.nan] * 150, ["a"] * 150]
    )
    def test_refused_in_scikit_learns_words(self, backend, weights):
        with pytest.raises(ValueError) as theirs:  # noqa: PT011 (the words are compared below)
            sklearn.cluster.DBSCAN().fit(blobs(), sample_weight=weights)
        with pytest.raises(ValueError) as ours:  # noqa: PT011
            DBSCAN(backend=backend).fit(blobs(), sample_weight=weights)
        assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize(
    "parameters",
    [
        {"eps": -1},
        {"eps": 0.0},
        {"eps": np.nan},
        {"eps": np.inf},
        {"eps": "0.5"},
        {"min_samples": 0},
        {"min_samples": 2.5},
        {"metric_params": 3},
        {"leaf_size": 0},
        {"n_jobs": 0.5},
    ],
    ids=str,
)
def test_parameters_are_refused_in_scikit_learns_words(backend, parameters):
    with pytest.raises(ValueError) as theirs:  # noqa: PT011 (the words are compared below)
        sklearn.cluster.DBSCAN(**parameters).fit(blobs())
    with pytest.raises(ValueError) as ours:  # noqa: PT011
        DBSCAN(backend=backend, **parameters).fit(blobs())
    assert str(ours.value) == str(theirs.value)
    assert isinstance(ours.value, TypeError)


@pytest.mark.parametrize(
    "parameters",
    [
        {"metric": "nearby"},
        {"metric": ["euclidean"]},
        {"algorithm": "magic"},
        {"algorithm": ["auto"]},
        {"p": 0},
        {"p": -1.0},
    ],
    ids=str,
)
def test_other_parameters_are_refused(parameters):
    name = next(iter(parameters))
    with pytest.raises(ValueError, match=f"The '{name}' parameter of DBSCAN must be a .* Got .* instead"):
        DBSCAN(**parameters).fit(blobs())
    with pytest.raises(TypeError, match=f"The '{name}' parameter of dbscan must be a "):
        dbscan(blobs(), **parameters)


def test_backend_and_n_jobs_are_checked():
    for bad in ("cuda", [], None):
        with pytest.raises(ValueError, match="The 'backend' parameter of DBSCAN must be a str among"):
            DBSCAN(backend=bad).fit(blobs())
    with pytest.raises(ValueError, match="n_jobs=0"):
        DBSCAN(n_jobs=0).fit(blobs())


def test_p_may_be_infinite(backend):
    X = blobs()
    ours = DBSCAN(metric="minkowski", p=np.inf, backend=backend).fit(X)
    theirs = sklearn.cluster.DBSCAN(metric="chebyshev").fit(X)
    np.testing.assert_array_equal(ours.labels_, theirs.labels_)


def test_p_given_twice_warns(backend):
    X = blobs()
    with pytest.warns(SyntaxWarning, match="Parameter p is found in metric_params") as caught:
        twice = DBSCAN(metric="minkowski", p=1, metric_params={"p": 3}, backend=backend).fit(X)
    assert [warning.filename for warning in caught] == [__file__]
    twice.predict(X)  # has nothing to add
    once = DBSCAN(metric="minkowski", p=3, backend=backend).fit(X)
    np.testing.assert_array_equal(twice.labels_, once.labels_)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_degrees_are_refused(backend, dtype):
    model = DBSCAN(eps=0.1, min_samples=1, metric="haversine", backend=backend)
    with pytest.raises(ValueError, match=r"X\[1, 0\]=48\.\d+.*degrees\?"):
        model.fit(np.array([[0.5, 2.0], [48.85, 2.35]], dtype=dtype))
    with pytest.raises(ValueError, match=r"eps=5\.0.*degrees\?"):
        clone(model).set_params(eps=5.0).fit(np.zeros((3, 2), dtype=dtype))
    poles = np.array([[np.pi / 2, 0.0], [-np.pi / 2, 1.0]], dtype=dtype)
    fitted = model.fit(poles)
    with pytest.raises(ValueError, match=r"degrees\?"):
        fitted.predict(np.array([[90.0, 0.0]], dtype=dtype))


@pytest.mark.parametrize("pole", [np.pi / 2, -np.pi / 2])
@pytest.mark.parametrize("dtypes", [(np.float32, np.float64), (np.float64, np.float32)], ids=str)
def test_poles_of_two_dtypes_are_the_same_place(backend, pole, dtypes):
    old, new = (np.array([[pole, 0.0], [pole, 2.0], [0.0, 1.0]], dtype=dtype) for dtype in dtypes)
    model = DBSCAN(eps=1e-6, min_samples=2, metric="haversine", backend=backend).fit(old)
    np.testing.assert_array_equal(model.labels_, [0, 0, -1])
    np.testing.assert_array_equal(model.predict(new), model.labels_)


class TestPredict:
    @pytest.mark.parametrize("metric", ["euclidean", "manhattan", "chebyshev", "cosine"])
    def test_training_rows_get_their_labels(self, backend, metric):
        for seed in range(5):
            X = np.round(blobs(100, seed=seed), 1)  # ties and duplicates
            for eps, min_samples in [(0.1, 2), (0.3, 4), (0.02, 3)]:
                model = DBSCAN(eps=eps, min_samples=min_samples, metric=metric, backend=backend).fit(X)
                np.testing.assert_array_equal(model.predict(X), model.labels_)

    def test_smallest_cluster_wins(self, backend):
        X = np.array([[0.0], [0.0], [2.0], [2.0]])
        model = DBSCAN(eps=1.0, min_samples=2, backend=backend).fit(X)
        np.testing.assert_array_equal(model.predict([[1.0], [1.5], [3.5], [-0.5]]), [0, 1, -1, 0])

    def test_without_core_points(self, backend):
        model = DBSCAN(eps=0.1, backend=backend).fit([[0.0, 1.0], [5.0, 6.0]])
        assert model.components_.shape == (0, 2)
        np.testing.assert_array_equal(model.predict([[0.0, 1.0]]), [-1])

    def test_a_row_of_zeros_under_cosine_finds_itself(self, backend):
        X = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.1]])
        model = DBSCAN(eps=0.1, min_samples=1, metric="cosine", backend=backend).fit(X)
        np.testing.assert_array_equal(model.labels_, [0, 1, 1])
        np.testing.assert_array_equal(model.predict(X), [0, 1, 1])
        np.testing.assert_array_equal(model.predict([[-1.0, 0.0]]), [-1])

    @pytest.mark.parametrize(
        "dtypes", [(float, float), (float, np.float32), (np.float32, float), (float, int)]
    )
    def test_equal_rows_of_zeros_under_cosine_get_the_smallest_label(self, backend, dtypes):
        old, new = dtypes
        X = np.asfortranarray([[1.0, 0.0], [0.0, 0.0], [-0.0, 0.0], [0.0, 1.0]], dtype=old)
        model = DBSCAN(eps=0.1, min_samples=1, metric="cosine", backend=backend).fit(X)
        np.testing.assert_array_equal(model.labels_, [0, 1, 2, 3])
        for order in "CF":
            np.testing.assert_array_equal(model.predict(X.astype(new, order=order)), [0, 1, 1, 3])
        signs = np.array([[0.0, -0.0], [-0.0, -0.0], [-1.0, 0.0]], dtype=new)
        np.testing.assert_array_equal(model.predict(signs), [1, 1, -1])

    def test_unfitted(self, backend):
        for use in (lambda m: m.predict([[0.0]]), lambda m: m.diagnose(), lambda m: m.save("x")):
            with pytest.raises(NotFittedError):
                use(DBSCAN(backend=backend))
        assert not hasattr(DBSCAN(), "point_kinds_")

    def test_new_points_are_measured_with_the_scale_of_the_old(self, backend):
        X = blobs(80, columns=3)
        for metric in ("seuclidean", "mahalanobis"):
            model = DBSCAN(eps=0.5, min_samples=3, metric=metric, backend=backend).fit(X)
            kept = model.labels_ >= 0
            np.testing.assert_array_equal(model.predict(X)[kept], model.labels_[kept])


@pytest.mark.parametrize(("metric", "threads"), [("mahalanobis", 1), ("seuclidean", 2)])
def test_threads_of_scikit_learn_only_where_they_change_nothing(metric, threads):
    # Its threads share one buffer for the Mahalanobis distance: about one search in a thousand is wrong.
    X = blobs(80, columns=3)
    model = DBSCAN(eps=0.5, metric=metric, n_jobs=2).fit(X)
    assert OtherNeighbours(X, model, 2).search.n_jobs == threads


def test_point_kinds(backend):
    X = [[0.0], [1.0], [2.0], [9.0]]
    model = DBSCAN(eps=1.0, min_samples=3, backend=backend).fit(X)
    assert model.point_kinds_.tolist() == ["border", "core", "border", "noise"]


@pytest.mark.parametrize(
    ("eps", "min_samples", "says"),
    [
        (1e-6, 5, ["no cluster", "Nearly everything is noise (100%)", "k_distances", "k=4"]),
        (
            100.0,
            5,
            ["1 cluster;", "in one cluster (100%)", "Nearly every point is core (100%)", "k_distances"],
        ),
        (100.0, 1, ["in one cluster (100%)", "k=1"]),
        (0.9, 8, ["150 points: 3 clusters;"]),
    ],
)
def test_diagnose(eps, min_samples, says):
    text = DBSCAN(eps=eps, min_samples=min_samples).fit(blobs()).diagnose()
    for words in says:
        assert words in text
    assert ("k_distances" in text) == ("Nearly" in text)


def test_data_frames_give_names(backend):
    frame = pd.DataFrame(blobs(), columns=["length", "width"])
    model = DBSCAN(backend=backend).fit(frame)
    assert model.feature_names_in_.tolist() == ["length", "width"]
    np.testing.assert_array_equal(model.predict(frame), model.labels_)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["width", "length"]])


def test_pickle_and_clone(backend):
    X = blobs()
    model = DBSCAN(eps=0.7, backend=backend).fit(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.labels_)
    assert clone(model).get_params() == model.get_params()


def test_n_jobs_changes_nothing(monkeypatch):
    X = blobs(2000)
    expected = DBSCAN(eps=0.2, n_jobs=1).fit(X).labels_
    for n_jobs in (None, 2, 16, -1):
        np.testing.assert_array_equal(DBSCAN(eps=0.2, n_jobs=n_jobs).fit(X).labels_, expected)
    seen = []
    real = diptych._rust.dbscan
    monkeypatch.setattr("diptych._rust.dbscan", lambda *a: seen.append(a[-2]) or real(*a))
    monkeypatch.setattr("diptych._threads._chosen", 3)
    DBSCAN().fit(X)
    assert seen == [3]


def test_reference_needs_no_extension():
    code = """
import sys
sys.modules["diptych._rust"] = None
from diptych import DBSCAN
model = DBSCAN(eps=1.0, min_samples=2, backend="reference").fit([[0.0], [1.0], [5.0]])
print(model.predict([[0.5], [9.0]]).tolist())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[0, -1]"
