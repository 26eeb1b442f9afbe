"""The parts of a run, each a generator of results that tables.py turns into lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from benches.clustering import checks, memory, peers, rows
from benches.clustering.corners import corners
from benches.clustering.peers import Run
from benches.clustering.rows import Row
from benches.data import DataMissing
from benches.section import Settings
from benches.timing import Times, interleave


def _inputs(some: tuple[Row, ...], settings: Settings) -> Iterator[tuple[Row, np.ndarray, float]]:
    """Build the input of each wanted row; a row whose data is missing is skipped with its reason."""
    for row in some:
        if not settings.wanted(row.name):
            continue
        try:
            X = row.make()
        except DataMissing as why:
            settings.say(f"{row.name}: skipped, {why}")
            continue
        eps = row.eps
        if eps is None:
            eps = rows.mean_degree_20(X)
            settings.say(f"{row.name}: eps = {eps} for a mean degree of about 20")
        settings.say(f"{row.name} …")
        yield row, X, eps


def speed(settings: Settings) -> Iterator[dict]:
    """Time every row beside its peers, after our answer was compared with theirs."""
    threads = settings.threads
    for row, X, eps in _inputs(rows.ROWS, settings):
        targets = [target for target in row.targets if peers.installed(target.peer)]
        for target in row.targets:
            if target not in targets:
                settings.say(f"{row.name}: {target.peer} is not installed")
        runs: dict[str, Callable[[], Run]] = {}
        for target in targets:
            runs[f"diptych beside {target.peer}"] = peers.ours(target.peer, row, X, eps, threads)
            runs[target.peer] = peers.contender(target.peer, row, X, eps, threads)
        runs["one thread"] = peers.ours(None, row, X, eps, 1)
        runs["threads"] = peers.ours(None, row, X, eps, threads)
        try:
            times = interleave(runs, budget=settings.budget)
        finally:
            for run in runs.values():
                if isinstance(run, peers.Parked):
                    run.close()
        yield _speed_result(row, X, eps, targets, times, settings)


def _speed_result(
    row: Row, X: np.ndarray, eps: float, targets: list, times: dict[str, Times], settings: Settings
) -> dict:
    answers = {target.peer: times[target.peer].first for target in targets}
    if "scikit-learn" not in answers and row.metric == "euclidean" and settings.oracle:
        settings.say(f"{row.name}: scikit-learn's answer, a slab of rows at a time …")
        answers["oracle"] = checks.chunked_oracle(X, eps, row.min_samples)
    found = checks.verdict(row, X, eps, times["threads"].first, answers)
    same = _same([t.first for name, t in times.items() if name not in answers])
    result = {
        "name": row.name,
        "input": row.input,
        "parameters": row.parameters(eps),
        "eps": eps,
        "answer": found["labels"] + ("" if same else "; NOT the same for one thread"),
        "ok": found["ok"] and same,
        "one_thread": times["one thread"].as_dict(),
        "threads": times["threads"].as_dict(),
        "peers": [],
    }
    for target in targets:
        ours, theirs = times[f"diptych beside {target.peer}"], times[target.peer]
        ratio = theirs.median / ours.median
        result["peers"].append(
            {
                "peer": target.peer,
                "ours": ours.as_dict(),
                "theirs": theirs.as_dict(),
                "ratio": ratio,
                "bar": target.bar,
                "goal": target.goal,
                "held": None if target.bar is None else ratio >= target.bar,
                "wrong_core": found["wrong_core"].get(target.peer),
            }
        )
    return result


def _same(runs: list[Run]) -> bool:
    """Say whether all our calls gave one answer, whatever their number of threads."""
    key = "labels" if runs[0].labels is not None else "distances"
    return all(np.array_equal(getattr(runs[0], key), getattr(run, key)) for run in runs)


def threads(speed_results: list[dict]) -> Iterator[dict]:
    """Compare one thread with the run's number, on rows above 0.2 s; measured with the speed rows."""
    for result in speed_results:
        one, many = result["one_thread"]["median"], result["threads"]["median"]
        if one > 0.2:
            ratio = one / many
            yield {
                "input": result["input"],
                "one": one,
                "many": many,
                "ratio": ratio,
                "bar": 1.6,
                "held": ratio >= 1.6,
            }


def soft_corners(settings: Settings) -> Iterator[dict]:
    """Time each variation against its plain call."""
    for corner in corners(settings.threads, settings.wanted):
        settings.say(f"{corner.name} …")
        times = interleave({"varied": corner.varied, "plain": corner.plain}, budget=settings.budget / 2)
        ratio = times["varied"].median / times["plain"].median
        yield {
            "name": corner.name,
            "shown": corner.shown,
            "ratio": ratio,
            "bar": corner.bar,
            "held": None if corner.bar is None else ratio <= corner.bar,
            "varied": times["varied"].as_dict(),
            "plain": times["plain"].as_dict(),
        }


def _memory(row: Row, eps: float, settings: Settings, *, repeats: int = 1, beside: bool) -> dict:
    ours = memory.measure(row.name, "diptych", eps, settings.threads, repeats=repeats)
    if not ours["exact"]:
        settings.say(f"{row.name}: the peak could not be reset here, growth is an underestimate")
    names = [t.peer for t in row.targets if peers.installed(t.peer)] if beside else []
    bound = memory.bound(ours["input"])
    return {
        "name": row.name,
        "input": row.input,
        "eps": eps,
        "ours": ours,
        "bound": bound,
        "held": ours["growth"] <= bound,
        "peers": {name: memory.measure(row.name, name, eps, settings.threads) for name in names},
    }


def peak(settings: Settings) -> Iterator[dict]:
    """Peak growth of every speed row, and of the peers (not when quick)."""
    for row, _, eps in _inputs(rows.ROWS, settings):
        yield _memory(row, eps, settings, beside=not settings.quick)


def all_neighbours(settings: Settings) -> Iterator[dict]:
    """Time and growth when every point is a neighbour of every other."""
    for row in rows.ALL_NEIGHBOURS:
        if settings.wanted(row.name):
            settings.say(f"{row.name} …")
            yield _memory(row, row.eps, settings, repeats=5, beside=False)


def large(settings: Settings) -> Iterator[dict]:
    """Ten million points (not when quick)."""
    for row in rows.LARGE:
        if settings.wanted(row.name) and not settings.quick:
            settings.say(f"{row.name} …")
            yield _memory(row, row.eps, settings, repeats=3, beside=True)


def scaling(settings: Settings) -> Iterator[dict]:
    """Cost against n; up to 100,000 when quick."""
    if not settings.wanted("scaling"):
        return
    for n in rows.SCALING_SIZES:
        if settings.quick and n > 100_000:
            return
        row = rows.scaling(n)
        settings.say(f"scaling, n = {n:,} …")
        X = row.make()
        runs = {"diptych": peers.ours(None, row, X, row.eps, settings.threads)}
        for target in row.targets:
            if peers.installed(target.peer):
                runs[target.peer] = peers.contender(target.peer, row, X, row.eps, settings.threads)
        try:
            times = interleave(runs, budget=settings.budget / 3)
        finally:
            for run in runs.values():
                if isinstance(run, peers.Parked):
                    run.close()
        yield {"n": n, "eps": row.eps, "seconds": {name: timed.median for name, timed in times.items()}}
