"""Evaluation: protocols written out literally, networkx and scikit-learn as oracles, small cases by hand."""

from __future__ import annotations

import re
import warnings
from itertools import combinations, permutations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import MultiLabelBinarizer

from diptych import Graph
from diptych._validate import seed_key
from diptych.evaluation import (
    link_prediction_auc,
    link_prediction_split,
    node_classification,
    reconstruction_precision,
)

KARATE = nx.karate_club_graph()


def spectral(graph, d):
    """Return leading eigenvectors: an embedding that owes nothing to this package."""
    values, vectors = np.linalg.eigh(nx.to_numpy_array(graph, weight=None))
    return vectors[:, -d:] * np.sqrt(np.abs(values[-d:]))


# Node classification


def scoring_py(features, Y, share, n_repeats, key):
    """Score as example_graphs/scoring.py of phanein/deepwalk does, its loops and all."""
    generator = np.random.default_rng(key)
    binarizer = MultiLabelBinarizer(classes=range(Y.shape[1]))
    results = {"micro": [], "macro": []}
    for _ in range(n_repeats):
        order = generator.permutation(len(features))
        X, y = features[order], Y[order]
        n_train = int(share * len(X))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "Label not 3 is present in all training examples."
            model = OneVsRestClassifier(LogisticRegression(C=1.0, max_iter=10_000, tol=1e-10))
            model.fit(X[:n_train], y[:n_train])
            probabilities = np.asarray(model.predict_proba(X[n_train:]))
        predictions = []
        for row, k in zip(probabilities, y[n_train:].sum(axis=1), strict=True):
            predictions.append(set(row.argsort()[len(row) - k :].tolist()))
        truth = [set(np.flatnonzero(row).tolist()) for row in y[n_train:]]
        for average, scores in results.items():
            ours, theirs = binarizer.fit_transform(predictions), binarizer.fit_transform(truth)
            scores.append(f1_score(theirs, ours, average=average, zero_division=0))
    return np.mean(results["micro"]), np.mean(results["macro"])


@pytest.fixture(scope="module")
def noisy():
    """Vectors and labels with something to learn and much to get wrong; one class is rare."""
    generator = np.random.default_rng(3)
    X = generator.normal(size=(240, 6))
    signal = X @ generator.normal(size=(6, 5)) + generator.normal(size=(240, 5))
    Y = (signal > np.quantile(signal, [0.6, 0.7, 0.5, 0.8, 0.97], axis=0).diagonal()).astype(int)
    assert 1 <= Y[:, 4].sum() <= 12
    assert (Y.sum(axis=1) == 0).any()
    return X, Y


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_node_classification_is_the_published_protocol(noisy, share):
    X, Y = noisy
    found = node_classification(X, Y, train_share=share, n_repeats=4, random_state=5)
    np.testing.assert_allclose(found, scoring_py(X, Y, share, 4, seed_key(5)), rtol=1e-12)
    assert 0.3 < found.macro < found.micro < 0.95


def test_labels_in_any_form(noisy):
    X, Y = noisy
    options = {"train_share": 0.5, "n_repeats": 2, "random_state": 0}
    expected = node_classification(X, Y, **options)
    assert node_classification(X, Y.astype(bool), **options) == expected
    assert node_classification(X, Y.tolist(), **options) == expected
    assert node_classification(X, sparse.csc_matrix(Y), **options) == expected
    assert node_classification(X, [set(np.flatnonzero(row).tolist()) for row in Y], **options) == expected
    assert (
        node_classification(X, [frozenset("abcde"[i] for i in np.flatnonzero(row)) for row in Y], **options)
        == expected
    )
    single = np.array(["x", "y", "z"])[X[:, :3].argmax(axis=1)]
    one_hot = single[:, None] == ["x", "y", "z"]
    expected = node_classification(X, one_hot, **options)
    assert node_classification(X, single, **options) == expected
    assert node_classification(X, single.astype(object), **options) == expected
    assert node_classification(X, single.tolist(), **options) == expected


