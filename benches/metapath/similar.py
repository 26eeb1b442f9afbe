"""The most similar nodes: all of them, some, one; one thread and two; cost against n."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from benches import data, timing
from benches.data import DataMissing
from benches.metapath import peers, rows
from benches.metapath.peers import Exact
from benches.metapath.rows import Row
from benches.section import Settings, Target
from benches.timing import Times

SAMPLE = 500  # queries compared with exact scipy where it does not run as a peer
N_AUTHORS = 300  # drawn for the section of single questions


@dataclass(frozen=True)
class Run(timing.Run):
    """One timed call and its result, as whoever was called returns it."""

    result: Any


def timed(call: Callable[[], Any]) -> Run:
    """Time one call."""
    return Run(*timing.timed(call))


def half_matrix(relations: list[csr_array]) -> csr_array:
    """Return the half matrix, which everybody is given."""
    from diptych.kernels.metapath import commuting_matrix

    return relations[0] if len(relations) == 1 else commuting_matrix(relations)


def ours(W: csr_array, queries: np.ndarray | None, threads: int) -> Callable[[], Any]:
    """Return the call of the kernel."""
    from diptych.kernels.metapath import pathsim_top_k

    return partial(pathsim_top_k, [W], rows.K, queries=queries, n_jobs=threads)


def contender(peer: str, W: csr_array, queries: np.ndarray | None, threads: int) -> Callable[[], Any]:
    """Return the call of a peer, its matrices ready."""
    if peer == rows.SPARSE_DOT_TOPN:
        return peers.sparse_dot_topn(W, queries, threads)
    return partial(Exact(W).top_k, rows.K, queries)


def present(row: str, targets: tuple[Target, ...], settings: Settings) -> list[Target]:
    """Return the targets whose peers are installed; the others are named."""
    found = [target for target in targets if peers.installed(target.peer)]
    for target in targets:
        if target not in found:
            settings.say(f"{row}: {target.peer} is not installed")
    return found


def beside(target: Target, times: Mapping[str, Times]) -> dict[str, Any]:
    """Return a peer's figures beside ours."""
    ratio = times[target.peer].median / times["diptych"].median
    return {
        "peer": target.peer,
        "theirs": times[target.peer].as_dict(),
        "ratio": ratio,
        "bar": target.bar,
        "goal": target.goal,
        "held": None if target.bar is None else ratio >= target.bar,
    }


def differing(found: peers.Answer, expected: peers.Answer) -> int:
    """Count the queries whose answers differ, in a node, a place or a bit of a score."""
    return int(np.count_nonzero(np.any([a != b for a, b in zip(found, expected, strict=True)], axis=(0, 2))))


def verdict(W: csr_array, queries: np.ndarray | None, times: Mapping[str, Times[Run]]) -> tuple[str, bool]:
    """Compare our answer with exact scipy's: all of it where that ran, else of a sample of the queries."""
    found = times["diptych"].first.result
    asked = np.arange(W.shape[0]) if queries is None else queries
    if rows.SCIPY in times:
        which, expected = np.arange(len(asked)), times[rows.SCIPY].first.result
    else:
        which = np.random.default_rng(0).choice(len(asked), min(SAMPLE, len(asked)), replace=False)
        expected = Exact(W).top_k(rows.K, asked[which])
    wrong = differing(tuple(part[which] for part in found), expected)
    text = f"{wrong:,} **differ**" if wrong else f"= scipy for {len(which):,}"
    alone = times.get("diptych, one thread")
    same = alone is None or differing(found, alone.first.result) == 0
    return text + ("" if same else "; NOT the same for one thread"), same and not wrong


def inputs(settings: Settings) -> Iterator[tuple[Row, list[csr_array]]]:
    """Build the input of each wanted row; one whose data is missing is skipped with its reason."""
    for row in rows.ROWS:
        if settings.wanted(row.name):
            try:
                relations = row.make()
            except DataMissing as why:
                settings.say(f"{row.name}: skipped, {why}")
                continue
            settings.say(f"{row.name} …")
            yield row, relations


