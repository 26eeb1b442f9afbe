"""Walks: steps per second beside peers, and the cost of a step on a graph larger than the cache.

Steps are counted as taken, so that a walk that ends at once, at a node without edges, counts for nothing.
Our call reads and prepares the graph each time; the peers have it ready.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from benches import data, timing
from benches.child import PeerMissing
from benches.embedding import elsewhere, rows
from benches.embedding.rows import WalkRow
from benches.section import Settings, Target
from benches.timing import Times

LENGTH = 80  # nodes of a walk
PER_NODE = 10
SPARSE_OTF_STARTS = 4_000  # SparseOTF is slow: fewer walks give the same rate
CACHED, LARGE = 17, 21  # binary logarithms of numbers of nodes


@dataclass(frozen=True)
class Run(timing.Run):
    """Walks, timed."""

    steps: int


def graph_of(row: WalkRow, weighted: csr_array) -> csr_array:
    """Return the graph a row walks on."""
    if row.weighted:
        return weighted
    return csr_array((np.ones(weighted.nnz), weighted.indices, weighted.indptr), shape=weighted.shape)


def walk(row: WalkRow, graph: csr_array, per_node: int, threads: int) -> np.ndarray:
    """Call the kernel."""
    from diptych.kernels.walks import random_walks

    options = {"walk_length": LENGTH, "walks_per_node": per_node, "rng": 0, "n_jobs": threads}
    return random_walks(graph, **options, **row.biases)


def ours(row: WalkRow, graph: csr_array, per_node: int, threads: int) -> Run:
    """Time the kernel."""
    seconds, walks = timing.timed(partial(walk, row, graph, per_node, threads))
    return Run(seconds, int(np.count_nonzero(walks[:, 1:] >= 0)))


def wrong_steps(graph: csr_array, walks: np.ndarray) -> int:
    """Count distinct steps that are no edges, steps after an end, and ends where there was an edge."""
    before, after = walks[:, :-1], walks[:, 1:]
    taken, walking = after >= 0, before >= 0
    resumed = np.count_nonzero(taken & ~walking)
    quit_early = np.count_nonzero(np.diff(graph.indptr)[before[~taken & walking]])
    pairs = before[taken & walking], after[taken & walking]
    steps = csr_array((np.ones(len(pairs[0]), dtype=np.int32), pairs), shape=graph.shape)  # sums duplicates
    return int(resumed + quit_early + steps.nnz - steps.multiply(graph != 0).nnz)


class Peers:
    """The contenders of a row beside us; those that are missing are named, and left out."""

    def __init__(self, row: WalkRow, weighted: csr_array, settings: Settings) -> None:
        self.versions: dict[str, str] = {}
        self.contenders: dict[str, Callable[[], Run]] = {}
        self._open: dict[tuple, elsewhere.Elsewhere] = {}
        self._row, self._weighted, self._threads = row, weighted, settings.threads
        for target in row.targets:
            try:
                self.contenders[target.peer] = self._contender(target)
            except PeerMissing as why:
                settings.say(f"{row.name}: without {target.peer}, {why}")

    def _contender(self, target: Target) -> Callable[[], Run]:
        row, graph, n = self._row, graph_of(self._row, self._weighted), self._weighted.shape[0]
        if target.peer == rows.OUR_UNIFORM:
            uniform = rows.WALKS[0]
            return partial(ours, uniform, graph_of(uniform, self._weighted), PER_NODE, self._threads)
        if target.peer == rows.GRAPE:
            return self._ask(target, "grape", {"walks": PER_NODE}, graph, self._threads)
        if target.peer == rows.PECANPY_WEIGHTED:
            job = {"starts": min(n, SPARSE_OTF_STARTS), "lists": True}
            return self._ask(target, "pecanpy", job, graph, "SparseOTF", self._threads, **row.biases)
        job = {"starts": n, "lists": target.peer == rows.PECANPY_UNIFORM}
        return self._ask(target, "pecanpy", job, graph, "FirstOrderUnweighted", self._threads)

    def _ask(self, target: Target, who: str, job: Any, *given: Any, **options: Any) -> Callable[[], Run]:
        if who not in self._open:
            self._open[who] = getattr(elsewhere, who)(*given, **options)
        peer = self._open[who]
        self.versions[target.peer] = peer.version
        return lambda: Run(**peer.ask(job))

    def close(self) -> None:
        """End their processes."""
        for peer in self._open.values():
            peer.close()


def _side(times: Times[Run]) -> dict[str, Any]:
    return times.as_dict() | {"steps": times.first.steps, "rate": times.first.steps / times.median}


def rates(settings: Settings) -> Iterator[dict]:
    """Time each kind of walk beside its peers, after our walks were checked."""
    wanted = [row for row in rows.WALKS if settings.wanted(row.name)]
    weighted = data.rmat(CACHED) if wanted else None
    for row in wanted:
        settings.say(f"{row.name} …")
        graph = graph_of(row, weighted)
        wrong = wrong_steps(graph, walk(row, graph, PER_NODE, settings.threads))
        peers = Peers(row, weighted, settings)
        try:
            contenders = {"diptych": partial(ours, row, graph, PER_NODE, settings.threads)}
            times = timing.interleave(contenders | peers.contenders, budget=settings.budget)
        finally:
            peers.close()
        sides = {name: _side(timed) for name, timed in times.items()}
        result = {"name": row.name, "input": row.shown, "wrong_steps": wrong, "ok": not wrong}
        result |= {"ours": sides["diptych"], "peers": []}
        for target in row.targets:
            if target.peer in sides:
                ratio = sides["diptych"]["rate"] / sides[target.peer]["rate"]
                held = None if target.bar is None else ratio >= target.bar
                found = {"peer": target.peer, "version": peers.versions.get(target.peer)}
                found |= {"theirs": sides[target.peer], "ratio": ratio, "held": held}
                result["peers"].append(found | {"bar": target.bar, "goal": target.goal})
        yield result


def larger_than_cache(settings: Settings) -> Iterator[dict]:
    """Compare a step on 2^21 nodes with one on 2^17, in as many walks (not when quick)."""
    wanted = [row for row in rows.WALKS if settings.wanted(row.name) and not settings.quick]
    graphs = {scale: data.rmat(scale) for scale in (CACHED, LARGE) if wanted}
    for row in wanted:
        settings.say(f"{row.name}, 2^{LARGE} nodes …")
        contenders: dict[int, Callable[[], Run]] = {}
        wrong = 0
        for scale, weighted in graphs.items():
            graph, per_node = graph_of(row, weighted), 1 << (LARGE - scale)
            wrong += wrong_steps(graph, walk(row, graph, 1, settings.threads))
            contenders[scale] = partial(ours, row, graph, per_node, settings.threads)
        times = timing.interleave(contenders, budget=settings.budget)
        sides = {scale: _side(timed) for scale, timed in times.items()}
        ratio = sides[CACHED]["rate"] / sides[LARGE]["rate"]
        yield {
            "name": row.name,
            "input": row.shown,
            "ok": not wrong,
            "wrong_steps": wrong,
            "cached": sides[CACHED],
            "large": sides[LARGE],
            "ratio": ratio,
            "bar": 4.0,
            "goal": 2.5,
            "held": ratio <= 4.0,
        }