def test_sets_and_columns_in_other_containers(noisy):
    X, Y = noisy
    options = {"train_share": 0.5, "n_repeats": 2, "random_state": 0}
    sets = [set(np.flatnonzero(row).tolist()) for row in Y]
    objects = np.empty(len(sets), dtype=object)
    objects[:] = sets
    expected = node_classification(X, Y, **options)
    assert 0 < expected.micro < 1
    for labels in (tuple(sets), objects, objects[:, None], pd.Series(sets, index=range(7, 7 + len(sets)))):
        assert node_classification(X, labels, **options) == expected
    assert node_classification(X, pd.DataFrame(Y.astype(bool)), **options) == expected
    ids = X[:, :3].argmax(axis=1)
    expected = node_classification(X, ids, **options)
    assert 0 < expected.micro < 1
    for labels in (ids[:, None], ids[:, None].tolist(), pd.Series(ids), pd.DataFrame({"class": ids})):
        assert node_classification(X, labels, **options) == expected


def test_one_label_for_each_node_makes_micro_f1_the_accuracy():
    X = np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]] * 10)
    y = np.array([0, 0, 1, 1, 1, 1] * 10)  # a third of the left cloud is mislabelled, and never found
    found = node_classification(X, y, train_share=0.5, n_repeats=60, random_state=1)
    assert found.micro == pytest.approx(5 / 6, abs=0.02)


def test_one_seed_one_score(noisy):
    options = {"train_share": 0.2, "n_repeats": 3}
    first = node_classification(*noisy, **options, random_state=7)
    assert node_classification(*noisy, **options, random_state=7) == first
    assert node_classification(*noisy, **options, random_state=np.random.SeedSequence(7)) == first
    assert node_classification(*noisy, **options, random_state=8) != first


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"labels": [0, 1]}, "labels has 2 entries: one for each of the 6"),
        ({"labels": [1] * 6}, "1 classes"),
        ({"labels": [0, 1, None, 0, 1, 0]}, r"labels\[2\] is missing"),
        ({"labels": [0, 1, float("nan"), 0, 1, 0]}, r"labels\[2\] is missing"),
        ({"labels": pd.Series([0, 1, None, 0, 1, 0], dtype="Int64")}, r"labels\[2\] is missing"),
        ({"labels": pd.Series(["a", "b", None] * 2, dtype="string")}, r"labels\[2\] is missing"),
        ({"labels": [0, "a", 1, 0, 1, 0]}, "cannot be compared"),
        ({"labels": ["b", float("nan"), "a", "b", "a", "b"]}, r"labels\[1\] is missing"),
        ({"labels": [[0], [1, 2], [0], [0], [0], [0]]}, "as a set"),
        ({"labels": pd.Series([[0], [1], [0], [1], [0], [1, 2]])}, r"labels\[0\]=\[0\].*as a set"),
        ({"labels": [[0, 1], [1, 3], [0, 1], [1, 0], [0, 1], [1, 0]]}, r"labels\[1, 1\]=3.*0 and 1.*set"),
        ({"labels": np.full((6, 2), 0.5)}, r"labels\[0, 0\]=0\.5.*0 and 1"),
        ({"labels": sparse.csr_array(np.full((6, 2), 2))}, r"labels\[0, 0\]=2.*0 and 1"),
        ({"labels": [{0}, {1}, 0, {1}, {0}, {1}]}, r"labels\[2\]=0 stands among sets"),
        ({"labels": [{0}, {"a"}, {0}, {1}, {0}, {1}]}, "cannot be compared"),
        ({"labels": np.ma.array([0, 1] * 3, mask=[0, 1] * 3)}, r"labels\[1\] is missing"),
        ({"labels": np.zeros((6, 2, 2))}, r"\(6, 2, 2\)"),
        ({"embedding": [[np.nan]] * 6}, r"embedding\[0, 0\]=nan"),
        ({"train_share": 0}, "train_share=0"),
        ({"train_share": 1.0}, "train_share=1"),
        ({"train_share": "half"}, "train_share='half'"),
        ({"train_share": 0.1}, "leaves none"),
        ({"n_repeats": 0}, "n_repeats=0"),
        ({"random_state": -1}, "random_state=-1"),
    ],
)
def test_bad_arguments_of_node_classification(change, says):
    given = {"embedding": np.arange(6.0)[:, None], "labels": [0, 1] * 3, "train_share": 0.5} | change
    with pytest.raises(ValueError, match=says):
        node_classification(**given)


