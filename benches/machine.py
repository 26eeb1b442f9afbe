"""Where the figures come from: machine, versions, threads, BLAS; and the refusal to time a debug build."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

PEERS = (
    "scikit-learn", "dbscan", "gensim", "sparse-dot-topn", "suitesparse-graphblas", "onnx", "onnxruntime",
)  # fmt: skip


def prepare(threads: int) -> None:
    """Set the environment that NumPy, OpenMP and the peers read when they are loaded; NumPy must not be yet.

    Some machines carry OPENBLAS_CORETYPE (and with it OPENBLAS_L2_SIZE), which make NumPy and scikit-learn
    slower than a user would see them.
    """
    if "numpy" in sys.modules:
        raise RuntimeError("NumPy is already imported: its BLAS has read the environment")
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(name, None)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "PARLAY_NUM_THREADS"):
        os.environ[name] = str(threads)


def refuse_debug_build() -> None:
    """Exit when the extension was built without optimisation."""
    from diptych import _rust

    if _rust.debug_build:
        sys.exit(f"{_rust.__file__} is a debug build: its times mean nothing; build with maturin --release.")


def facts(threads: int) -> dict[str, object]:
    """Return what a reader needs to place the figures."""
    import sklearn.cluster  # noqa: F401  (loads the BLAS and OpenMP that the peers use)
    from threadpoolctl import threadpool_info

    from diptych import _rust

    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": threads,
        "load_at_start": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {"diptych": _rust.version}
        | {name: _version(name) for name in ("numpy", "scipy", *PEERS)},
        "simd": _rust.simd_path(),
        "blas": [
            {key: pool.get(key) for key in ("internal_api", "version", "architecture", "num_threads")}
            for pool in threadpool_info()
        ],
        "commit": _commit(),
    }


def lines(known: dict[str, object]) -> str:
    """Return the facts as a few lines of text."""
    versions = ", ".join(f"{name} {version}" for name, version in known["versions"].items())
    pools = ", ".join(
        " ".join(str(pool[key]) for key in ("internal_api", "architecture") if pool[key])
        + f" ×{pool['num_threads']}"
        for pool in known["blas"]
    )
    return (
        f"{known['date']}, {known['cpu']}, {known['cores']} cores, {known['threads']} threads for everybody, "
        f"load {known['load_at_start']:.1f} at the start\n"
        f"{versions}, Python {known['python']}; SIMD path {known['simd']}; {pools}"
    )


def now() -> str:
    """Return the time, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def slug(known: dict[str, object]) -> str:
    """Return <date>-<cpu>-<SIMD path>-<threads>, the stem of the recorded files."""
    words = re.findall(r"[a-z0-9]+", f"{known['cpu']} {known['simd']} {known['threads']} threads".lower())
    return "-".join([str(known["date"]), *words])


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        text = info.read_text()
        found = [re.search(rf"{what}\s*:\s*(.+)", text) for what in ("model name", "cpu family", "model")]
        if all(found):  # a virtual machine may tell of a family alone which of many processors it has
            name, family, model = (word[1].strip() for word in found if word)
            return f"{name} (family {family}, model {model})"
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Return the commit of the checkout, with a mark if more was changed in it than records."""
    where = Path(__file__).resolve().parents[1]

    def said(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=where, capture_output=True, text=True, check=False
        ).stdout.strip()

    changed = said("status", "--porcelain", "--untracked-files=no", "--", ":!benches/recorded")
    found = said("describe", "--always")
    return f"{found}-dirty" if found and changed else found or None
