"""Meta-paths against SciPy's products, sorted rows, and third-party scores of the four-area network."""

import itertools

import four_area
import numpy as np
import pytest
from metapath_chains import FLOATS, FORMATS, WHOLE, chain, plain_best, plain_product, plain_scores

SIZES = [
    sizes for length in (2, 3, 4) for sizes in itertools.product((1, 3, 8), repeat=length)
]  # 9 + 27 + 81 shapes of chains


@pytest.mark.parametrize("dtypes", [WHOLE, FLOATS, WHOLE + FLOATS], ids=["whole", "floats", "mixed"])
def test_commuting_matrix_is_the_plain_product(panel, dtypes):
    # Small whole entries, so that floats are exact in any order.
    for seed, sizes in enumerate(SIZES):
        relations = chain(np.random.default_rng(seed), sizes, dtypes, FORMATS, density=0.1 + 0.2 * (seed % 4))
        found, expected = panel.metapath.commuting_matrix(relations), plain_product(relations)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found.toarray(), expected.toarray())


def test_weights_are_multiplied_up_to_rounding(panel):
    # A sum of 40 products, and one of 40 of those, of numbers that are not negative: relative errors stay
    # below 82 units of 2**-53 in any order.
    rng = np.random.default_rng(0)
    relations = chain(rng, (30, 40, 40, 20), [np.float64])
    for A in relations:
        A.data[:] = rng.random(A.nnz)
    found, expected = panel.metapath.commuting_matrix(relations), plain_product(relations)
    np.testing.assert_allclose(found.toarray(), expected.toarray(), rtol=2 * 82 * 2.0**-53)


def halves(count):
    """Small chains with many ties, twins and lonely nodes."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        sizes = rng.integers(1, 12, rng.integers(2, 5))
        yield rng, chain(rng, sizes.tolist(), [np.bool_, np.int64], density=rng.choice([0.1, 0.3, 0.6]))


def test_scores_are_those_of_the_dense_product(panel):
    for _, half in halves(60):
        np.testing.assert_array_equal(panel.metapath.pathsim(half).toarray(), plain_scores(half))


def test_top_k_is_brute_force_ties_included(panel):
    for rng, half in halves(60):
        n, scores = half[0].shape[0], plain_scores(half)
        for k, include_self in itertools.product((1, 3, n, n + 5), (False, True)):
            queries = rng.integers(0, n, 6)
            found = panel.metapath.pathsim_top_k(half, k, queries=queries, include_self=include_self)
            expected = plain_best(scores[queries], k, queries, include_self)
            np.testing.assert_array_equal(found.indices, expected[0])
            np.testing.assert_array_equal(found.scores, expected[1])


def test_thresholded_is_filtered(panel):
    for _, half in halves(40):
        scores = plain_scores(half)
        for threshold in (0.0, 0.5, 1.0, *np.unique(scores)[[0, -1]]):
            found = panel.metapath.pathsim(half, threshold=threshold)
            np.testing.assert_array_equal(found.toarray(), np.where(scores >= threshold, scores, 0))


@pytest.fixture(scope="module")
def apc(data_dir):
    return four_area.load(data_dir / "hin" / "four_area")


@pytest.mark.parametrize("author", ["Christos Faloutsos", "Rakesh Agrawal"])
def test_third_party_scores_to_the_last_bit(panel, data_dir, apc, author):
    names, half = apc
    file = data_dir / "hin" / "pathsim_oracle" / f"{author.replace(' ', '')}-pathsim-apcpa.tsv"
    oracle = {name: float(score) for name, score in four_area.table(file)}
    assert len(oracle) > 14_000
    number = {name: place for place, name in enumerate(names)}
    n, query = len(names), number[author]
    scores = panel.metapath.pathsim_pairs(half, np.full(n, query), np.arange(n))
    assert {name: s for name, s in zip(names, scores.tolist(), strict=True) if s > 0} == oracle
    top = panel.metapath.pathsim_top_k(half, n, queries=[query], include_self=True)
    found = [names[y] for y in top.indices[0, : len(oracle)]]
    assert dict(zip(found, top.scores[0, : len(oracle)].tolist(), strict=True)) == oracle
    assert found == sorted(sorted(oracle, key=number.get), key=oracle.get, reverse=True)
    assert (top.indices[0, len(oracle) :] == -1).all()