# Link prediction: the split


def as_networkx(graph):
    kind = nx.DiGraph if graph.directed else nx.Graph
    return nx.from_scipy_sparse_array(graph.adjacency, create_using=kind)


@given(
    st.integers(2, 9).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))))
    ),
    st.booleans(),
    st.floats(0.05, 0.9),
    st.integers(0, 9),
)
def test_a_split_against_networkx(edges, directed, share, seed):
    n, ends = edges
    g = (nx.DiGraph if directed else nx.Graph)()
    g.add_nodes_from(range(n))
    g.add_weighted_edges_from((u, v, 1.5 + u + v) for u, v in ends)
    graph = Graph.from_networkx(g)
    try:
        train, positives, negatives = link_prediction_split(graph, share=share, random_state=seed)
    except ValueError:
        loops = nx.number_of_selfloops(g)
        m = g.number_of_edges() - loops
        hidden = round(share * m)
        components = nx.number_weakly_connected_components if directed else nx.number_connected_components
        pairs = len(list((permutations if directed else combinations)(range(n), 2)))
        assert hidden == 0 or hidden > m - (n - components(g)) or hidden > pairs - m
        return
    left, kept = as_networkx(train), {frozenset((u, v)) if not directed else (u, v) for u, v in g.edges}

    def pairs_of(array):
        pairs = [(u, v) if directed else frozenset((u, v)) for u, v in array.tolist()]
        assert len(set(pairs)) == len(pairs)
        assert (array[:, 0] != array[:, 1]).all()
        return set(pairs)

    hidden, wrong = pairs_of(positives), pairs_of(negatives)
    assert len(hidden) == len(wrong) == round(share * (len(kept) - nx.number_of_selfloops(g)))
    assert hidden <= kept
    assert not wrong & kept
    remaining = {(u, v) if directed else frozenset((u, v)) for u, v in left.edges}
    assert remaining == kept - hidden
    parts = nx.weakly_connected_components if directed else nx.connected_components
    assert sorted(map(sorted, parts(left))) == sorted(map(sorted, parts(g)))
    for u, v, w in left.edges(data="weight"):
        assert w == g[u][v]["weight"]
    assert train.directed == directed


def test_a_split_keeps_names_and_takes_any_graph():
    g = nx.relabel_nodes(KARATE, {i: f"member {i}" for i in KARATE})
    train, positives, negatives = link_prediction_split(g, share=0.5, random_state=0)
    assert train.node_names.tolist() == list(g)
    assert len(positives) == len(negatives) == 39
    assert train.n_edges == 39
    assert nx.is_connected(as_networkx(train))
    assert positives.dtype == negatives.dtype == np.int64
    assert (positives[:, 0] < positives[:, 1]).all()


def test_one_seed_one_split():
    first = link_prediction_split(KARATE, random_state=4)
    again, other = (link_prediction_split(KARATE, random_state=seed) for seed in (4, 5))
    np.testing.assert_array_equal(first.positives, again.positives)
    np.testing.assert_array_equal(first.negatives, again.negatives)
    assert not np.array_equal(first.positives, other.positives)
    assert not np.array_equal(first.negatives, other.negatives)


@pytest.mark.parametrize("directed", [False, True])
def test_every_pair_without_an_edge_is_as_likely_a_negative(directed):
    from scipy.stats import chisquare

    g = nx.gnm_random_graph(7, 11, seed=2, directed=directed)
    counts = np.zeros((7, 7), dtype=int)
    for seed in range(800):
        split = link_prediction_split(g, share=0.2, random_state=seed)
        np.add.at(counts, tuple(split.negatives.T), 1)
    empty = nx.to_numpy_array(g) == 0
    empty &= ~np.eye(7, dtype=bool) if directed else np.triu(np.ones((7, 7), dtype=bool), 1)
    assert counts[~empty].sum() == 0
    assert chisquare(counts[empty]).pvalue > 1e-3


