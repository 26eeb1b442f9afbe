"""Rust answers bit for bit as the reference: any matrix, counts to the edge of 64 bits, any weights."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metapath_chains import plain_best, plain_scores
from scipy.sparse import csr_array
from simd_paths import available_paths

from diptych import set_num_threads

COUNTS = {  # most of an entry; sums of 8 entries stored for one place stay within int64
    "ties": 1,
    "small": 5,
    "about 2**53": 2**26,
    "about 2**62": 2**30,
    "beyond 2**62": 2**40,
    "beyond 2**63": 2**59,
}
WEIGHTS = {
    "decimal": lambda rng, m: rng.random(m),
    "halves": lambda rng, m: rng.integers(1, 9, m) / 2,
    "steep": lambda rng, m: 10.0 ** rng.integers(-170, 150, m),
    "tiny": lambda rng, m: 1e-162 * rng.random(m),
    "great": lambda rng, m: 10.0 ** rng.uniform(150, 154.2, m),
}
EXACT = {"ties", "small", "halves"}  # in any order of multiplication, without overflow


def stored(rng, shape, kind, most_in_row=8):
    """Make a CSR array with rows out of order, places stored more than once, stored zeros, empty rows."""
    n, m = shape
    sizes = rng.integers(0, most_in_row, n, endpoint=True) if m else np.zeros(n, dtype=int)
    indptr = np.append(0, np.cumsum(sizes))
    indices = rng.integers(0, max(m, 1), indptr[-1])
    if kind in COUNTS:
        most = COUNTS[kind]
        data = rng.integers(most // 2 + 1, most, len(indices), endpoint=True)
    else:
        data = WEIGHTS[kind](rng, len(indices))
    data[rng.random(len(data)) < 0.1] = 0
    if kind == "ties" and rng.random() < 0.5:
        data = data.astype(bool)
    index = rng.choice([np.int32, np.int64])
    return csr_array((data, indices.astype(index), indptr.astype(index)), shape=shape)


@st.composite
def chains(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from([*COUNTS, *WEIGHTS]))
    sizes = draw(st.lists(st.integers(0, 7), min_size=2, max_size=5 if kind in EXACT else 3))
    relations = [stored(rng, shape, kind) for shape in itertools.pairwise(sizes)]
    if draw(st.booleans()):  # twins
        relations[0] = relations[0][rng.integers(0, sizes[0], 2 * sizes[0])] if sizes[0] else relations[0]
    return relations


def outcome(call, *args, **options):
    """Return an answer as plain arrays, or "overflow"."""
    try:
        answer = call(*args, **options)
    except OverflowError:
        return "overflow"
    if isinstance(answer, csr_array):
        return answer.indptr, answer.indices, answer.data, np.array(answer.shape)
    return tuple(answer) if isinstance(answer, tuple) else (answer,)


def agree(both_panels, name, *args, threads=(1, 2), **options):
    """Return the outcome of the reference, after comparing it with Rust's."""
    reference, rust = (getattr(panel.metapath, name) for panel in both_panels)
    expected = outcome(reference, *args, **options)
    for n_jobs in [None] if name == "commuting_matrix" else threads:
        found = outcome(rust, *args, **options, **({} if n_jobs is None else {"n_jobs": n_jobs}))
        assert (found == "overflow") == (expected == "overflow"), (found, expected)
        for a, b in () if expected == "overflow" else zip(found, expected, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b, err_msg=f"{name}, n_jobs={n_jobs}")
    return expected


@settings(max_examples=250)
@given(relations=chains())
def test_commuting_matrices(both_panels, relations):
    before = [part.copy() for A in relations for part in (A.indptr, A.indices, A.data)]
    agree(both_panels, "commuting_matrix", relations)
    after = [part for A in relations for part in (A.indptr, A.indices, A.data)]
    for part, old in zip(after, before, strict=True):
        np.testing.assert_array_equal(part, old)


@settings(max_examples=250)
@given(half=chains(), pick=st.integers(0, 10**6))
def test_all_scores(both_panels, half, pick):
    whole = agree(both_panels, "pathsim", half)
    if whole != "overflow" and len(whole[2]):
        at = whole[2][pick % len(whole[2])]
        for threshold in (at, min(np.nextafter(at, 2), 1.0), 0.5, 1.0):
            agree(both_panels, "pathsim", half, threshold=min(float(threshold), 1.0))


@settings(max_examples=250)
@given(
    half=chains(),
    k=st.sampled_from([1, 2, 3, 10, 40]),
    include_self=st.booleans(),
    queries=st.none() | st.lists(st.integers(0, 10**6), max_size=9),
)
def test_the_best_k(both_panels, half, k, include_self, queries):
    n = half[0].shape[0]
    asked = None if queries is None or n == 0 else [x % n for x in queries]
    agree(both_panels, "pathsim_top_k", half, k, queries=asked, include_self=include_self)


