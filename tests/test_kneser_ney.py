"""The n-gram that benches compare the character model with, against its formulas written out."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="module")
def bench():
    path = Path(__file__).parents[1] / "benches" / "recurrent" / "kneser_ney.py"
    spec = spec_from_file_location("kneser_ney", path)
    sys.modules["kneser_ney"] = module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def written_out(text, history, character, v, n):
    grams = [tuple(text[k : k + n]) for k in range(len(text) - n + 1)]
    counts = [{g: grams.count(g) for g in set(grams)}]
    for length in range(n - 1, 0, -1):
        longer = set(counts[-1])
        shorter = {g[1:] for g in longer}
        counts.append({g: sum(h[1:] == g for h in longer) for g in shorter})
        assert all(len(g) == length for g in shorter)
    p = 1 / v
    for length in range(len(history) + 1):
        count, h = counts[n - 1 - length], history[len(history) - length :]
        of = [sum(c == k for c in count.values()) for k in range(5)]
        discount = [0.0] * 4
        if 0 not in of[1:]:
            y = of[1] / (of[1] + 2 * of[2])
            discount[1:] = [k - (k + 1) * y * of[k + 1] / of[k] for k in (1, 2, 3)]
        following = {g[-1]: c for g, c in count.items() if g[:-1] == h}
        if following:
            total, taken = sum(following.values()), sum(discount[min(c, 3)] for c in following.values())
            own = following.get(character, 0)
            p = (own - discount[min(own, 3)] + taken * p) / total
    return p


def test_probabilities(bench):
    v, n = 9, 3
    text = np.random.default_rng(0).choice(v, 500, p=[0.3, 0.2, 0.15, 0.1, 0.1, 0.05, 0.05, 0.04, 0.01])
    probe = np.array([0, 1, 8, 2, 2, 0, 3, 8, 8, 8, 7, 0])
    expected = [
        written_out(text.tolist(), tuple(probe[max(0, t - n + 1) : t].tolist()), int(probe[t]), v, n)
        for t in range(len(probe))
    ]
    np.testing.assert_allclose(bench.KneserNey(text, n, v).probabilities(probe), expected, rtol=1e-12)


def test_they_sum_to_one(bench):
    text = np.random.default_rng(1).integers(0, 7, 300)
    counted = bench.KneserNey(text, 4, 7)
    for history in ([0, 1, 2], [6, 6, 6], [3, 0, 5]):
        total = sum(counted.probabilities(np.array([*history, w]))[-1] for w in range(7))
        assert total == pytest.approx(1, rel=1e-12)
