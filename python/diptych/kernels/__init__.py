"""Kernel panel: each algorithm as a contract and one call into Rust."""

import warnings

from diptych import _rust
from diptych.kernels import attention, clustering, metapath, recurrent, skipgram, walks

__all__ = ["attention", "clustering", "metapath", "recurrent", "skipgram", "walks"]

if _rust.debug_build:
    warnings.warn(
        "diptych._rust is a debug build, many times slower than a release build; install with "
        "`pip install .` or build with `maturin develop --release`.",
        RuntimeWarning,
        stacklevel=2,
    )
