"""What batches and shared negatives cost in quality: the default beside one pair at a time.

`benches` and the docs hold the F1 scores on published graphs; this is the quick guard on a made one.
"""

import numpy as np
import pytest
from scipy import sparse
from sklearn.metrics import roc_auc_score

from diptych import DeepWalk
from diptych.kernels import _training

N, GROUPS = 500, 5
SEEDS = range(3)


@pytest.fixture(scope="module")
def planted():
    """Return a graph whose nodes have 6 neighbours in their own group and 5 in others, on average."""
    rng = np.random.default_rng(0)
    group = np.arange(N) % GROUPS
    u, v = np.triu_indices(N, 1)
    edge = rng.random(len(u)) < np.where(group[u] == group[v], 6 * GROUPS / N, 5 * GROUPS / (GROUPS - 1) / N)
    half = sparse.coo_array((np.ones(edge.sum()), (u[edge], v[edge])), shape=(N, N))
    return (half + half.T).tocsr(), group


def fit(graph, seed, **parameters):
    settings = {"dimensions": 32, "walk_length": 40, "window": 5, "random_state": seed}
    return DeepWalk(**settings | parameters).fit(graph).embedding_.astype(np.float64)


def area(vectors, group):
    """Return how well cosines tell two nodes of a group from others: the area under the ROC curve."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    u, v = np.triu_indices(N, 1)
    return roc_auc_score(group[u] == group[v], (unit @ unit.T)[u, v])


def test_batches_find_the_groups_as_well_as_one_pair_at_a_time(planted, monkeypatch):
    graph, group = planted
    batched = [fit(graph, seed) for seed in SEEDS]
    monkeypatch.setattr(_training, "BATCH", 1)
    monkeypatch.setattr(_training, "SHARE", 1)
    in_pairs = [fit(graph, seed) for seed in SEEDS]
    assert not np.array_equal(batched[0], in_pairs[0])  # the settings do reach the kernel
    ours, oracle = ([area(vectors, group) for vectors in runs] for runs in (batched, in_pairs))
    assert np.mean(oracle) > area(fit(graph, 0, epochs=0), group) + 0.1  # there is something to lose
    assert np.mean(ours) > np.mean(oracle) - 0.01, (ours, oracle)
