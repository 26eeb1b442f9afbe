"""The tables of graph embedding."""

from __future__ import annotations

from benches.report import held, seconds, times
from benches.section import Section


def _rate(per_second: float) -> str:
    return f"{per_second / 1e6:.3g} M" if per_second >= 1e6 else f"{per_second / 1e3:.3g} k"


def walk_cells(result: dict) -> list[list[str]]:
    """One line for each peer of a kind of walk; one without peers where all are missing."""
    ours = result["ours"]
    verdict = f"{result['wrong_steps']:,} **wrong**" if result["wrong_steps"] else "all"
    nobody = {"peer": "–", "version": None, "theirs": None, "ratio": None, "bar": None, "goal": None}
    lines = []
    for peer in result["peers"] or [nobody | {"held": None}]:
        theirs = peer["theirs"]
        name = peer["peer"] + (f"; {peer['version']}" if peer["version"] else "")
        lines.append(
            [
                result["input"],
                _rate(ours["rate"]),
                name,
                _rate(theirs["rate"]) if theirs else "–",
                times(peer["ratio"]),
                times(peer["bar"]),
                times(peer["goal"]),
                held(peer["held"]),
                verdict,
                f"{_rate(ours['steps'])} / {_rate(theirs['steps']) if theirs else '–'}",
                f"{len(ours['runs'])} / {len(theirs['runs']) if theirs else 0}",
            ]
        )
    return lines


def large_walk_cells(result: dict) -> list[str]:
    return [
        result["input"],
        *(f"{1e9 / result[size]['rate']:.3g} ns" for size in ("cached", "large")),
        times(result["ratio"]),
        f"≤ {result['bar']:g} ×",
        f"≤ {result['goal']:g} ×",
        held(result["held"]),
        f"{result['wrong_steps']:,} **wrong**" if result["wrong_steps"] else "all",
        f"{len(result['cached']['runs'])} / {len(result['large']['runs'])}",
    ]


def training_cells(result: dict) -> list[str]:
    f1 = result["f1"]
    return [
        f"{result['input']}, {result['who']}",
        seconds(result["times"]["median"]),
        _rate(result["rate"]),
        times(result["ratio"]),
        times(result["bar"]),
        times(result["goal"]),
        held(result["held"]),
        {True: "the same", False: "**others**", None: "–"}[result["same_bits"]],
        f"{100 * f1['micro']:.1f} / {100 * f1['macro']:.1f}" if f1 else "–",
        f"{len(result['times']['runs'])}",
    ]


def quality_cells(result: dict) -> list[str]:
    values = [result["values"].get(who) for who in ("diptych", "gensim", "batch one")]
    values += [result["authors"], result["minimum"]]
    *shown, minimum = ("–" if value is None else f"{100 * value:.1f}" for value in values)
    return [result["input"], result["measure"], *shown, f"≥ {minimum}", held(result["held"])]


QUALITY = (
    "graph, walks | measure | diptych | gensim, the same walks | diptych pair by pair | "
    "DeepWalk's authors | must be | held"
)
SECTIONS = (
    Section(
        "walks",
        "Walks: steps taken per second, R-MAT graph of 2^17 nodes, walks of 80 nodes",
        "walks | diptych | peer | its rate | ratio | bar | goal | bar held | our steps that are edges | "
        "steps timed | runs",
        walk_cells,
        "benches.embedding.walks:rates",
    ),
    Section(
        "walks-large",
        "Walks on a graph larger than the cache: time of a step, 2^21 walks of 80 nodes",
        "walks | 2^17 nodes | 2^21 nodes | ratio | bar | goal | bar held | our steps that are edges | runs",
        large_walk_cells,
        "benches.embedding.walks:larger_than_cache",
    ),
    Section(
        "training",
        "Training: window 10, 5 negatives, 128 dimensions; the time of diptych includes the walks",
        "who | time | tokens per second | slower than diptych | bar | goal | held | bits of the vectors | "
        "Micro- / Macro-F1 at 50 % | runs",
        training_cells,
        "benches.embedding.training:training",
    ),
    Section(
        "embedding-quality",
        "Quality of the vectors, in per cent: means over trainings and shuffles",
        QUALITY,
        quality_cells,
        "benches.embedding.quality:quality",
    ),
    Section(
        "embedding-quality-paper",
        "Quality of the vectors at the settings of DeepWalk's paper, in per cent",
        QUALITY,
        quality_cells,
        "benches.embedding.quality:papers",
    ),
)
