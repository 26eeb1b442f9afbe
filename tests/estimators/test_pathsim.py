"""PathSim: scores by name, explanations whose shares add up, files, what is refused."""

import copy
import math
import pickle
import time
from fractions import Fraction
from functools import reduce
from operator import add

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import diptych
from diptych import HeteroGraph, PathSim, datasets
from diptych.io import read_archive, write_archive

WRITES, APPEARS, CITES = (
    ("author", "writes", "paper"),
    ("paper", "appears in", "venue"),
    ("paper", "cites", "paper"),
)
NOTES = HeteroGraph(
    {
        WRITES: [("A1", "P1"), ("A1", "P2"), ("A2", "P3"), ("A3", "P4")],
        APPEARS: [("P1", "C1"), ("P2", "C2"), ("P3", "C1"), ("P4", "C2")],
        CITES: [("P3", "P1"), ("P4", "P1"), ("P4", "P2")],
    }
)
# Table 2 of the paper, by how often an author published at a venue.
PUBLISHED = {
    "Mike": {"SIGMOD": 2, "VLDB": 1},
    "Jim": {"SIGMOD": 50, "VLDB": 20},
    "Mary": {"SIGMOD": 2, "ICDE": 1},
    "Bob": {"SIGMOD": 2, "VLDB": 1},
    "Ann": {"ICDE": 1, "KDD": 1},
}
PAPER = {
    ("author", "publishes at", "venue"): [(a, v, n) for a, row in PUBLISHED.items() for v, n in row.items()]
}


@pytest.fixture(params=["reference", "rust"])
def backend(request):
    return request.param


@pytest.fixture
def notes(backend):
    return PathSim("APVPA", backend=backend).fit(NOTES)


@pytest.fixture
def paper(backend):
    return PathSim("AVA", backend=backend).fit(PAPER)


# ---- scores ----


def test_the_example_of_the_notes(notes):
    assert notes.similarity("A1", "A2") == 2 / 3
    assert notes.similarity("A1", "A3") == 2 / 3
    assert notes.similarity("A2", "A3") == 0.0
    assert notes.top_k("A1") == [("A2", 2 / 3), ("A3", 2 / 3)]
    assert notes.top_k("A2", include_self=True) == [("A2", 1.0), ("A1", 2 / 3)]
    assert notes.top_k("A1", 1) == [("A2", 2 / 3)]


def test_the_example_of_the_paper(paper):
    assert paper.top_k("Mike") == [("Bob", 1.0), ("Mary", 0.8), ("Jim", 240 / 2905)]
    assert [round(paper.similarity("Mike", name), 4) for name in PUBLISHED] == [1.0, 0.0826, 0.8, 1.0, 0.0]


def test_all_of_them(paper):
    indices, scores = paper.top_k_all(4)
    names = [paper.node_names_[row[row >= 0]].tolist() for row in indices]
    assert names[0] == ["Bob", "Mary", "Jim"]
    for x, row, values in zip(paper.node_names_.tolist(), names, scores, strict=True):
        assert list(zip(row, values.tolist(), strict=False)) == paper.top_k(x, 4)
    assert (indices[0], scores[0, 3]) == (pytest.approx([3, 2, 1, -1]), 0.0)
    assert paper.top_k_all(2, include_self=True).indices[:, 0].tolist() == [0, 1, 2, 0, 4]


def test_the_matrix(paper):
    dense = paper.to_csr().toarray()
    for i, x in enumerate(PUBLISHED):
        for j, y in enumerate(PUBLISHED):
            assert dense[i, j] == paper.similarity(x, y)
    kept = paper.to_csr(0.5)
    np.testing.assert_array_equal(kept.toarray(), np.where(dense >= 0.5, dense, 0))


def brute_force(W):
    """Return the scores of the definition, as fractions."""
    M = [[sum(Fraction(a) * Fraction(b) for a, b in zip(x, y, strict=True)) for y in W] for x in W]
    n = range(len(W))
    return [[float(2 * M[x][y] / (M[x][x] + M[y][y])) if M[x][x] and M[y][y] else 0.0 for y in n] for x in n]


