"""Who is right: the contract's expression decides differing core points, the rest must equal scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from benches.clustering.peers import Run
from benches.clustering.rows import Row

if TYPE_CHECKING:
    from sklearn.neighbors import KDTree

SAMPLE = 64  # rows checked against the contract whatever the peers say


def core_by_contract(row: Row, X: np.ndarray, eps: float, which: np.ndarray) -> np.ndarray:
    """Core or not, by the reference's predicate, for a few rows."""
    from diptych.reference import clustering as reference

    bound = reference.limit(eps, row.metric, None)
    counts = [np.count_nonzero(s <= bound) for s in sums(row, X, which)]
    return np.array(counts, dtype=int) >= row.min_samples


def sums(row: Row, X: np.ndarray, which: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the reference's comparison values of each row in ``which`` against all rows."""
    from diptych.reference import clustering as reference

    X = X.astype(np.float64, copy=False)
    for i, (_, s) in zip(which, reference.rows(X[which], X, row.metric, None), strict=True):
        if row.metric == "cosine":
            s[i] = 0.0
        yield s


def sample(n: int) -> np.ndarray:
    return np.sort(np.random.default_rng(0).choice(n, min(SAMPLE, n), replace=False))


def verdict(row: Row, X: np.ndarray, eps: float, ours: Run, peers: dict[str, Run]) -> dict[str, object]:
    """Compare the answers of one row.

    Returns
    -------
    dict
        ``labels``: one sentence on ours; ``ok``; ``wrong_core``: core flags that each peer gets wrong.
    """
    if row.k:
        return _distances_verdict(row, X, ours, peers)
    probe = sample(len(X))
    suspects = {name: np.flatnonzero(run.core != ours.core) for name, run in peers.items()}
    which = np.unique(np.concatenate([probe, *suspects.values()]))
    truth = np.full(len(X), -1, dtype=np.int8)
    truth[which] = core_by_contract(row, X, eps, which)
    ours_wrong = int(np.count_nonzero(ours.core[which] != truth[which]))
    wrong = {name: int(np.count_nonzero(peers[name].core[s] != truth[s])) for name, s in suspects.items()}
    notes = [f"{ours_wrong} wrong core points of ours"] if ours_wrong else []
    oracle = peers.get("scikit-learn") or peers.get("oracle")
    if oracle is None:
        notes.append(f"core = contract on {len(which)} rows")
        return {"labels": "; ".join(notes), "ok": not ours_wrong, "wrong_core": wrong}
    different = int(np.count_nonzero(oracle.labels != ours.labels))
    notes.append(f"{different} labels differ" if different else "= oracle")
    excused = wrong.get("scikit-learn", 0) > 0  # its own ties decided otherwise than by the predicate
    return {
        "labels": "; ".join(notes),
        "ok": not ours_wrong and (not different or excused),
        "wrong_core": wrong,
    }


def _distances_verdict(row: Row, X: np.ndarray, ours: Run, peers: dict[str, Run]) -> dict[str, object]:
    """Exact on a sample by the contract, close to scikit-learn (whose GEMM rounds otherwise) everywhere."""
    which = sample(len(X))
    expected = np.array(
        [
            np.sqrt(np.partition(np.delete(s, i), row.k - 1)[row.k - 1])
            for i, s in zip(which, sums(row, X, which), strict=True)
        ]
    )
    exact = bool(np.array_equal(ours.distances[which], expected))
    close = all(np.allclose(ours.distances, run.distances, rtol=1e-6, atol=0) for run in peers.values())
    note = f"{'exact' if exact else 'WRONG'} on {len(which)} rows, {'close' if close else 'FAR'} on all"
    return {"labels": note, "ok": exact and close, "wrong_core": {}}


def chunked_oracle(X: np.ndarray, eps: float, min_samples: int, *, rows_at_once: int = 50_000) -> Run:
    """Cluster with scikit-learn's tree, a slab of rows at a time: all neighbourhoods need not fit.

    Core points from ``query_radius``; components from scipy's connected_components, slab by slab, each slab's
    edges added to a spanning set of the earlier ones; border points by the rule.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from sklearn.neighbors import KDTree

    n, tree = len(X), KDTree(X)
    slabs = [np.arange(a, min(a + rows_at_once, n)) for a in range(0, n, rows_at_once)]
    core = np.concatenate([tree.query_radius(X[s], eps, count_only=True) for s in slabs]) >= min_samples
    root = np.arange(n)  # of core points: the smallest core index known to be connected
    for s in slabs:
        left, right = _pairs(tree, X, s[core[s]], eps)
        left, right = np.append(left[core[right]], np.arange(n)), np.append(right[core[right]], root)
        edges = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(n, n))
        part = connected_components(edges, directed=False)[1]
        smallest = np.full(n, n)
        np.minimum.at(smallest, part[core], np.flatnonzero(core))
        root = np.where(core, smallest[part], np.arange(n))
    labels = np.full(n, n)
    labels[core] = np.unique(root[core], return_inverse=True)[1]
    left, right = _pairs(tree, X, np.flatnonzero(~core), eps)
    np.minimum.at(labels, left[core[right]], labels[right[core[right]]])
    labels[labels == n] = -1
    return Run(float("nan"), core, labels)


def _pairs(tree: KDTree, X: np.ndarray, which: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the neighbour pairs of a few rows as two columns of indices."""
    if not len(which):
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    near = tree.query_radius(X[which], eps)
    return np.repeat(which, [len(found) for found in near]), np.concatenate(near)
