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


Run = tuple[dict[str, Any], list[tuple[str, Path]]]


def newest() -> list[Run]:
    """Return the records, last day first, each with its plots: of each section the newest run alone."""
    records = {
        path: json.loads(path.read_text()) for path in sorted(report.RECORDED.glob("*.json"), reverse=True)
    }

    def time(path: Path, name: str) -> str:
        of_day = records[path]
        return of_day.get("runs", {}).get(name, {}).get("at") or of_day["machine"]["date"]

    of_section: dict[str, Path] = {}
    for path, record in records.items():
        for name in record["sections"]:
            of_section[name] = max(
                of_section.get(name, path), path, key=lambda path, name=name: time(path, name)
            )
    runs: list[Run] = []
    for path, record in records.items():
        fresh = {name: found for name, found in record["sections"].items() if of_section[name] == path}
        plots = [
            (section.plot.title, path.with_name(f"{path.stem}-{section.plot.ending}.png"))
            for section in SECTIONS
            if section.plot and section.name in fresh
        ]
        if fresh:
            runs.append(
                (record | {"sections": fresh}, [(title, plot) for title, plot in plots if plot.exists()])
            )
    return runs


def tables(record: dict[str, Any]) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield the title and the lines, heading first, of each section that was measured."""
    for section in SECTIONS:
        results = record["sections"].get(section.name, [])
        lines = section.lines(results, threads=record["machine"]["threads"])
        if lines:
            yield section.title, lines


def markdown(runs: list[Run]) -> str:
    """Return the tables and plots as Markdown."""
    parts: list[str] = []
    for record, plots in runs:
        parts.append(" ".join(machine.lines(record["machine"]).split("\n")))
        parts += [f"**{title}**\n\n{report.table(lines)}" for title, lines in tables(record)]
        parts += [f"![{title}]({path.relative_to(ROOT)})" for title, path in plots]
    return "\n\n".join(parts) or NOTHING


def rst(runs: list[Run]) -> str:
    """Return the tables and plots as reStructuredText, for a page in docs/."""
    parts: list[str] = []
    for record, plots in runs:
        parts.append("\n".join(f"| {line}" for line in machine.lines(record["machine"]).split("\n")))
        for title, lines in tables(record):
            parts += [title + "\n" + "-" * len(title), ".. list-table::\n   :header-rows: 1"]
            rows = []
            for row in lines:
                first, *rest = (cell or " " for cell in row)
                rows.append("\n".join([f"   * - {first}", *(f"     - {cell}" for cell in rest)]))
            parts.append("\n".join(rows))
        parts += [f".. image:: ../{path.relative_to(ROOT)}\n   :alt: {title}" for title, path in plots]
    return "\n\n".join(parts) or NOTHING


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
