"""The tables and the plot of meta-paths."""

from __future__ import annotations

from functools import partial

from benches.report import beside_peer, held, plot_scaling, seconds, size, times
from benches.section import Plot, Section


def peer_cells(result: dict) -> list[list[str]]:
    """One line for each peer of a row."""
    return [
        [
            result["input"],
            *beside_peer(peer | {"ours": result["ours"]}),
            result["answer"],
            f"{len(result['ours']['runs'])} / {len(peer['theirs']['runs'])}",
        ]
        for peer in result["peers"]
    ]


def one_author_cells(result: dict) -> list[list[str]]:
    """Return the lines of the peers, and one for the time itself."""
    alone = [
        result["input"],
        "–",
        seconds(result["ours"]["median"]),
        "–",
        "–",
        f"< {seconds(result['at_most'])}",
        f"{seconds(result['better'])}",
        held(result["held"]),
        result["answer"],
        f"{len(result['ours']['runs'])} / –",
    ]
    return [*peer_cells(result), alone]


def thread_cells(result: dict) -> list[str]:
    return [result["input"], seconds(result["one"]), seconds(result["many"]), times(result["ratio"])]


def memory_cells(result: dict) -> list[str]:
    peers = ", ".join(f"{name} {size(grown)}" for name, grown in result["peers"].items())
    return [
        result["input"],
        size(result["size"]),
        size(result["half"]),
        size(result["growth"]),
        size(result["bound"]),
        held(result["held"]),
        "–" if result["limit"] is None else size(result["limit"]),
        held(result["limit_held"]),
        peers or "–",
    ]


def scaling_cells(result: dict) -> list[str]:
    peers = {name: seconds(value) for name, value in result["seconds"].items() if name != "diptych"}
    shown = ", ".join(f"{name} {value}" for name, value in peers.items())
    return [result["input"], seconds(result["seconds"]["diptych"]), shown or "–", result["answer"]]


_BESIDE = "peer | diptych | peer takes | ratio | bar | goal | bar held | our answer | runs"

SECTIONS = (
    Section(
        "pathsim",
        "PathSim: the ten most similar nodes of each",
        f"input | {_BESIDE}",
        peer_cells,
        "benches.metapath.similar:top_k",
    ),
    Section(
        "pathsim-threads",
        "PathSim: threads",
        "input | one thread | {threads} threads | ratio",
        thread_cells,
        "benches.metapath.similar:threads",
        of="pathsim",
    ),
    Section(
        "pathsim-query",
        "PathSim: the ten most similar to one, asked of the fitted estimator",
        f"input | {_BESIDE}",
        one_author_cells,
        "benches.metapath.similar:one_author",
    ),
    Section(
        "commuting",
        "Commuting matrix",
        f"relations | {_BESIDE}",
        peer_cells,
        "benches.metapath.commuting:product",
    ),
    Section(
        "pathsim-memory",
        "PathSim, memory: growth of the process while it finds the ten most similar of each",
        "input | size | half matrix | growth of diptych | bound | held | limit | held | peers",
        memory_cells,
        "benches.metapath.memory:peak",
    ),
    Section(
        "pathsim-scaling",
        "PathSim: cost against n",
        "half matrix | diptych | peers | our answer",
        scaling_cells,
        "benches.metapath.similar:scaling",
        plot=Plot(
            "pathsim-scaling",
            "PathSim: cost against n",
            partial(
                plot_scaling,
                n="n (rows of the half matrix, five entries each; all asked for the ten most similar)",
            ),
        ),
    ),
)
