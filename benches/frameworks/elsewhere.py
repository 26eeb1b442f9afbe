"""JAX and PyTorch, each a program beside this file that a Child runs with the Python of its environment.

Neither is needed for anything else here. One is left out, by name, where its variable is not set. JAX::

    python3 -m venv jax-env
    jax-env/bin/pip install jax
    export DIPTYCH_JAX_PYTHON=$PWD/jax-env/bin/python

PyTorch, any that ``import torch`` finds; the program says its version. A current one for processors alone
comes from PyTorch's own index. Where that cannot be reached, Debian 12 has 1.13, a release of 2022. It needs
an OpenBLAS beside it, or it multiplies with the reference BLAS; and that OpenBLAS which shares PyTorch's
threads: those of the other kind (libopenblas0-pthread) fight with them for the cores, and an
LSTM there and back takes a third longer::

    apt-get install --no-install-recommends python3-torch libopenblas0-openmp
    export DIPTYCH_TORCH_PYTHON=/usr/bin/python3

``update-alternatives --config libblas.so.3-x86_64-linux-gnu`` tells which is used where both are installed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benches.child import PeerMissing, start
from benches.section import Settings

Arrays = Mapping[str, np.ndarray]

VARIABLES = {"jax": "DIPTYCH_JAX_PYTHON", "torch": "DIPTYCH_TORCH_PYTHON"}

# The C library gives large arrays back to the system and gets them anew, page by page, in every call, which
# takes PyTorch's attention four times as long: its users are told to load an allocator that keeps them.
KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(64 << 20)}


class Framework:
    """A framework that was given work: some ways of doing it, each with its answer."""

    def __init__(self, name: str, threads: int) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name)
        self._child, self.version = start(
            f"benches.frameworks.{name}_child",
            [str(self.path), str(threads)],
            VARIABLES[name],
            "benches/frameworks/elsewhere.py",
            KEPT | {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)},
        )
        self.name = name

    def make(self, job: str, arrays: Arrays, **options: Any) -> dict[str, dict[str, np.ndarray]]:
        """Have a call made, in all the ways the framework has of it, and return what each answers."""
        np.savez(self.path / "given.npz", **arrays)
        ways = self._child.ask({"make": job, "options": options})
        found = {}
        for number, way in enumerate(ways):
            with np.load(self.path / f"answer{number}.npz") as answer:
                found[way] = dict(answer)
        return found

    def turn(self, way: str) -> dict[str, float]:
        """Return the seconds of a call, the median of a turn of many, and how many cores it kept busy."""
        return self._child.ask({"turn": way})

    def once(self, way: str) -> dict[str, Any]:
        """Return the seconds of one call, and what it answers."""
        return self._child.ask({"once": way})

    def close(self) -> None:
        """End the process."""
        self._child.close()
        self._folder.cleanup()


@contextmanager
def there(settings: Settings, names: Iterable[str] = tuple(VARIABLES)) -> Iterator[list[Framework]]:
    """Give the frameworks that this machine has, and say which it has not."""
    found: list[Framework] = []
    try:
        for name in names:
            try:
                found.append(Framework(name, settings.threads))
            except PeerMissing as why:
                settings.say(f"skipped beside {name}: {why}")
        yield found
    finally:
        for framework in found:
            framework.close()
