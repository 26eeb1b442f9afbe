"""``diptych demo``: the main jobs through both panels, on data that comes along."""

from __future__ import annotations

import argparse
from typing import Any

from diptych.cli import (
    _console,
    _demo_attention,
    _demo_clustering,
    _demo_embedding,
    _demo_metapath,
    _demo_recurrent,
)
from diptych.cli._demo_row import Row

HEADER = ["input", "job", "result", "both panels", "reference", "rust", "ratio"]
# A family adds its rows here.
JOBS = (
    *_demo_clustering.JOBS,
    *_demo_embedding.JOBS,
    *_demo_metapath.JOBS,
    *_demo_recurrent.JOBS,
    *_demo_attention.JOBS,
)


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="run the main jobs through both panels",
        description="Run each job on data that comes along, through the reference and through Rust; "
        "compare the answers and the times.",
        allow_abbrev=False,
    )
    parser.add_argument("-o", "--output", metavar="PICTURE", help="draw the results (png, pdf or svg)")
    parser.add_argument("--json", action="store_true", help="write one JSON object in place of the table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the jobs, print the table, draw the picture."""
    _console.check_picture(args.output, option="-o")
    rows = []
    for number, job in enumerate(JOBS, start=1):
        _console.message(f"demo {number} of {len(JOBS)}: {(job.__doc__ or '').splitlines()[0]}")
        try:
            rows.append(job())
        except ImportError as error:  # the photograph needs Pillow
            _console.message(f"left out: {' '.join(str(error).split())}")
    if args.json:
        _console.write_json({"rows": [row.facts() for row in rows]})
    else:
        print(_console.table(HEADER, [row.cells() for row in rows], right=3))
    if args.output:
        _draw(rows, args.output)
        _console.message(f"drawn in {args.output}")
    return 0 if all(row.panels.equal for row in rows) else 1


def _draw(rows: list[Row], path: str) -> None:
    import matplotlib.pyplot as plt

    columns = 2
    lines = -(-(len(rows) + 1) // columns)
    figure = plt.figure(figsize=(7.2 * columns, 5.2 * lines), layout="constrained")
    parts = figure.subfigures(lines, columns, squeeze=False).ravel()
    for part, row in zip(parts, rows, strict=False):
        row.draw(part)
    _draw_times(parts[len(rows)].subplots(), rows)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _draw_times(ax: Any, rows: list[Row]) -> None:
    names = [f"{row.data}\n{row.job}" for row in rows]
    places = list(range(len(rows)))
    times = (("reference", "#9a9a9a", [row.panels.reference_seconds for row in rows], -0.2),
             ("rust", "#0072B2", [row.panels.rust_seconds for row in rows], 0.2))  # fmt: skip
    for label, colour, seconds, shift in times:
        bars = ax.barh([place + shift for place in places], seconds, 0.38, color=colour, label=label)
        ax.bar_label(bars, list(map(_console.duration, seconds)), padding=3, fontsize="small")
    ax.set_yticks(places, names, fontsize="small")
    ax.invert_yaxis()
    ax.set_xscale("log")
    ax.set_xlim(right=ax.get_xlim()[1] * 6)  # room for the labels
    ax.set_xlabel("seconds, logarithmic")
    ax.set_title("Time of each panel")
    ax.legend(fontsize="small")
