"""Tables of the newest recorded run, for the docs and for the README.

``python docs/bench_tables.py`` writes them between the marks in README.md.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benches import machine, report  # noqa: E402

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
NOTHING = "No run is recorded yet."

# Title, and the cells of one result: one line of the table, or several.
SECTIONS: dict[str, tuple[str, Callable[[dict], Any]]] = {
    "speed": ("Speed", report.speed_cells),
    "threads": ("Threads", report.thread_cells),
    "corners": ("No soft corners", report.corner_cells),
    "memory": ("Memory: growth of the process during a fit, results included", report.memory_cells),
    "all-neighbours": ("Every point a neighbour of every other", report.all_neighbours_cells),
    "large": ("Ten million points", report.large_cells),
    "scaling": ("Cost against n", report.scaling_cells),
}
PLOTS = {"ratios": "Ratios, bars and goals", "scaling": "Cost against n"}


def newest() -> tuple[dict[str, Any] | None, list[tuple[str, Path]]]:
    """Return the newest record and its plots with their titles; None and nothing where there is none."""
    records = sorted(report.RECORDED.glob("*.json"))
    if not records:
        return None, []
    plots = [
        (title, records[-1].with_name(f"{records[-1].stem}-{ending}.png")) for ending, title in PLOTS.items()
    ]
    return json.loads(records[-1].read_text()), [(title, path) for title, path in plots if path.exists()]


def tables(record: dict[str, Any]) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Yield title, heading and lines of each section that was measured."""
    for section, (title, cells) in SECTIONS.items():
        lines: list[list[str]] = []
        for result in record["sections"].get(section, []):
            found = cells(result)
            lines += found if isinstance(found[0], list) else [found]
        if lines:
            heading = report.HEADINGS[section].format(threads=record["machine"]["threads"])
            yield title, [cell.strip() for cell in heading.split("|")], lines


def markdown(record: dict[str, Any] | None, plots: list[tuple[str, Path]]) -> str:
    """Return the tables and plots as Markdown."""
    if record is None:
        return NOTHING
    parts = [" ".join(machine.lines(record["machine"]).split("\n"))]
    for title, heading, lines in tables(record):
        rows = [heading, ["---"] * len(heading), *lines]
        parts.append(f"**{title}**\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows))
    parts += [f"![{title}]({path.relative_to(ROOT)})" for title, path in plots]
    return "\n\n".join(parts)


def rst(record: dict[str, Any] | None, plots: list[tuple[str, Path]]) -> str:
    """Return the tables and plots as reStructuredText, for a page in docs/."""
    if record is None:
        return NOTHING
    parts = ["\n".join(f"| {line}" for line in machine.lines(record["machine"]).split("\n"))]
    for title, heading, lines in tables(record):
        parts += [title + "\n" + "-" * len(title), ".. list-table::\n   :header-rows: 1"]
        rows = []
        for row in (heading, *lines):
            first, *rest = (cell or " " for cell in row)
            rows.append("\n".join([f"   * - {first}", *(f"     - {cell}" for cell in rest)]))
        parts.append("\n".join(rows))
    parts += [f".. image:: ../{path.relative_to(ROOT)}\n   :alt: {title}" for title, path in plots]
    return "\n\n".join(parts)


def write_rst(path: Path) -> None:
    """Write the tables for the docs."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(rst(*newest()) + "\n")


def write_readme() -> None:
    """Put the tables between the marks in the README."""
    path = ROOT / "README.md"
    before, _, rest = path.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{markdown(*newest())}\n{END}{after}")


if __name__ == "__main__":
    write_readme()