def top_k(settings: Settings) -> Iterator[dict]:
    """Time every row beside its peers, after our answer was compared; when quick, without scipy."""
    for row, relations in inputs(settings):
        W = half_matrix(relations)
        queries = row.queries(W.shape[0])
        targets = [
            target
            for target in present(row.name, row.targets, settings)
            if not (settings.quick and target.peer == rows.SCIPY)
        ]
        calls = {
            "diptych": ours(W, queries, settings.threads),
            "diptych, one thread": ours(W, queries, 1),
        } | {target.peer: contender(target.peer, W, queries, settings.threads) for target in targets}
        runs = {name: partial(timed, call) for name, call in calls.items()}
        times = timing.interleave(runs, budget=settings.budget)
        answer, ok = verdict(W, queries, times)
        yield {
            "name": row.name,
            "input": row.input,
            "entries": W.nnz,
            "answer": answer,
            "ok": ok,
            "ours": times["diptych"].as_dict(),
            "one_thread": times["diptych, one thread"].as_dict(),
            "peers": [beside(target, times) for target in targets],
        }


def threads(results: list[dict]) -> Iterator[dict]:
    """Compare one thread with the run's number; measured with the rows above."""
    for result in results:
        one, many = result["one_thread"]["median"], result["ours"]["median"]
        yield {"input": result["input"], "one": one, "many": many, "ratio": one / many}


def one_author(settings: Settings) -> Iterator[dict]:
    """Ask a fitted estimator about one author at a time; a run is the median over the authors drawn."""
    if not settings.wanted(rows.ONE_AUTHOR):
        return
    try:
        graph = data.four_area()
    except DataMissing as why:
        settings.say(f"{rows.ONE_AUTHOR}: skipped, {why}")
        return
    from diptych import PathSim

    settings.say(f"{rows.ONE_AUTHOR} …")
    model = PathSim("APTPA", n_jobs=settings.threads).fit(graph)
    drawn = np.random.default_rng(0).choice(len(model.node_names_), N_AUTHORS, replace=False).tolist()
    names = model.node_names_[drawn].tolist()
    exact = Exact(model.half_matrix_)
    contenders = {
        "diptych": lambda: each(model.top_k, names),
        rows.SCIPY_SORT: lambda: each(partial(exact.one, rows.K, sort=True), drawn),
        rows.SCIPY_PARTITION: lambda: each(partial(exact.one, rows.K, sort=False), drawn),
    }
    times = timing.interleave(contenders, budget=settings.budget)
    found = times.pop("diptych")
    wrong = 0
    for peer in times.values():
        theirs = [
            list(zip(model.node_names_[indices].tolist(), scores.tolist(), strict=True))
            for indices, scores in peer.first.result
        ]
        wrong += sum(a != b for a, b in zip(found.first.result, theirs, strict=True))
    text = f"{wrong:,} **differ**" if wrong else f"= scipy for {N_AUTHORS}"
    yield {
        "name": rows.ONE_AUTHOR,
        "input": "author-paper-term and back, one author",
        "answer": text,
        "ok": not wrong,
        "ours": found.as_dict(),
        "at_most": rows.AT_MOST,
        "better": rows.BETTER,
        "held": found.median < rows.AT_MOST,
        "peers": [beside(target, times | {"diptych": found}) for target in rows.ONE_AUTHOR_TARGETS],
    }


def each(ask: Callable[[Any], Any], questions: list) -> Run:
    """Time questions one by one; the seconds are their median."""
    runs = [timing.stopwatch(partial(ask, question)) for question in questions]
    return Run(float(np.median([seconds for seconds, _ in runs])), [result for _, result in runs])


def scaling(settings: Settings) -> Iterator[dict]:
    """Cost of all rows against their number; up to 100,000 when quick."""
    if not settings.wanted("pathsim-scaling"):
        return
    for n in rows.SCALING_SIZES:
        if settings.quick and n > 100_000:
            return
        row = rows.scaling(n)
        settings.say(f"pathsim-scaling, n = {n:,} …")
        (W,) = row.make()
        calls = {"diptych": ours(W, None, settings.threads)}
        for target in present(row.name, row.targets, settings):
            calls[target.peer] = contender(target.peer, W, None, settings.threads)
        runs = {name: partial(timed, call) for name, call in calls.items()}
        times = timing.interleave(runs, budget=settings.budget / 3)
        answer, ok = verdict(W, None, times)
        seconds = {name: found.median for name, found in times.items()}
        yield {"n": n, "input": row.input, "answer": answer, "ok": ok, "seconds": seconds}