def test_every_edge_of_a_cycle_is_as_likely_hidden():
    from scipy.stats import chisquare

    counts = np.zeros(10, dtype=int)
    for seed in range(600):
        (u, v), *others = link_prediction_split(nx.cycle_graph(10), share=0.1, random_state=seed).positives
        assert not others
        counts[u if v == u + 1 else 9] += 1
    assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(
    ("graph", "share", "says"),
    [
        (nx.path_graph(5), 0.5, r"hide 2 of 4 edges, and 0 can go.*: it has no cycle"),
        (nx.cycle_graph(10), 0.5, r"hide 5 of 10 edges, and 1 can go.*share=0\.1"),
        (nx.complete_graph(6), 0.5, r"8 negatives are needed, and only 0 pairs"),
        (nx.empty_graph(4), 0.5, "0 edges hides none"),
        (nx.cycle_graph(4), 0.01, "hides none"),
        (nx.cycle_graph(4), 0.0, r"share=0\.0"),
        (nx.cycle_graph(4), 1.5, r"share=1\.5"),
    ],
)
def test_splits_that_cannot_be(graph, share, says):
    with pytest.raises(ValueError, match=says):
        link_prediction_split(graph, share=share)


@pytest.mark.parametrize("n", [7, 10, 64, 3000])
def test_the_share_that_is_named_as_possible_is(n):
    with pytest.raises(ValueError, match="is possible") as refused:
        link_prediction_split(nx.cycle_graph(n), share=0.5)
    share = float(re.search(r"share=(\S+) is possible", str(refused.value))[1])
    assert len(link_prediction_split(nx.cycle_graph(n), share=share).positives) == 1


