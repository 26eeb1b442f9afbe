"""The instrument behind ``make bench``: python -m benches [--quick] [--only ROW] [--record]."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

SECTIONS = ("speed", "corners", "memory", "all-neighbours", "large", "scaling")


def parser() -> argparse.ArgumentParser:
    """Return the command line of the bench."""
    made = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    made.add_argument(
        "--quick", action="store_true", help="fewer runs; no ten million points, no memory of peers"
    )
    made.add_argument(
        "--only", action="append", default=[], metavar="ROW", help="rows whose name contains ROW (repeatable)"
    )
    made.add_argument("--section", action="append", choices=SECTIONS, help="this part only (repeatable)")
    made.add_argument(
        "--oracle",
        action="store_true",
        help="compare all labels of 2-D, 1,000,000 with scikit-learn's: minutes",
    )
    made.add_argument("--record", action="store_true", help="write JSON and plots to benches/recorded/")
    made.add_argument("--threads", type=int, default=2, help="threads for everybody (default 2)")
    made.add_argument("--list", action="store_true", help="print the names of the rows and stop")
    return made


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the tables; 1 when an answer was wrong: a missed bar is a result, not an error."""
    made = parser()
    options = made.parse_args(arguments)
    if options.record and (options.only or options.quick):
        made.error("--record keeps whole sections at full length: leave out --only and --quick")
    from benches import machine

    machine.prepare(options.threads)
    from benches import report, rows, sections

    if options.list:
        print("\n".join(row.name for row in (*rows.ROWS, *rows.ALL_NEIGHBOURS, *rows.LARGE)))
        return 0
    machine.refuse_debug_build()
    known = machine.facts(options.threads)
    print(machine.lines(known), end="\n\n", flush=True)
    settings = sections.Settings(
        threads=options.threads,
        quick=options.quick,
        oracle=options.oracle,
        wanted=lambda name: not options.only or any(part in name for part in options.only),
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )
    parts = options.section or SECTIONS
    measured: dict[str, list] = {}
    wrong = 0
    if "speed" in parts:
        measured["speed"] = results = list(sections.speed(settings))
        _show("speed", [line for result in results for line in report.speed_cells(result)])
        measured["threads"] = list(sections.threads(results))
        _show("threads", map(report.thread_cells, measured["threads"]), threads=options.threads)
        wrong = sum(not result["ok"] for result in results)
    for section, run, cells in (
        ("corners", sections.soft_corners, report.corner_cells),
        ("memory", sections.peak, report.memory_cells),
        ("all-neighbours", sections.all_neighbours, report.all_neighbours_cells),
        ("large", sections.large, report.large_cells),
        ("scaling", sections.scaling, report.scaling_cells),
    ):
        if section in parts:
            measured[section] = list(run(settings))
            _show(section, map(cells, measured[section]))
    if options.record:
        stem = machine.slug(known)
        print(f"recorded {report.record(known, measured, stem)}")
        if measured.get("speed"):
            report.plot_ratios(measured["speed"], report.RECORDED / f"{stem}-ratios.png")
        if measured.get("scaling"):
            report.plot_scaling(measured["scaling"], report.RECORDED / f"{stem}-scaling.png")
    return 1 if wrong else 0


def _show(section: str, lines, **names: object) -> None:
    from benches import report

    lines = list(lines)
    if lines:
        print(report.table(section, lines, **names), end="\n\n", flush=True)


if __name__ == "__main__":
    # Run as a script, this folder is on the path and its parent, which holds the package `benches`, is not.
    sys.path[0] = os.fspath(Path(__file__).resolve().parents[1])
    sys.exit(main())
