"""JAX and PyTorch, each a program beside this file that a Child runs with the Python of its environment.

Neither is needed for anything else here. One is left out, by name, where its variable is not set. JAX::

    python3 -m venv jax-env
    jax-env/bin/pip install jax
    export DIPTYCH_JAX_PYTHON=$PWD/jax-env/bin/python

PyTorch, any that ``import torch`` finds; the program says its version. A current one for processors alone
comes from PyTorch's own index. Where that cannot be reached, Debian's unstable branch has one, with all that
it needs, in a folder of its own (1.8 GB; the dates of a mirror's lists may have passed)::

    apt-get install --no-install-recommends mmdebstrap
    mmdebstrap --variant=apt --include=python3-torch,libopenblas0-openmp \
        --aptopt='APT::Install-Recommends "false"' \
        --aptopt='Acquire::Check-Valid-Until "false"' sid torch-sid
    cat > torch-python <<'END'
    #!/bin/sh
    root=$(dirname "$(readlink -f "$0")")/torch-sid
    lib=$root/usr/lib/x86_64-linux-gnu
    PYTHONHOME=$root/usr exec "$lib/ld-linux-x86-64.so.2" \
        --library-path "$lib/openblas-openmp:$lib:$root/usr/lib" "$root/usr/bin/python3" "$@"
    END
    chmod +x torch-python
    export DIPTYCH_TORCH_PYTHON=$PWD/torch-python

That OpenBLAS shares PyTorch's threads: those of the other kind (libopenblas0-pthread) fight with them for the
cores. In a chroot instead, /proc must be there, or PyTorch takes its slowest kernels.
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

# Left to the system, both threads of OpenMP may be woken on one core, where they wait for each other: calls
# of less than a millisecond then take eight. Ours stay on cores of their own too.
BOUND = {"OMP_PROC_BIND": "true"}


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
            KEPT | BOUND | {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)},
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