@pytest.mark.parametrize("path", ["APVPA", "APA", "AP>PVP<PA", "AP<P>PA", "VPAPV"])
def test_scores_are_the_definition(backend, path):
    rng = np.random.default_rng(3)
    graph = HeteroGraph(
        {
            WRITES: sparse.csr_array(rng.poisson(0.3, (12, 15))),
            APPEARS: sparse.csr_array(rng.poisson(0.3, (15, 4))),
            CITES: sparse.csr_array(rng.poisson(0.1, (15, 15))),
        }
    )
    model = PathSim(path, backend=backend).fit(graph)
    W = reduce(np.matmul, (A.toarray() for A in graph.relations_along(model.metapath_.half)))
    np.testing.assert_array_equal(model.half_matrix_.toarray(), W)
    np.testing.assert_array_equal(model.to_csr().toarray(), brute_force(W.tolist()))


def test_nodes_without_paths_score_nothing(backend):
    graph = HeteroGraph({("a", "r", "b"): [("x", "u")]}, {"a": ["x", "alone"], "b": ["u", "v"]})
    model = PathSim("ABA", backend=backend).fit(graph)
    assert model.similarity("alone", "alone") == model.similarity("x", "alone") == 0.0
    assert model.top_k("alone", include_self=True) == []
    assert model.explain("alone", "x").score == 0.0
    assert model.top_k_all(1).indices.tolist() == [[-1], [-1]]


def test_empty_relations_and_types_without_nodes(backend):
    empty = PathSim("ABA", backend=backend).fit(HeteroGraph({("a", "r", "b"): []}, {"a": ["x", "y"]}))
    assert empty.similarity("x", "y") == 0.0
    assert empty.to_csr().nnz == 0
    assert "no b is reached by both" in repr(empty.explain("x", "y"))
    nobody = PathSim("ABA", backend=backend).fit(HeteroGraph({("a", "r", "b"): []}, {"b": 3}))
    assert nobody.top_k_all(5).indices.shape == (0, 5)
    with pytest.raises(ValueError, match="no a is named 'x'"):
        nobody.top_k("x")


