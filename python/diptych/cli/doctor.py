"""``diptych doctor``: what is installed, and whether both panels agree on this machine."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from diptych.cli import _console

VARIABLES = ("DIPTYCH_NUM_THREADS", "DIPTYCH_SIMD", "RAYON_NUM_THREADS", "OMP_NUM_THREADS")
# SplitMix64 from seed 1234567, as published with its C source (Vigna).
PUBLISHED_WORDS = (6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431)


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "doctor",
        help="versions, threads, SIMD path, and a self-test of the panels",
        description="Print what a bug report needs, and test that both panels give the same answers here.",
        allow_abbrev=False,
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Look, test, tell."""
    facts = _facts()
    trouble, tests = _self_test()
    healthy = not trouble and all(tests.values())
    if args.json:
        _console.write_json({**facts, "self_test": tests, "trouble": trouble, "healthy": healthy})
    else:
        width = max(map(len, [*facts, *tests]))
        print("\n".join(f"{name:{width}}  {value}" for name, value in facts.items()))
        print("\nboth panels give the same answer:")
        print("\n".join(f"{name:{width}}  {'yes' if equal else 'NO'}" for name, equal in tests.items()))
        for line in trouble:
            print(f"\n{line}")
        print(f"\n{'healthy' if healthy else 'NOT healthy'}")
    return 0 if healthy else 1


def _facts() -> dict[str, str]:
    from diptych._versions import versions

    return versions() | {name: os.environ[name] for name in VARIABLES if name in os.environ}


def _self_test() -> tuple[list[str], dict[str, bool]]:
    tests: dict[str, bool] = {}
    try:
        tests.update(_comparisons())
    except Exception as error:  # whatever goes wrong here is what the user came to hear
        return [f"the self-test stopped: {type(error).__name__}: {error}"], tests
    return [], tests


def _comparisons() -> Iterator[tuple[str, bool]]:
    from diptych import _rust, kernels, reference
    from diptych.reference.rng import splitmix64

    words = np.array(PUBLISHED_WORDS, dtype=np.uint64)
    drawn = [np.asarray(panel(1234567, 0, 0, len(words))) for panel in (splitmix64, _rust.splitmix64)]
    yield "random numbers", all(np.array_equal(words, own) for own in drawn)
    for metric, eps, X in _inputs():
        pairs = [
            panel.clustering.dbscan(X, eps, min_samples=4, metric=metric) for panel in (reference, kernels)
        ]
        distances = [panel.clustering.k_distances(X, 3, metric=metric) for panel in (reference, kernels)]
        equal = all(np.array_equal(a, b) for a, b in zip(*pairs, strict=True)) and np.array_equal(*distances)
        yield f"clustering, {metric}", equal


def _inputs() -> Iterator[tuple[str, float, np.ndarray[Any, Any]]]:
    generator = np.random.default_rng(0)
    lattice = generator.integers(0, 12, (400, 3)) * 0.1  # many pairs at exactly eps, and duplicates
    yield "euclidean", 0.2, lattice
    yield "manhattan", 0.3, lattice
    yield "chebyshev", 0.1, lattice
    yield "minkowski", 0.2, lattice
    yield "cosine", 0.01, generator.normal(size=(400, 6))
    yield "haversine", 0.05, generator.uniform((-1.5, -3.1), (1.5, 3.1), (400, 2))
    yield "precomputed", 0.2, np.abs(lattice[:, :1] - lattice[:, 0])
