"""Tables of the newest recorded run, for the docs and for the README.

``python docs/bench_tables.py`` writes them between the marks in README.md.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benches import machine, report  # noqa: E402
from benches.families import SECTIONS  # noqa: E402

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
NOTHING = "No run is recorded yet."


def newest() -> tuple[dict[str, Any] | None, list[tuple[str, Path]]]:
    """Return the newest record and its plots with their titles; None and nothing where there is none."""
    records = sorted(report.RECORDED.glob("*.json"))
    if not records:
        return None, []
    plots = [
        (section.plot.title, records[-1].with_name(f"{records[-1].stem}-{section.plot.ending}.png"))
        for section in SECTIONS
        if section.plot
    ]
    return json.loads(records[-1].read_text()), [(title, path) for title, path in plots if path.exists()]


def tables(record: dict[str, Any]) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield the title and the lines, heading first, of each section that was measured."""
    for section in SECTIONS:
        results = record["sections"].get(section.name, [])
        lines = section.lines(results, threads=record["machine"]["threads"])
        if lines:
            yield section.title, lines


def markdown(record: dict[str, Any] | None, plots: list[tuple[str, Path]]) -> str:
    """Return the tables and plots as Markdown."""
    if record is None:
        return NOTHING
    parts = [" ".join(machine.lines(record["machine"]).split("\n"))]
    parts += [f"**{title}**\n\n{report.table(lines)}" for title, lines in tables(record)]
    parts += [f"![{title}]({path.relative_to(ROOT)})" for title, path in plots]
    return "\n\n".join(parts)


def rst(record: dict[str, Any] | None, plots: list[tuple[str, Path]]) -> str:
    """Return the tables and plots as reStructuredText, for a page in docs/."""
    if record is None:
        return NOTHING
    parts = ["\n".join(f"| {line}" for line in machine.lines(record["machine"]).split("\n"))]
    for title, lines in tables(record):
        parts += [title + "\n" + "-" * len(title), ".. list-table::\n   :header-rows: 1"]
        rows = []
        for row in lines:
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