@pytest.mark.parametrize("n_jobs", [1, 2, -1])
def test_panels_and_threads_agree_to_the_last_bit(n_jobs):
    rng = np.random.default_rng(0)
    relation = {("a", "r", "b"): sparse.random_array((40, 30), density=0.2, rng=rng, data_sampler=rng.random)}
    reference = PathSim("ABA", backend="reference").fit(relation)
    rust = PathSim("ABA", n_jobs=n_jobs).fit(relation)
    for ours, theirs in zip(rust.top_k_all(50), reference.top_k_all(50), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for x, y in ((0, 0), (3, 7), (11, 4)):
        assert rust.similarity(x, y) == reference.similarity(x, y)
        assert rust.top_k(x, 7) == reference.top_k(x, 7)


# ---- explanations ----


def test_why_two_nodes_are_similar(notes):
    why = notes.explain("A1", "A2")
    assert (why.M_xy, why.M_xx, why.M_yy, why.score) == (1, 2, 1, 2 / 3)
    assert why.shares == (("C1", 1),)
    assert [str(path) for path in why.paths] == ["A1–P1–C1–P3–A2, through C1"]
    assert str(notes.explain("A1", "A3").paths[0]) == "A1–P2–C2–P4–A3, through C2"
    itself = notes.explain("A1", "A1")
    assert (itself.score, itself.shares) == (1.0, (("C1", 1), ("C2", 1)))
    apart = notes.explain("A2", "A3")
    assert (apart.M_xy, apart.shares, apart.paths) == (0, (), ())


def test_explanations_print_well(paper):
    assert repr(paper.explain("Mike", "Jim", limit=1)).splitlines() == [
        "Mike and Jim: PathSim 0.0826 along author-venue-author",
        "  2 · M_xy / (M_xx + M_yy) = 2 · 120 / (5 + 2,900)",
        "  M_xy by venue:",
        "    SIGMOD  100 (83.3%)",
        "    and 1 more",
        "  for example:",
        "    Mike–SIGMOD–Jim, through SIGMOD (× 100)",
    ]


def half_paths(relations, x):
    """Return every half path from x as rows, with its weight, by trying all edges."""
    found = [((x,), 1)]
    for A in relations:
        found = [((*p, j), w * A[p[-1], j]) for p, w in found for j in range(A.shape[1]) if A[p[-1], j]]
    return found


def all_paths(relations, x, y):
    """Return every round trip from x to y as rows, with its weight."""
    back = half_paths(relations, y)
    return {(*p, *q[-2::-1]): w * v for p, w in half_paths(relations, x) for q, v in back if p[-1] == q[-1]}


@given(st.integers(0, 2**32 - 1), st.sampled_from(["APVPA", "AP>PVP<PA", "APA"]), st.integers(1, 40))
def test_shares_and_paths_add_up(seed, path, limit):
    rng = np.random.default_rng(seed)
    graph = HeteroGraph(
        {
            WRITES: sparse.csr_array(rng.poisson(0.5, (3, 4))),
            APPEARS: sparse.csr_array(rng.poisson(0.5, (4, 3))),
            CITES: sparse.csr_array(rng.poisson(0.4, (4, 4))),
        }
    )
    model = PathSim(path, backend="reference").fit(graph)
    W = model.half_matrix_.toarray()
    for x, y in ((0, 1), (2, 2)):
        why = model.explain(x, y, limit)
        assert why.M_xy == sum(share for _, share in why.shares) == W[x] @ W[y]
        assert (why.M_xx, why.M_yy) == (W[x] @ W[x], W[y] @ W[y])
        assert [share for _, share in why.shares] == sorted((share for _, share in why.shares), reverse=True)
        relations = [A.toarray() for A in graph.relations_along(model.metapath_.half)]
        every = all_paths(relations, x, y)
        found = {path.nodes: path.weight for path in why.paths}
        assert len(found) == len(why.paths) == min(limit, len(every))
        assert found.items() <= every.items()
        if len(every) <= limit:
            assert sum(found.values()) == why.M_xy
        through = [path.through for path in why.paths]
        assert through[: len(why.shares)] == [name for name, _ in why.shares][:limit]


def test_shares_of_weights_sum_in_the_order_of_the_graph(backend):
    rng = np.random.default_rng(1)
    relation = {("a", "r", "b"): sparse.csr_array(rng.random((3, 50)))}
    model = PathSim("ABA", backend=backend).fit(relation)
    why = model.explain(0, 1)
    in_order = [share for _, share in sorted(why.shares)]
    assert reduce(add, in_order) == why.M_xy
    assert why.score == 2 * why.M_xy / (why.M_xx + why.M_yy) == model.similarity(0, 1)
    assert math.isclose(sum(share for _, share in why.shares), why.M_xy)


def test_counts_beyond_64_bits_are_explained_or_refused(backend):
    large = 2**31 - 1  # whose square still fits, twice
    relation = {("a", "r", "b"): [("x", "u", large), ("y", "u", large - 1)]}
    why = PathSim("ABA", backend=backend).fit(relation).explain("x", "y")
    assert why.M_xy == large * (large - 1)
    assert why.score == 2 * large * (large - 1) / (large**2 + (large - 1) ** 2)
    with pytest.raises(OverflowError):
        PathSim("ABA", backend=backend).fit({("a", "r", "b"): [("x", "u", 2**31)]})


def test_hubs_are_explained_at_once():
    n = 200_000
    model = PathSim("APA").fit({WRITES: (np.repeat([0, 1], n), np.tile(np.arange(n), 2))})
    started = time.perf_counter()
    why = model.explain(0, 1, limit=2000)
    assert time.perf_counter() - started < 5  # of more than a minute, if each path reads all edges
    assert why.M_xy == len(why.shares) == n
    assert [path.nodes for path in why.paths] == [(0, t, 1) for t in range(2000)]


# ---- as an estimator ----


def test_what_fit_leaves(notes):
    assert str(notes.metapath_) == "author-paper-venue-paper-author"
    np.testing.assert_array_equal(notes.half_matrix_.toarray(), [[1, 1], [1, 0], [0, 1]])
    assert notes.half_matrix_.dtype == np.int64
    assert notes.node_names_.tolist() == ["A1", "A2", "A3"]
    assert notes.middle_names_.tolist() == ["C1", "C2"]


def test_threads_may_be_set_after_fitting(paper):
    paper.set_params(n_jobs=0)
    assert paper.top_k("Mike", 1) == [("Bob", 1.0)]
    for call in (paper.top_k_all, paper.to_csr):
        with pytest.raises(ValueError, match="n_jobs=0"):
            call()


def test_parameters_are_kept_as_given():
    path = ["writes", "~writes"]
    model = PathSim(path, n_jobs=2, backend="reference")
    assert model.get_params() == {"metapath": path, "n_jobs": 2, "backend": "reference"}
    assert clone(model).get_params() == model.get_params()
    assert PathSim().metapath == "APVPA"


def test_names_are_shared_and_edges_are_not(tmp_path, backend):
    A = sparse.csr_array(np.array([[1, 2], [0, 3]]))
    graph = HeteroGraph({("a", "r", "b"): A}, {"a": ["x", "y"]})
    assert np.shares_memory(graph.relations["a", "r", "b"].data, A.data)
    model = PathSim("ABA", backend=backend).fit(graph)
    assert model.node_names_ is graph.nodes["a"]
    A.data[:] = 7
    assert [path.weight for path in model.explain("x", "y").paths] == [6]
    model.save(tmp_path / "model.npz")
    assert diptych.load(tmp_path / "model.npz").explain("x", "y") == model.explain("x", "y")


def test_a_failed_fit_leaves_what_was_there(notes):
    with pytest.raises(ValueError, match="no type begins with 'P'"):
        notes.fit(PAPER)
    assert notes.similarity("A1", "A2") == 2 / 3


def test_forms_of_graphs(backend, tmp_path):
    NOTES.to_json(tmp_path / "graph.json")
    for graph in (NOTES, dict(NOTES.relations), tmp_path / "graph.json", str(tmp_path / "graph.json")):
        model = PathSim("APVPA", backend=backend).fit(graph)
        assert model.top_k_all(2).scores.tolist()[0] == [2 / 3, 2 / 3]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies(notes, copied):
    assert copied(notes).top_k("A1") == notes.top_k("A1")


@pytest.mark.parametrize(
    "path",
    [
        "APVPA",
        "AP<P>PA",
        ["writes", "~writes"],
        [WRITES, ("paper", "~writes", "author")],
        NOTES.metapath("APA"),
    ],
)
def test_save_and_load(tmp_path, backend, path):
    model = PathSim(path, backend=backend, n_jobs=np.int64(1)).fit(NOTES)
    model.save(tmp_path / "model.npz")
    again = diptych.load(tmp_path / "model.npz")
    assert isinstance(again, PathSim)
    assert again.get_params() == model.get_params()
    assert again.metapath_ == model.metapath_
    np.testing.assert_array_equal(again.half_matrix_.toarray(), model.half_matrix_.toarray())
    for x in ("A1", "A2", "A3"):
        assert again.top_k(x) == model.top_k(x)
        assert again.explain("A1", x) == model.explain("A1", x)
    assert [file.name for file in tmp_path.iterdir()] == ["model.npz"]


def test_weights_are_saved_to_the_last_bit(tmp_path, backend):
    relation = {("a", "r", "b"): sparse.csr_array(np.random.default_rng(5).random((4, 3)))}
    model = PathSim("ABA", backend=backend).fit(relation)
    model.save(tmp_path / "model.npz")
    again = diptych.load(tmp_path / "model.npz")
    np.testing.assert_array_equal(again.to_csr().toarray(), model.to_csr().toarray())
    assert again.node_names_.dtype == np.int64


@pytest.mark.parametrize(
    "change",
    [
        lambda header, arrays: arrays.pop("relation_0_data"),
        lambda header, arrays: arrays.update(relation_0_data=arrays["relation_0_data"].astype(np.int32)),
        lambda header, arrays: arrays.update(relation_0_data=-arrays["relation_0_data"]),
        lambda header, arrays: arrays.update(relation_0_indices=arrays["relation_0_indices"] + 7),
        lambda header, arrays: arrays.update(relation_0_indptr=arrays["relation_0_indptr"][:-1]),
        lambda header, arrays: arrays.update(nodes_0=arrays["nodes_1"]),
        lambda header, arrays: header["steps"].pop(),
        lambda header, arrays: header["types"].pop(),
        lambda header, arrays: header["relations"].pop(),
        lambda header, arrays: header["relations"][0].pop(),
        lambda header, arrays: header["params"].update(metapath="AXA"),
        lambda header, arrays: header["params"].update(metapath={"steps": [[1]]}),
        lambda header, arrays: header["params"].update(gamma=1),
        lambda header, arrays: header.pop("steps"),
    ],
)
def test_files_whose_parts_do_not_fit(tmp_path, change):
    path = tmp_path / "model.npz"
    PathSim("APVPA", backend="reference").fit(NOTES).save(path)
    header, arrays = read_archive(path)
    change(header, arrays)
    write_archive(path, header, arrays)
    with pytest.raises(ValueError, match="does not fit together"):
        diptych.load(path)


# ---- what is refused ----


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"metapath": "APV"}, "author-paper-venue is no round trip"),
        ({"metapath": "AP>PA"}, "3 relations, an odd number"),
        ({"metapath": "AVA"}, "no relation joins 'author' and 'venue'"),
        ({"metapath": 7}, "metapath=7"),
        ({"backend": "gpu"}, "'backend' parameter of PathSim must be a str among"),
        ({"n_jobs": 1.5}, "'n_jobs' parameter of PathSim"),
        ({"n_jobs": 0}, "n_jobs"),
    ],
)
def test_bad_parameters(parameters, says):
    with pytest.raises(ValueError, match=says):
        PathSim(**{"backend": "reference", **parameters}).fit(NOTES)