@settings(max_examples=150)
@given(half=chains(), seed=st.integers(0, 10**6))
def test_pairs(both_panels, half, seed):
    n = half[0].shape[0]
    left, right = np.random.default_rng(seed).integers(0, max(n, 1), (2, 9 if n else 0))
    agree(both_panels, "pathsim_pairs", half, left, right)


@settings(max_examples=60)
@given(st.lists(st.integers(2**25, 2**31 - 1), min_size=2, max_size=6), st.integers(0, 2))
def test_quotients_of_great_counts(both_panels, values, more):
    # One path apart, about 2**53 and about 2**62: here rounding twice would show.
    W = csr_array(np.array([[v, i % 2 * more] for i, v in enumerate(values)]))
    agree(both_panels, "pathsim", [W])
    agree(both_panels, "pathsim_top_k", [W], 3, include_self=True)


def zipf(rng, shape, entries, most=3, dtype=np.int64):
    """Make a relation where few columns are hit often, so that rows of all lengths and many ties occur."""
    columns = (shape[1] * rng.random(entries) ** 3).astype(int)
    rows = (shape[0] * rng.random(entries) ** 2).astype(int)
    data = rng.integers(1, most, entries, endpoint=True).astype(dtype)
    return csr_array((data, (rows, columns)), shape=shape)


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
@pytest.mark.parametrize("k", [1, 10, 300])
def test_hubs_ties_and_twins(both_panels, k, dtype):
    half = [zipf(np.random.default_rng(k), (350, 40), 1200, dtype=dtype)]
    for include_self in (False, True):
        agree(both_panels, "pathsim_top_k", half, k, include_self=include_self, threads=(1, 3))


@pytest.mark.parametrize("most", [1, 3, 2**14, 2**20])
def test_many_blocks_and_threads(both_panels, most):
    # Millions of multiplications, of which a block has far fewer; against sorted rows, since the reference
    # would take long. Counts of each width that a kernel may choose.
    _, rust = both_panels
    rng = np.random.default_rng(1)
    half = [zipf(rng, (1500, 60), 20_000, most)]
    scores, queries = plain_scores(half), rng.integers(0, 1500, 400)
    for k, n_jobs in itertools.product((1, 10, 2000), (1, 2, 3)):
        found = rust.metapath.pathsim_top_k(half, k, queries=queries, n_jobs=n_jobs)
        expected = plain_best(scores[queries], k, queries)
        np.testing.assert_array_equal(found.indices, expected[0])
        np.testing.assert_array_equal(found.scores, expected[1])
    for threshold, n_jobs in itertools.product((0.0, 0.9), (1, 2, 3)):
        found = rust.metapath.pathsim(half, threshold=threshold, n_jobs=n_jobs)
        np.testing.assert_array_equal(found.toarray(), np.where(scores >= threshold, scores, 0))
    left, right = rng.integers(0, 1500, (2, 20_000))
    for n_jobs in (1, 2, 3):
        found = rust.metapath.pathsim_pairs(half, left, right, n_jobs=n_jobs)
        np.testing.assert_array_equal(found, scores[left, right])


@pytest.mark.parametrize("n", [63, 64, 65, 2047, 2048, 2049, 4097])
def test_sizes_about_a_tile(both_panels, n):
    # So many different rows, some of them more than once, in any order; columns full and nearly empty. With
    # fewer twins the smallest would not be worth tiles.
    _, rust = both_panels
    rng = np.random.default_rng(n)
    digits = np.arange(n)[:, None] >> np.arange(13) & 1
    few = zipf(rng, (n, 80), 6 * n).toarray().clip(0, 20)
    order = rng.permutation(np.append(np.arange(n), rng.integers(0, n, 900)))
    half = [csr_array(np.hstack([digits, few])[order])]
    some = rng.integers(0, len(order), 150)
    rows = plain_scores(half, some)
    for k, n_jobs in ((1, 1), (10, 1), (10, 2), (10, 3), (70, 2)):
        found = rust.metapath.pathsim_top_k(half, k, n_jobs=n_jobs)
        expected = plain_best(rows, k, some)
        np.testing.assert_array_equal(found.indices[some], expected[0])
        np.testing.assert_array_equal(found.scores[some], expected[1])
    found = rust.metapath.pathsim_top_k(half, 2 * n, queries=some[:20], include_self=True)
    np.testing.assert_array_equal(found.indices, plain_best(rows, 2 * n, some[:20], True)[0])


