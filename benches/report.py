"""Figures as text, Markdown tables, and the record of a run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

RECORDED = Path(__file__).parent / "recorded"


def seconds(value: float) -> str:
    """Three significant digits with a unit."""
    return f"{value:.3g} s" if value >= 1 else f"{value * 1e3:.3g} ms"


def size(value: float) -> str:
    """Mebibytes."""
    return f"{value / 2**20:,.0f} MiB"


def held(is_held: bool | None) -> str:
    return {True: "yes", False: "**no**", None: "–"}[is_held]


def times(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g} ×"


def beside_peer(result: dict, unit: Callable[[float], str] = seconds) -> list[str]:
    """Return the cells that say who the peer is, what both took, and whether the bar holds."""
    return [
        result["peer"],
        unit(result["ours"]["median"]),
        unit(result["theirs"]["median"]),
        times(result["ratio"]),
        times(result["bar"]),
        times(result["goal"]),
        held(result["held"]),
    ]


def apart(result: dict) -> str:
    """Return how far results differ; in bold where that is too far."""
    return f"{result['apart']:.0e}" if result["ok"] else f"**{result['apart']:.0e}**"


def table(lines: Sequence[Sequence[str]]) -> str:
    """Return one Markdown table; the first line is the heading."""
    heading, *rows = lines
    return "\n".join("| " + " | ".join(line) + " |" for line in (heading, ["---"] * len(heading), *rows))


def record(known: dict, sections: dict[str, list], times: dict[str, str], stem: str) -> Path:
    """Write the figures with the facts of the machine; sections measured earlier the same day are kept.

    Of each section ``runs`` has what may differ from that of the others: the commit, how busy the machine
    was, and the time, of which ``times`` has that of each.
    """
    RECORDED.mkdir(exist_ok=True)
    path = RECORDED / f"{stem}.json"
    kept = json.loads(path.read_text()) if path.exists() else {"sections": {}}
    run = {name: known[name] for name in ("commit", "load_at_start")}
    record = {
        "machine": known,
        "runs": kept.get("runs", {}) | {name: run | {"at": times[name]} for name in sections},
        "sections": kept["sections"] | sections,
    }
    path.write_text(json.dumps(record, indent=1) + "\n")
    return path


def plot_scaling(results: list[dict], path: Path, *, n: str) -> None:
    """Draw cost against n, everybody in one picture; ``n`` says of what."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.5, 4.5), layout="constrained")
    for name in dict.fromkeys(name for result in results for name in result["seconds"]):
        points = [(result["n"], result["seconds"][name]) for result in results if name in result["seconds"]]
        axes.loglog(*zip(*points, strict=True), marker="o", label=name)
    axes.set_xlabel(n)
    axes.set_ylabel("seconds")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    figure.savefig(path, dpi=130)
    plt.close(figure)
