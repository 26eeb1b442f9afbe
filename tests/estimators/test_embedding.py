"""DeepWalk and Node2Vec: the kernels' result by name, updates, what is said of bad input."""

import inspect
import pickle
import re
import signal
import sys
import threading
import time

import networkx as nx
import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import diptych
from diptych import DeepWalk, Graph, Node2Vec, datasets, kernels
from diptych._validate import DtypeError
from diptych.evaluation import node_classification
from diptych.io import read_word2vec

EDGES, FACTION, _ = datasets.load_karate()
KARATE = Graph.from_edges(EDGES)
QUICK = {"dimensions": 8, "walk_length": 20, "walks_per_node": 4, "window": 3}
ESTIMATORS = (DeepWalk, Node2Vec)
each_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)


def quick(estimator=DeepWalk, **parameters):
    return estimator(**{**QUICK, "random_state": 0, **parameters})


def tables(model):
    return model.embedding_, model.contexts_, model.losses_


def assert_same(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def fitted():
    return quick().fit(KARATE)


# ---- fitting ----


@pytest.mark.parametrize("n_jobs", [1, 2, -1])
@pytest.mark.parametrize(
    ("estimator", "biases"), [(DeepWalk, {}), (Node2Vec, {}), (Node2Vec, {"p": 0.25, "q": 4.0})]
)
def test_fit_is_training_on_random_walks(estimator, biases, n_jobs):
    steps = {"walk_length": 20, "walks_per_node": 4, **biases}
    training = {
        "window": 3,
        "negative": 2,
        "exponent": 0.5,
        "shrink": False,
        "epochs": 2,
        "learning_rate": 0.05,
    }
    walks = kernels.walks.random_walks(KARATE.adjacency, rng=7, **steps)
    expected = kernels.skipgram.train(walks, n_nodes=34, dimensions=8, rng=7, **training)
    model = estimator(8, random_state=7, n_jobs=n_jobs, **steps, **training).fit(KARATE)
    assert_same(tables(model), expected)


def test_the_reference_draws_the_same(fitted):
    model = quick(backend="reference").fit(KARATE)
    for ours, theirs in zip(tables(model), tables(fitted), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)  # float64 beside float32
    second = {"p": 0.5, "q": 2.0}
    reference, rust = (quick(Node2Vec, backend=b, **second).fit(KARATE) for b in ("reference", "rust"))
    np.testing.assert_allclose(reference.embedding_, rust.embedding_, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_vectors_tell_the_factions_apart(estimator):
    scores = [
        node_classification(
            estimator(16, random_state=seed).fit_transform(EDGES), FACTION, train_share=0.5, random_state=0
        ).micro
        for seed in range(5)
    ]
    assert np.median(scores) > 0.85  # the larger faction has a share of 0.5
    assert np.ptp(scores) > 0  # seeds do differ


def test_what_a_graph_may_come_as(tmp_path, fitted):
    path = tmp_path / "edges.csv"
    np.savetxt(path, EDGES, fmt="%d", delimiter=",")
    graph = nx.Graph()
    graph.add_nodes_from(range(34))
    graph.add_edges_from(EDGES.tolist())
    for given in (EDGES, path, str(path), graph, KARATE.adjacency, KARATE.adjacency.tocoo()):
        model = quick().fit(given)
        assert_same(tables(model), tables(fitted))
        assert model.node_names_.tolist() == list(range(34))


def test_shapes_and_types(fitted):
    assert fitted.embedding_.shape == fitted.contexts_.shape == (34, 8)
    assert fitted.embedding_.dtype == fitted.contexts_.dtype == np.float32
    assert fitted.losses_.shape == (1,)
    again = quick()
    vectors = again.fit_transform(KARATE)
    assert vectors is again.embedding_
    np.testing.assert_array_equal(vectors, fitted.embedding_)


@pytest.mark.parametrize(
    ("state", "moves_on"),
    [
        (lambda: 3, False),
        (lambda: np.int64(3), False),
        (lambda: np.random.SeedSequence(3), False),
        (lambda: np.random.RandomState(3), True),
        (lambda: np.random.default_rng(3), True),
    ],
)
@pytest.mark.parametrize("backend", ["rust", "reference"])
def test_random_states(state, moves_on, backend):
    model = quick(random_state=state(), backend=backend)
    first, second = model.fit_transform(KARATE), model.fit_transform(KARATE)
    np.testing.assert_array_equal(first, quick(random_state=state(), backend=backend).fit_transform(KARATE))
    assert np.array_equal(first, second) != moves_on


def test_no_random_state_is_another_result_each_time():
    model = quick(random_state=None)
    assert not np.array_equal(model.fit_transform(KARATE), model.fit_transform(KARATE))


@each_estimator
def test_scikit_learns_conventions(estimator):
    model = quick(estimator, exponent=0.5)
    assert clone(model).get_params() == model.get_params()
    assert repr(model).startswith(f"{estimator.__name__}(dimensions=8, exponent=0.5")
    assert list(model.get_params()) == sorted(inspect.signature(estimator).parameters)
    assert model.set_params(window=2).window == 2
    assert_same(tables(pickle.loads(pickle.dumps(model.fit(KARATE)))), tables(model))


def test_node2vec_has_deepwalks_parameters_and_two_more():
    ours, theirs = (inspect.signature(e).parameters for e in (Node2Vec, DeepWalk))
    assert list(ours) == [*theirs, "p", "q"]
    assert all(ours[name] == theirs[name] for name in theirs)


@pytest.mark.parametrize("call", ["update", "most_similar", "to_gensim", "save"])
def test_not_fitted(call, tmp_path):
    argument = {"update": [EDGES], "most_similar": [0], "to_gensim": [], "save": [tmp_path / "x.npz"]}[call]
    with pytest.raises(NotFittedError):
        getattr(DeepWalk(), call)(*argument)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dimensions", 0), ("dimensions", 2.0), ("dimensions", True), ("walk_length", 0),
        ("walks_per_node", 0), ("window", 0), ("window", "10"), ("negative", -1), ("epochs", -1),
        ("exponent", np.nan), ("exponent", "x"), ("shrink", 1), ("verbose", None), ("learning_rate", 0.0),
        ("learning_rate", np.inf), ("random_state", -1), ("random_state", "seed"), ("n_jobs", 1.5),
        ("backend", "numpy"), ("p", 0), ("p", np.nan), ("q", -1.0), ("q", np.inf),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be(name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of Node2Vec must be .* Got {value!r}"):
        Node2Vec(**{name: value}).fit(KARATE)


def test_zero_threads_are_refused():
    with pytest.raises(ValueError, match="n_jobs=0"):
        quick(n_jobs=0).fit(KARATE)


def test_a_low_learning_rate_stays(fitted):
    slow = quick(learning_rate=1e-5).fit(KARATE)
    assert np.isfinite(slow.embedding_).all()
    begun = quick(epochs=0).fit(KARATE)
    assert 0 < np.abs(slow.embedding_ - begun.embedding_).max() < 1e-3


def test_divergence_is_reported_and_the_old_fit_stays(fitted):
    model = quick().fit(KARATE)
    with pytest.raises(FloatingPointError, match=r"epoch \d+, at a learning rate of 10{30}:"):
        model.set_params(learning_rate=1e30, epochs=5).fit(KARATE)
    assert_same(tables(model), tables(fitted))


@pytest.mark.parametrize("method", ["fit", "update"])
def test_ctrl_c_leaves_the_old_fit(method, fitted):
    model = quick().fit(KARATE).set_params(epochs=10**6)
    timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
    started = time.perf_counter()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        getattr(model, method)([*EDGES.tolist(), (0, 34)])
    assert time.perf_counter() - started < 5
    assert_same(tables(model), tables(fitted))
    assert_same(tables(model.set_params(epochs=1).fit(KARATE)), tables(fitted))


# ---- graphs with little in them ----


@pytest.mark.parametrize("n", [0, 1, 5])
@each_estimator
def test_a_graph_without_edges_teaches_nothing(estimator, n):
    with pytest.raises(ValueError, match=f"{n} nodes and no edges"):
        estimator().fit(sparse.csr_array((n, n)))


@pytest.mark.parametrize("backend", ["rust", "reference"])
def test_one_node_that_leads_to_itself(backend):
    model = quick(backend=backend).fit(sparse.csr_array([[1.0]]))
    assert np.isfinite(model.embedding_).all()
    assert model.embedding_.shape == (1, 8)
    assert model.most_similar(0) == []


@pytest.mark.parametrize("backend", ["rust", "reference"])
def test_a_node_alone_keeps_the_vector_it_began_with(backend):
    graph = Graph.from_edges([("a", "b"), ("b", "c")], node_names=["alone", "a", "b", "c"])
    begun, model = (quick(backend=backend, epochs=epochs).fit(graph) for epochs in (0, 3))
    np.testing.assert_array_equal(model.embedding_[0], begun.embedding_[0])
    assert (model.embedding_[1:] != begun.embedding_[1:]).all()


# ---- neighbours ----


def test_most_similar_are_the_greatest_cosines(fitted):
    unit = fitted.embedding_.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    cosines = unit @ unit[5]
    found = fitted.most_similar(5, k=40)
    assert sorted(name for name, _ in found) == [node for node in range(34) if node != 5]
    np.testing.assert_allclose([c for _, c in found], cosines[[name for name, _ in found]], atol=1e-12)
    assert [c for _, c in found] == sorted((c for _, c in found), reverse=True)
    assert fitted.most_similar(5, k=3) == found[:3]
    assert len(fitted.most_similar(5)) == 10


def test_most_similar_by_name():
    model = quick().fit([("a", "b"), ("b", "c"), ("c", "a"), (1, "a")])
    model.embedding_ = np.array([[1, 0], [0, 0], [3, 4], [-1e-30, 0]], np.float32).repeat(4, axis=1)
    assert model.most_similar("a") == [("c", pytest.approx(0.6)), ("b", 0.0), (1, -1.0)]
    assert model.most_similar("b") == [("a", 0.0), ("c", 0.0), (1, 0.0)]  # no direction: by row
    with pytest.raises(ValueError, match=r"no node is named 'z'\.$"):
        model.most_similar("z")
    with pytest.raises(ValueError, match="no node is named '1'; there is 1, a int"):
        model.most_similar("1")
    with pytest.raises(DtypeError, match=r"\['a'\] cannot name a node: pass one name"):
        model.most_similar(["a"])
    with pytest.raises(ValueError, match="k=0"):
        model.most_similar("a", k=0)


# ---- update ----


def two_cliques(size):
    """Two cliques with an edge between."""
    graph = nx.disjoint_union(nx.complete_graph(size), nx.complete_graph(size))
    graph.add_edge(0, size)
    return nx.relabel_nodes(graph, lambda v: f"{'left' if v < size else 'right'} {v % size}")


@pytest.mark.parametrize("backend", ["rust", "reference"])
def test_update_leaves_old_rows_and_places_new_ones(backend):
    graph = two_cliques(10)
    model = quick(epochs=20, backend=backend).fit(graph)
    before = [table.copy() for table in tables(model)]
    names = model.node_names_.tolist()
    for side in ("left", "right"):
        graph.add_edges_from((f"{side} new", f"{side} {i}") for i in range(10))
    assert model.update(graph) is model
    assert model.node_names_.tolist() == [*names, "left new", "right new"]
    for now, then in zip(tables(model)[:2], before[:2], strict=True):
        np.testing.assert_array_equal(now[:20], then)
    for side in ("left", "right"):
        nearest = [name for name, _ in model.most_similar(f"{side} new", k=8)]
        assert all(name.startswith(side) for name in nearest), nearest


def test_update_with_the_rows_in_another_order():
    edges = [(5, 6), (6, 7), (7, 5), (7, 8)]
    model = quick().fit(edges)
    vectors = dict(zip(model.node_names_.tolist(), model.embedding_.copy(), strict=True))
    model.update([(1, 5), (5, 6), (9, 6)])  # 7 and 8 are not there any more, 1 and 9 are new
    assert model.node_names_.tolist() == [5, 6, 7, 8, 1, 9]
    assert model.node_names_.dtype == np.int64
    for name, vector in vectors.items():
        np.testing.assert_array_equal(model.embedding_[model.node_names_ == name][0], vector)


@pytest.mark.parametrize("estimator", [quick(), quick(Node2Vec, p=0.25, q=4.0)])
def test_update_trains_on_from_the_tables_with_walks_of_the_new_nodes(estimator):
    model, old = (clone(estimator).fit(KARATE) for _ in range(2))
    grown = Graph.from_edges([*EDGES.tolist(), (34, 0), (34, 1), (35, 34)])
    model.update(grown)
    biases = {name: value for name, value in estimator.get_params().items() if name in ("p", "q")}
    walks = kernels.walks.random_walks(
        grown.adjacency, walk_length=20, walks_per_node=4, start_nodes=[34, 35], rng=0, **biases
    )
    begun = kernels.skipgram.train(walks, n_nodes=36, dimensions=8, epochs=0, rng=0)
    begun.vectors[:34], begun.contexts[:34] = old.embedding_, old.contexts_
    expected = kernels.skipgram.train(
        walks, n_nodes=36, dimensions=8, window=3, initial=(begun.vectors, begun.contexts), rng=0
    )
    expected.vectors[:34], expected.contexts[:34] = old.embedding_, old.contexts_
    assert_same(tables(model), expected)


def test_update_without_news(fitted):
    model = quick().fit(KARATE).update([(0, 1)])
    assert_same(tables(model), tables(fitted))
    assert len(model.node_names_) == 34


def test_update_of_a_node_alone():
    model = quick().fit([("a", "b")]).update(Graph(sparse.csr_array((1, 1)), node_names=["c"]))
    assert model.node_names_.tolist() == ["a", "b", "c"]
    assert np.isfinite(model.embedding_).all()


def test_an_update_that_fails_changes_nothing(fitted):
    model = quick().fit(KARATE).set_params(learning_rate=1e30, epochs=5)
    with pytest.raises(FloatingPointError):
        model.update([(0, 99), (99, 1)])
    assert_same(tables(model), tables(fitted))
    assert len(model.node_names_) == 34


# ---- files, gensim, progress ----


@pytest.mark.parametrize("names", [None, [f"né {i}" for i in range(34)], ["a", *range(1, 34)]])
@each_estimator
def test_save_and_load(tmp_path, estimator, names):
    model = quick(estimator).fit(Graph(KARATE.adjacency, node_names=names))
    model.save(tmp_path / "model.npz")
    again = diptych.load(tmp_path / "model.npz")
    assert type(again) is estimator
    assert again.get_params() == model.get_params()
    assert_same(tables(again), tables(model))
    assert again.node_names_.tolist() == model.node_names_.tolist()
    assert again.node_names_.dtype == model.node_names_.dtype
    last = model.node_names_.tolist()[-1]
    assert again.update([(last, "new")]).most_similar("new") == model.update([(last, "new")]).most_similar(
        "new"
    )


def test_a_generator_is_not_saved(tmp_path):
    model = quick(random_state=np.random.default_rng(0), learning_rate=np.float32(0.02)).fit(KARATE)
    model.save(tmp_path / "model.npz")
    again = diptych.load(tmp_path / "model.npz")
    assert again.random_state is None
    assert again.learning_rate == model.learning_rate


def test_names_that_cannot_be_saved(tmp_path):
    model = quick().fit([(("a", 1), ("b", 2))])
    with pytest.raises(ValueError, match=r"\('a', 1\) is named by a tuple"):
        model.save(tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "array", "says"),
    [
        ("embedding", np.zeros((33, 8), np.float32), "embedding is float32 of shape"),
        ("embedding", np.zeros((34, 8)), "embedding is float64"),
        ("embedding", np.full((34, 8), np.nan, np.float32), "not finite"),
        ("contexts", np.zeros((34, 7), np.float32), "contexts have shape"),
        ("losses", np.zeros((1, 1)), "losses"),
        ("node_names", np.zeros(34, np.int64), "both 0"),
        ("node_names", np.zeros(34, np.int32), "node_names is int32"),
        ("node_names", np.frombuffer(b'{"a": 1}', np.uint8), "not a list"),
        ("node_names", np.frombuffer(b"[[1]]", np.uint8), "not a list"),
        ("node_names", np.frombuffer(b"[" * 100_000, np.uint8), "does not fit together"),
    ],
)
def test_files_that_lie(tmp_path, fitted, name, array, says):
    from diptych.estimators._embedding_file import to_archive
    from diptych.io import write_archive

    header, arrays = to_archive(fitted)
    write_archive(tmp_path / "model.npz", header, arrays | {name: array})
    with pytest.raises(ValueError, match=says):
        diptych.load(tmp_path / "model.npz")


@pytest.mark.parametrize("ending", ["txt", "vec", "VEC"])
def test_word2vec_text(tmp_path, fitted, ending):
    path = tmp_path / f"vectors.{ending}"
    fitted.save(path)
    names, vectors = read_word2vec(path)
    np.testing.assert_array_equal(names, fitted.node_names_)
    np.testing.assert_array_equal(vectors, fitted.embedding_)


def test_gensim(fitted):
    pytest.importorskip("gensim")
    theirs = fitted.to_gensim()
    assert len(theirs) == 34
    np.testing.assert_array_equal(theirs["33"], fitted.embedding_[33])
    for (name, cosine), (ours, our_cosine) in zip(
        theirs.most_similar("0", topn=5), fitted.most_similar(0, k=5), strict=True
    ):
        assert name == str(ours)
        assert cosine == pytest.approx(our_cosine, abs=1e-6)


def test_without_gensim(monkeypatch, fitted):
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    with pytest.raises(ImportError, match="pip install gensim"):
        fitted.to_gensim()


def test_gensim_and_names_written_alike():
    pytest.importorskip("gensim")
    with pytest.raises(ValueError, match="written alike"):
        quick().fit([(1, "1")]).to_gensim()


def test_verbose_shows_a_bar(capsys, fitted):
    model = quick(verbose=True, walks_per_node=400).fit(KARATE)
    shown = capsys.readouterr()
    assert re.search(r"DeepWalk: +\d+%.*\[\d+:\d+<[\d?:]+", shown.err), (
        "the share that is done, and the time left"
    )
    assert shown.out == ""
    quick(walks_per_node=400).fit(KARATE)
    assert capsys.readouterr() == ("", "")
    assert np.isfinite(model.embedding_).all()


def test_verbose_without_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ImportError, match="pip install tqdm"):
        quick(verbose=True).fit(KARATE)


def test_the_reference_stands_without_the_extension(run_python):
    code = (
        "import diptych\n"
        "model = diptych.Node2Vec(4, walk_length=5, backend='reference', random_state=0)\n"
        "print(model.fit([('a', 'b'), ('b', 'c')]).update([('c', 'd')]).embedding_.shape)\n"
    )
    assert run_python(code, block=["diptych._rust"]).strip() == "(4, 4)"