@pytest.mark.parametrize("dtype", [np.int64, np.float64])
@pytest.mark.parametrize("share", [4, 8, 9, 40])
def test_few_queries_of_many_nodes(both_panels, share, dtype):
    # Fewer than an eighth of the entries are streamed past, if there are a million; more are not.
    _, rust = both_panels
    rng = np.random.default_rng(share)
    n, m = 200_000, 1_100_000
    columns = (30_000 * rng.random(m) ** 2).astype(int)
    half = [csr_array((np.ones(m, dtype), (rng.integers(0, n, m), columns)), shape=(n, 30_000))]
    queries = rng.choice(n, n // share, replace=False)
    queries[:3] = queries[3]  # one of them often
    some = np.append(np.arange(6), rng.integers(0, len(queries), 20))
    W = half[0].astype(np.float64)  # dense it would take 48 GB
    M, d = (W[queries[some]] @ W.T).toarray(), W.multiply(W).sum(axis=1)
    rows = 2 * M / np.maximum(d[queries[some]][:, None] + d, 1)
    for k, n_jobs, include_self in ((1, 1, False), (10, 2, False), (10, 3, True)):
        found = rust.metapath.pathsim_top_k(
            half, k, queries=queries, n_jobs=n_jobs, include_self=include_self
        )
        expected = plain_best(rows, k, queries[some], include_self)
        np.testing.assert_array_equal(found.indices[some], expected[0])
        np.testing.assert_array_equal(found.scores[some], expected[1])


@pytest.mark.parametrize("kind", ["decimal", "steep", "tiny"])
def test_few_queries_of_any_weights(both_panels, kind):
    _, rust = both_panels
    rng = np.random.default_rng(5)
    (n, m), entries = (200_000, 20_000), 1_200_000  # with n = 100,000 they would have too many products
    columns = (m * rng.random(entries) ** 2).astype(int)
    rows = rng.integers(0, n, entries)
    half = csr_array((WEIGHTS[kind](rng, entries), (rows, columns)), shape=(n, m))
    queries = rng.choice(n, 500, replace=False)
    few = rust.metapath.pathsim_top_k([half], 10, queries=queries)  # streamed
    everyone = rust.metapath.pathsim_top_k([half], 10)  # not
    np.testing.assert_array_equal(few.indices, everyone.indices[queries])
    np.testing.assert_array_equal(few.scores, everyone.scores[queries])


def test_products_do_not_depend_on_threads(both_panels):
    _, rust = both_panels
    rng = np.random.default_rng(3)
    for dtype, most in ((np.int64, 1), (np.int64, 9), (np.int64, 2**20), (np.float64, 9)):
        relations = [zipf(rng, shape, 30_000, most, dtype) for shape in ((9000, 5000), (5000, 3000))]
        answers = []
        try:
            for threads in (1, 2, 3):
                set_num_threads(threads)
                answers.append(outcome(rust.metapath.commuting_matrix, relations))
        finally:
            set_num_threads(None)
        plain = (relations[0] @ relations[1]).sorted_indices()
        np.testing.assert_array_equal(answers[0][1], plain.indices)
        for answer in answers[1:]:
            for part, other in zip(answers[0], answer, strict=True):
                np.testing.assert_array_equal(part, other)


def test_products_of_many_blocks(both_panels):
    _, rust = both_panels
    rng = np.random.default_rng(2)
    relations = [zipf(rng, shape, 8000) for shape in ((900, 500), (500, 700), (700, 300))]
    found = rust.metapath.commuting_matrix(relations)
    np.testing.assert_array_equal(found.toarray(), (relations[0] @ relations[1] @ relations[2]).toarray())


def test_every_simd_path_gives_the_same_bits(run_python):
    code = (
        "import hashlib, numpy as np\n"
        "from diptych import _rust\n"
        "from scipy.sparse import csr_array\n"
        "from diptych.kernels.metapath import commuting_matrix, pathsim, pathsim_pairs, pathsim_top_k\n"
        "rng, digest = np.random.default_rng(4), hashlib.sha256()\n"
        "def relation(n, m, entries, dtype, power=2):\n"
        "    columns = (m * rng.random(entries) ** power).astype(int)\n"
        "    data = (rng.random(entries) * (1 if dtype is float else 9) + 1).astype(dtype)\n"
        "    return csr_array((data, (rng.integers(0, n, entries), columns)), shape=(n, m))\n"
        "def add(*arrays):\n"
        "    for array in arrays:\n"
        "        digest.update(array.tobytes())\n"
        "def add_matrix(A): add(A.indptr, A.indices, A.data)\n"
        "for dtype in (bool, np.int64, float):\n"
        "    half = [relation(701, 303, 2600, dtype), relation(303, 97, 1100, dtype)]\n"
        "    add_matrix(commuting_matrix([*half, half[1].T.tocsr()]))\n"
        "    add_matrix(pathsim(half, threshold=0.2))\n"
        "    add(*pathsim_top_k(half, 7), pathsim_pairs(half, np.arange(700), np.arange(1, 701)))\n"
        "    many = [relation(5003, 60, 60_000, dtype)]\n"
        "    add(*pathsim_top_k(many, 10))\n"  # in tiles, of small counts
        "    large = [relation(200_000, 30_000, 1_100_000, dtype)]\n"
        "    add(*pathsim_top_k(large, 5, queries=np.arange(0, 200_000, 90)))\n"  # few of many
        "print(_rust.simd_path(), digest.hexdigest())\n"
    )
    found = dict(run_python(code, DIPTYCH_SIMD=named).split() for named in available_paths())
    assert list(found) == available_paths()
    assert len(set(found.values())) == 1, found