def test_numbers_of_pairs_are_exact_where_floats_are_not():
    from diptych.evaluation._links import _numbered_pair, _pair_number

    n = 2**31 - 1
    v = np.array([n - 1, n - 1, n - 1, 2**27 + 1, 1, 2])
    u = np.array([0, n - 2, n // 2, 2**27, 0, 0])
    for directed, pairs in ((False, np.column_stack([u, v])), (True, np.column_stack([v, u]))):
        number = _pair_number(pairs, n, directed)
        np.testing.assert_array_equal(_numbered_pair(number, n, directed), pairs)


# Link prediction: the score


@pytest.mark.parametrize(
    ("operator", "feature"),
    [
        ("hadamard", lambda a, b: a * b),
        ("average", lambda a, b: (a + b) / 2),
        ("l1", lambda a, b: abs(a - b)),
        ("l2", lambda a, b: (a - b) ** 2),
    ],
)
def test_auc_by_hand(operator, feature):
    """The halves are drawn again here; everything else is written out."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(30, 4))
    groups = [generator.integers(0, 30, (25, 2)), generator.integers(0, 30, (18, 2))]
    found = link_prediction_auc(X, *groups, operator=operator, random_state=3)
    draws = np.random.default_rng(seed_key(3))
    groups = [draws.permutation(group) for group in groups]
    areas = []
    for a, b in ((0, 1), (1, 0)):
        train = np.array([feature(X[u], X[v]) for group in groups for u, v in group[a::2]])
        test = np.array([feature(X[u], X[v]) for group in groups for u, v in group[b::2]])
        y_train, y_test = (
            np.concatenate([np.ones(len(groups[0][s::2])), np.zeros(len(groups[1][s::2]))]) for s in (a, b)
        )
        mean, deviation = train.mean(axis=0), train.std(axis=0)
        model = LogisticRegression(C=1.0, tol=1e-10, max_iter=10_000).fit((train - mean) / deviation, y_train)
        areas.append(roc_auc_score(y_test, model.decision_function((test - mean) / deviation)))
    assert found == pytest.approx(np.mean(areas), abs=1e-12)


def test_scores_need_no_training():
    X = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 9.0], [0.0, 0.0], [-1.0, 0.0]])
    positives, negatives = [[0, 1], [2, 2]], [[0, 2], [0, 4]]
    assert link_prediction_auc(X, positives, negatives, operator="dot") == 1.0
    assert link_prediction_auc(X, positives, [[2, 2], [3, 3]], operator="dot") == 0.625  # 2 < 81, 81 = 81
    assert link_prediction_auc(X, positives, [[0, 3], [1, 4]], operator="cosine") == 1.0
    assert link_prediction_auc(X, [[0, 3], [1, 4]], positives, operator="cosine") == 0.0


@pytest.mark.parametrize("operator", ["hadamard", "dot"])
def test_vectors_of_structure_find_links_and_random_ones_do_not(operator):
    g = nx.connected_caveman_graph(12, 8)
    split = link_prediction_split(g, share=0.3, random_state=0)
    pairs = (split.positives, split.negatives)
    good = spectral(as_networkx(split.train), 24)
    assert link_prediction_auc(good, *pairs, operator=operator, random_state=0) > 0.9
    areas = []
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(size=good.shape)
        areas.append(link_prediction_auc(noise, *pairs, operator=operator, random_state=seed))
    assert 0.45 < np.mean(areas) < 0.55


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"operator": "product"}, "operator='product'.*'hadamard'"),
        ({"positives": [[0, 1], [1, 7]]}, r"positives\[1, 1\]=7 is out of range for the 4 rows"),
        ({"negatives": [[0, 1], [-1, 2]]}, r"negatives\[1, 0\]=-1"),
        ({"negatives": [[0, 1]]}, r"negatives has shape \(1, 2\)"),
        ({"positives": [[0.0, 1.0], [1, 2]]}, "float64.*integers"),
        ({"positives": [0, 1]}, r"shape \(2,\)"),
    ],
)
def test_bad_arguments_of_auc(change, says):
    given = {"embedding": np.eye(4), "positives": [[0, 1], [1, 2]], "negatives": [[0, 2], [1, 3]]} | change
    with pytest.raises(ValueError, match=says):
        link_prediction_auc(**given)


# Reconstruction


def by_sorting(X, g, k):
    """Sort all pairs."""
    pairs = sorted(combinations(range(len(X)), 2), key=lambda pair: (-(X[pair[0]] @ X[pair[1]]), pair))
    undirected = g.to_undirected()
    return sum(undirected.has_edge(*pair) for pair in pairs[:k]) / k


@pytest.mark.parametrize("block", [1, 7, 60, 10_000])
def test_precision_against_sorting_all_pairs(monkeypatch, block):
    monkeypatch.setattr("diptych.evaluation._reconstruction._BLOCK", block)
    generator = np.random.default_rng(1)
    for directed in (False, True):
        g = nx.gnp_random_graph(20, 0.3, seed=1, directed=directed)
        g.add_edge(3, 3)
        X = generator.integers(-2, 3, (20, 3)).astype(float)  # many ties, no rounding
        for k in (1, 2, 30, 189, 190):
            assert reconstruction_precision(X, g, k) == by_sorting(X, g, k)


def test_an_embedding_that_is_the_graph():
    # x_u · x_v = A_uv for u ≠ v: the rows of a square root of A + c I.
    A = nx.to_numpy_array(KARATE, weight=None)
    values, vectors = np.linalg.eigh(A + 7 * np.eye(34))
    X = vectors * np.sqrt(values)
    assert reconstruction_precision(X, KARATE, 78) == 1.0
    assert reconstruction_precision(X, KARATE, 156) == 0.5
    assert reconstruction_precision(-X[::-1], KARATE, 34 * 33 // 2) == pytest.approx(78 / 561)


def test_bad_arguments_of_reconstruction():
    with pytest.raises(ValueError, match=r"embedding has 33 rows.*34 nodes"):
        reconstruction_precision(np.zeros((33, 2)), KARATE, 5)
    with pytest.raises(ValueError, match=r"k=562: 34 nodes make 561 pairs"):
        reconstruction_precision(np.zeros((34, 2)), KARATE, 562)
    with pytest.raises(ValueError, match="k=0"):
        reconstruction_precision(np.zeros((34, 2)), KARATE, 0)


def test_reconstruction_is_never_quadratic_in_memory():
    import tracemalloc

    n = 6000
    X = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)
    g = Graph(sparse.eye_array(n, k=1) + sparse.eye_array(n, k=-1))
    tracemalloc.start()
    try:
        reconstruction_precision(X, g, 1000)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64 * 2**20 + 64 * 1000 + 2**21 < 4 * n * n
