"""Peers that need an environment of their own, each a program beside this file that a Child runs.

PecanPy needs NumPy below 2, GRAPE brings some seventy packages. Either is left out, by name, where its
variable is not set or the program does not start. With Python 3.10 they are made so::

    python3.10 -m venv pecanpy-env
    pecanpy-env/bin/pip install pecanpy==2.0.9
    export DIPTYCH_PECANPY_PYTHON=$PWD/pecanpy-env/bin/python

    python3.10 -m venv grape-env
    grape-env/bin/pip install grape==0.2.5 ensmallen==0.8.100 embiggen==0.11.96
    export DIPTYCH_GRAPE_PYTHON=$PWD/grape-env/bin/python
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from benches.child import start


class Elsewhere:
    """A graph in the hands of a peer."""

    def __init__(
        self, program: str, variable: str, graph: csr_array, arguments: list[str], threads: int
    ) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name)
        np.savez(self.path / "graph.npz", indptr=graph.indptr, indices=graph.indices, data=graph.data)
        numbers = {"NUMBA_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
        self._child, self.version = start(
            f"benches.embedding.{program}",
            [str(self.path), *arguments],
            variable,
            "benches/embedding/elsewhere.py",
            numbers,
        )

    def ask(self, job: Any) -> Any:
        """Return its answer to a job."""
        return self._child.ask(job)

    def close(self) -> None:
        """End the process."""
        self._child.close()
        self._folder.cleanup()


def pecanpy(graph: csr_array, kind: str, threads: int, *, p: float = 1.0, q: float = 1.0) -> Elsewhere:
    """Give a graph to PecanPy; ``kind`` is the class that walks."""
    return Elsewhere("pecanpy_child", "DIPTYCH_PECANPY_PYTHON", graph, [kind, str(p), str(q)], threads)


def grape(graph: csr_array, threads: int) -> Elsewhere:
    """Give an undirected graph to GRAPE, without weights."""
    return Elsewhere("grape_child", "DIPTYCH_GRAPE_PYTHON", graph, [], threads)