def test_unknown_nodes_and_bad_numbers(notes):
    for call in (notes.top_k, lambda x: notes.similarity("A1", x), lambda x: notes.explain(x, "A1")):
        with pytest.raises(ValueError, match=r"no author is named 'a2' \(did you mean 'A2'\?\)\.$"):
            call("a2")
    for bad in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match=f"k={bad}"):
            notes.top_k("A1", bad)
        with pytest.raises(ValueError, match=f"k={bad}"):
            notes.top_k_all(bad)
        with pytest.raises(ValueError, match=f"limit={bad}"):
            notes.explain("A1", "A2", bad)
    for bad in (-0.1, 1.5, math.nan):
        with pytest.raises(ValueError, match="threshold"):
            notes.to_csr(bad)
    with pytest.raises(ValueError, match="include_self"):
        notes.top_k("A1", include_self="no")
    assert len(notes.top_k("A1", 10**30)) == 2
    assert notes.top_k_all(5).indices.shape == (3, 5)


def test_before_fitting(tmp_path):
    model = PathSim()
    for call in (
        lambda: model.similarity("a", "b"),
        lambda: model.top_k("a"),
        model.top_k_all,
        model.to_csr,
        lambda: model.explain("a", "b"),
        lambda: model.save(tmp_path / "model.npz"),
    ):
        with pytest.raises(NotFittedError):
            call()


