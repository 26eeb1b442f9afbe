"""Which instruction sets this processor has, asked of the system and not of diptych."""

import platform
from pathlib import Path

NEEDED = {"avx2": {"avx2", "fma"}, "avx512": {"avx512f", "avx512bw", "avx512dq", "avx512vl"}}


def available_paths():
    """Return the paths from the least to the widest: the portable one where the system does not tell."""
    flags, cpuinfo = set(), Path("/proc/cpuinfo")
    if platform.machine() == "x86_64" and cpuinfo.exists():
        line = next(line for line in cpuinfo.read_text().splitlines() if line.startswith("flags"))
        flags = set(line.split())
    paths = ["portable"]
    for path, needed in NEEDED.items():
        if not needed <= flags:
            break
        paths.append(path)
    return paths
