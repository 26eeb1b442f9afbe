"""``diptych exercise``: a stub to fill in."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from diptych.cli import _console
from diptych.cli._console import UsageError


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "exercise",
        help="write a stub of a function for you to fill in",
        description="Write a stub: the signature, the definition in words, and how to check what you wrote.",
        epilog="example: diptych exercise clustering.dbscan -o my_dbscan.py",
        allow_abbrev=False,
    )
    parser.add_argument("name", help="which function, such as clustering.dbscan")
    parser.add_argument(
        "-o", "--output", help="file to write; standard output otherwise. An existing file is kept"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the stub."""
    from diptych import testing

    if args.name not in testing.names():
        raise UsageError(f"there is no exercise {args.name!r}; there are: {', '.join(testing.names())}.")
    _console.check_destination(args.output, option="-o")
    if args.output and Path(args.output).exists():
        raise UsageError(f"-o {args.output}: is there already; it may hold your work.")
    with _console.result_stream(args.output) as stream:
        stream.write(testing.exercise(args.name, args.output and Path(args.output).name))
    if args.output:
        function = args.name.rpartition(".")[2]
        _console.message(f"fill in {args.output}, then: diptych check {args.name} {args.output}:{function}")
    return 0
