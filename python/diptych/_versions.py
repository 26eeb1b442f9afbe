"""The version of this package, and of everything that can change what it does."""

import os
import platform
import sys
from importlib import metadata

from diptych._threads import available_cores, get_num_threads

__all__ = ["__version__", "show_versions", "versions"]

_LIBRARIES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "matplotlib",
    "tqdm",
    "pandas",
    "networkx",
    "gensim",
    "dbscan",
)


def _version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


__version__ = _version_of("diptych") or "0+uninstalled"


def versions() -> dict[str, str]:
    """Return what a bug report needs: versions, machine, threads and the instruction set in use.

    Libraries are looked up, not imported. Without the extension module its lines say so.
    """
    facts = {
        "diptych": __version__,
        **_extension(),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cores": f"{available_cores()} of {os.cpu_count()} usable",
        "threads": str(get_num_threads()),
    }
    facts |= {name: _version_of(name) or "not installed" for name in _LIBRARIES}
    return facts


def show_versions() -> None:
    """Print what a bug report needs, one line each."""
    facts = versions()
    width = max(map(len, facts))
    for name, fact in facts.items():
        print(f"{name:<{width}}  {fact}")


def _extension() -> dict[str, str]:
    try:
        from diptych import _rust
    except ImportError as error:  # the report of a broken installation is the one that matters most
        return {"diptych._rust": f"cannot be imported: {error}"}
    build = "debug" if _rust.debug_build else "release"
    return {"diptych._rust": f"{_rust.version} ({build} build)", "simd path": _rust.simd_path()}
