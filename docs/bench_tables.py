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


def newest() -> dict[str, Any] | None:
    """Return the newest record, None where there is none."""
    records = sorted(report.RECORDED.glob("*.json"))
    return json.loads(records[-1].read_text()) if records else None


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


def markdown(record: dict[str, Any] | None) -> str:
    """Return the tables as Markdown."""
    if record is None:
        return NOTHING
    parts = [" ".join(machine.lines(record["machine"]).split("\n"))]
    for title, heading, lines in tables(record):
        rows = [heading, ["---"] * len(heading), *lines]
        parts.append(f"**{title}**\n\n" + "\n".join(f"| {' | '.join(row)} |" for row in rows))
    return "\n\n".join(parts)


def rst(record: dict[str, Any] | None) -> str:
    """Return the tables as reStructuredText."""
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
    return "\n\n".join(parts)


def write_rst(path: Path) -> None:
    """Write the tables for the docs."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(rst(newest()) + "\n")


def write_readme() -> None:
    """Put the tables between the marks in the README."""
    path = ROOT / "README.md"
    before, _, rest = path.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    path.write_text(f"{before}{BEGIN}\n{markdown(newest())}\n{END}{after}")


if __name__ == "__main__":
    write_readme()
