"""The instrument behind ``make bench``: python -m benches [--quick] [--only ROW] [--record]."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def parser(sections: Sequence[str]) -> argparse.ArgumentParser:
    """Return the command line of the bench."""
    made = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    made.add_argument(
        "--quick", action="store_true", help="fewer runs; no ten million points, no memory of peers"
    )
    made.add_argument(
        "--only", action="append", default=[], metavar="ROW", help="rows whose name contains ROW (repeatable)"
    )
    made.add_argument("--section", action="append", choices=sections, help="this part only (repeatable)")
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
    from benches import machine, report
    from benches.families import SECTIONS, row_names
    from benches.section import Settings

    parts = [section.name for section in SECTIONS if not section.of]
    made = parser(parts)
    options = made.parse_args(arguments)
    if options.record and (options.only or options.quick):
        made.error("--record keeps whole sections at full length: leave out --only and --quick")
    machine.prepare(options.threads)
    if options.list:
        print("\n".join(row_names()))
        return 0
    machine.refuse_debug_build()
    known = machine.facts(options.threads)
    print(machine.lines(known), end="\n\n", flush=True)
    settings = Settings(
        threads=options.threads,
        quick=options.quick,
        oracle=options.oracle,
        wanted=lambda name: not options.only or any(part in name for part in options.only),
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )
    measured: dict[str, list[dict]] = {}
    times: dict[str, str] = {}
    for section in SECTIONS:
        if (section.of or section.name) in (options.section or parts):
            results = section.results(measured[section.of] if section.of else settings)
            measured[section.name] = list(results)
            times[section.name] = machine.now()
            lines = section.lines(measured[section.name], threads=options.threads)
            if lines:
                print(report.table(lines), end="\n\n", flush=True)
    if options.record:
        stem = machine.slug(known)
        print(f"recorded {report.record(known, measured, times, stem)}")
        for section in SECTIONS:
            if section.plot and measured.get(section.name):
                section.plot.draw(
                    measured[section.name], report.RECORDED / f"{stem}-{section.plot.ending}.png"
                )
    return int(any(not result.get("ok", True) for results in measured.values() for result in results))


if __name__ == "__main__":
    # Run as a script, this folder is on the path and its parent, which holds the package `benches`, is not.
    sys.path[0] = os.fspath(Path(__file__).resolve().parents[1])
    sys.exit(main())
