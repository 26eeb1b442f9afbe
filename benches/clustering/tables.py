"""The tables and plots of clustering."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benches.report import beside_peer, held, plot_scaling, seconds, size, times
from benches.section import Plot, Section


def speed_cells(result: dict) -> list[list[str]]:
    """One line for each peer of a row."""
    return [
        [
            result["input"],
            result["parameters"],
            *beside_peer(peer),
            result["answer"],
            "–" if peer["wrong_core"] is None else f"{peer['wrong_core']:,}",
            f"{len(peer['ours']['runs'])} / {len(peer['theirs']['runs'])}",
        ]
        for peer in result["peers"]
    ]


def corner_cells(result: dict) -> list[str]:
    return [
        result["shown"],
        times(result["ratio"]),
        "–" if result["bar"] is None else f"≤ {result['bar']} ×",
        held(result["held"]),
        seconds(result["varied"]["median"]),
        seconds(result["plain"]["median"]),
    ]


def thread_cells(result: dict) -> list[str]:
    return [
        result["input"],
        seconds(result["one"]),
        seconds(result["many"]),
        times(result["ratio"]),
        f"≥ {result['bar']} ×",
        held(result["held"]),
    ]


def _peers(result: dict) -> str:
    return ", ".join(f"{name} {value}" for name, value in result["peers"].items()) or "–"


def memory_cells(result: dict) -> list[str]:
    ours = result["ours"]
    peers = {name: size(found["growth"]) for name, found in result["peers"].items()}
    return [
        result["input"],
        size(ours["input"]),
        size(ours["growth"]),
        size(result["bound"]),
        held(result["held"]),
        _peers({"peers": peers}),
    ]


def all_neighbours_cells(result: dict) -> list[str]:
    ours = result["ours"]
    return [
        result["input"],
        f"{result['eps']:.3g}",
        seconds(ours["seconds"]),
        "< 1 s",
        held(ours["seconds"] < 1),
        size(ours["growth"]),
        size(result["bound"]),
        held(result["held"]),
    ]


def large_cells(result: dict) -> list[str]:
    ours = result["ours"]
    peers = {
        name: f"{seconds(found['seconds'])}, {size(found['growth'])}"
        for name, found in result["peers"].items()
    }
    return [
        result["input"],
        f"{result['eps']:.3g}",
        seconds(ours["seconds"]),
        size(ours["growth"]),
        size(result["bound"]),
        held(result["held"]),
        _peers({"peers": peers}),
    ]


def scaling_cells(result: dict) -> list[str]:
    peers = {name: seconds(value) for name, value in result["seconds"].items() if name != "diptych"}
    return [f"{result['n']:,}", seconds(result["seconds"]["diptych"]), _peers({"peers": peers})]


def plot_ratios(results: list[dict], path: Path) -> None:
    """Draw each ratio beside its bar and its goal."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    shown = [(row, peer) for row in results for peer in row["peers"]][::-1]
    figure, axes = plt.subplots(figsize=(9, 0.42 * len(shown) + 1.4), layout="constrained")
    axes.barh(range(len(shown)), [peer["ratio"] for _, peer in shown], color="#4878a8", label="measured")
    for key, colour in (("bar", "#c44e52"), ("goal", "#55a868")):
        places = [(peer[key], y) for y, (_, peer) in enumerate(shown) if peer[key]]
        if places:
            axes.scatter(
                *zip(*places, strict=True), marker="|", s=220, linewidths=2.5, color=colour, label=key
            )
    axes.axvline(1, color="0.5", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(range(len(shown)), [f"{row['input']}  ({peer['peer']})" for row, peer in shown])
    axes.set_xlabel("times faster than the peer")
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=130)
    plt.close(figure)


SECTIONS = (
    Section(
        "speed",
        "Speed",
        "input | eps, min_samples | peer | diptych | peer takes | ratio | bar | goal | bar held | "
        "our answer | core points the peer gets wrong | runs",
        speed_cells,
        "benches.clustering.sections:speed",
        plot=Plot("ratios", "Ratios, bars and goals", plot_ratios),
    ),
    Section(
        "threads",
        "Threads",
        "input | one thread | {threads} threads | ratio | bar | held",
        thread_cells,
        "benches.clustering.sections:threads",
        of="speed",
    ),
    Section(
        "corners",
        "No soft corners",
        "variation / plain | ratio | bar | held | varied | plain",
        corner_cells,
        "benches.clustering.sections:soft_corners",
    ),
    Section(
        "memory",
        "Memory: growth of the process during a fit, results included",
        "input | size | growth of diptych | bound | held | peers",
        memory_cells,
        "benches.clustering.sections:peak",
    ),
    Section(
        "all-neighbours",
        "Every point a neighbour of every other",
        "input | eps | time | bar | held | growth | bound | held",
        all_neighbours_cells,
        "benches.clustering.sections:all_neighbours",
    ),
    Section(
        "large",
        "Ten million points",
        "input | eps | diptych | growth | bound | held | peers",
        large_cells,
        "benches.clustering.sections:large",
    ),
    Section(
        "scaling",
        "Cost against n",
        "n | diptych | peers",
        scaling_cells,
        "benches.clustering.sections:scaling",
        plot=Plot(
            "scaling",
            "Cost against n",
            partial(plot_scaling, n="n (2-D mixture, the same expected degree at every n)"),
        ),
    ),
)
