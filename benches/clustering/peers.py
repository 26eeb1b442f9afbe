"""Who runs: diptych and its peers behind one shape, a call that returns seconds and what was found.

Like is compared with like: the class ``DBSCAN(...).fit`` with scikit-learn's class, the function with the
function of ``dbscan``.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benches import timing
from benches.child import Child
from benches.clustering.rows import Row


@dataclass(frozen=True)
class Run(timing.Run):
    """One timed call and its answer: ``core`` and ``labels``, or the ``distances`` of a k_distances row."""

    core: np.ndarray | None = None
    labels: np.ndarray | None = None
    distances: np.ndarray | None = None


@dataclass(frozen=True)
class Timed:
    """A call to time, and how to read its result."""

    call: Callable[[], Any]
    read: Callable[[Any], dict[str, np.ndarray]] = lambda _: {}

    def __call__(self) -> Run:
        """Time one call."""
        seconds, result = timing.timed(self.call)
        return Run(seconds, **self.read(result))


def found(n: int, indices: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    """Return the fields of a Run that clusters."""
    core = np.zeros(n, dtype=bool)
    core[indices] = True
    return {"core": core, "labels": labels}


def diptych_function(row: Row, X: np.ndarray, eps: float, threads: int) -> Timed:
    """diptych.kernels.clustering, the functions."""
    from diptych.kernels import clustering

    if row.k:
        search = partial(clustering.k_distances, X, row.k, metric=row.metric, n_jobs=threads)
        return Timed(search, lambda distances: {"distances": distances})
    options = {"min_samples": row.min_samples, "metric": row.metric, "n_jobs": threads}
    return Timed(partial(clustering.dbscan, X, eps, **options), lambda result: found(len(X), *result))


def _fit(model: Any, X: np.ndarray) -> Timed:
    return Timed(
        partial(model.fit, X), lambda fitted: found(len(X), fitted.core_sample_indices_, fitted.labels_)
    )


def diptych_class(row: Row, X: np.ndarray, eps: float, threads: int) -> Timed:
    """diptych.DBSCAN, the estimator."""
    import diptych

    return _fit(diptych.DBSCAN(eps, min_samples=row.min_samples, metric=row.metric, n_jobs=threads), X)


def scikit_learn(row: Row, X: np.ndarray, eps: float, threads: int) -> Timed:
    """sklearn.cluster.DBSCAN, or NearestNeighbors.kneighbors for k_distances; defaults but for n_jobs."""
    from sklearn.cluster import DBSCAN
    from sklearn.neighbors import NearestNeighbors

    options = {"metric": row.metric, "n_jobs": threads} | row.sklearn
    if row.k:
        search = NearestNeighbors(n_neighbors=row.k, **options)
        return Timed(lambda: search.fit(X).kneighbors(), lambda result: {"distances": result[0][:, -1]})
    return _fit(DBSCAN(eps=eps, min_samples=row.min_samples, **options), X)


def wang_in_process(row: Row, X: np.ndarray, eps: float) -> Timed:
    """dbscan.DBSCAN here and now: for the memory rows, which have a process to themselves."""
    import dbscan

    return Timed(partial(dbscan.DBSCAN, X, eps=eps, min_samples=row.min_samples))


class Parked:
    """The peer ``dbscan`` in a process of its own, stopped between its turns.

    Its workers keep polling after a call (a third of a core), which would slow whoever runs next; and its
    number of threads is read from the environment once.
    """

    _PROGRAM = """
import json, sys, time
import numpy as np, dbscan
for line in sys.stdin:
    job = json.loads(line)
    X = np.load(job["x"])
    start = time.perf_counter()
    labels, core = dbscan.DBSCAN(X, eps=job["eps"], min_samples=job["min_samples"])
    seconds = time.perf_counter() - start
    np.savez(job["out"], labels=labels, core=core)
    print(json.dumps(seconds), flush=True)
"""

    def __init__(self, row: Row, X: np.ndarray, eps: float, threads: int) -> None:
        self._folder = tempfile.TemporaryDirectory()
        x = str(Path(self._folder.name, "x.npy"))
        self._out = str(Path(self._folder.name, "out.npz"))
        np.save(x, X.astype(np.float64, copy=False))
        self._job = {"x": x, "out": self._out, "eps": eps, "min_samples": row.min_samples}
        self._child = Child([sys.executable, "-c", self._PROGRAM], {"PARLAY_NUM_THREADS": str(threads)})

    def __call__(self) -> Run:
        """Wake it for one call."""
        seconds = self._child.ask(self._job)
        with np.load(self._out) as out:
            return Run(seconds, out["core"].astype(bool), out["labels"])

    def close(self) -> None:
        """End the process."""
        self._child.close()
        self._folder.cleanup()


def installed(peer: str) -> bool:
    """Say whether a peer can be imported here."""
    return importlib.util.find_spec({"scikit-learn": "sklearn", "dbscan": "dbscan"}[peer]) is not None


def contender(peer: str, row: Row, X: np.ndarray, eps: float, threads: int) -> Callable[[], Run]:
    """Return the call that runs ``peer`` on a row."""
    return {"scikit-learn": scikit_learn, "dbscan": Parked}[peer](row, X, eps, threads)


def ours(peer: str | None, row: Row, X: np.ndarray, eps: float, threads: int) -> Timed:
    """Return our call of the same kind as the peer's: the class beside a class, else the function."""
    alike = diptych_class if peer == "scikit-learn" and not row.k else diptych_function
    return alike(row, X, eps, threads)