# ---- the academic network ----


@pytest.fixture(scope="module")
def four_area(data_dir):
    """Return the graph of the third-party scores: papers of one title are one, and edges are there or not."""
    return datasets.read_four_area(data_dir / "hin" / "four_area")


def test_third_party_scores(four_area, data_dir):
    sizes = [len(four_area.nodes[kind]) for kind in ("author", "paper", "conf")]
    assert sizes == [28_702, 28_506, 20]
    model = PathSim("APCPA").fit(four_area)
    compared = 0
    for path in sorted((data_dir / "hin" / "pathsim_oracle").glob("*-pathsim-apcpa.tsv")):
        rows = [line.rsplit("\t", 1) for line in path.read_text(encoding="utf-8").splitlines()]
        query = rows[0][0]
        expected = {name: float(score) for name, score in rows if float(score) > 0}
        assert dict(model.top_k(query, 28_702, include_self=True)) == expected
        compared += len(expected)
    assert compared > 20_000


def test_one_question_takes_less_than_half_a_millisecond(four_area):
    model = PathSim("APTPA").fit(four_area)
    queries = model.node_names_[::500].tolist()
    model.top_k(queries[0])
    spent = []
    for query in queries:
        started = time.perf_counter()
        model.top_k(query)
        spent.append(time.perf_counter() - started)
    assert np.median(spent) < 0.5e-3
