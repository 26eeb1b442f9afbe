"""``diptych similar``: which nodes have vectors like that of one."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

from diptych.cli import _console
from diptych.cli._arguments import positive_int
from diptych.cli._console import UsageError
from diptych.cli._tables import DataError

EPILOG = """\
example:
  diptych similar vectors.npz alice -k 5
"""


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "similar",
        help="name the nodes whose vectors are most like that of a node",
        description="Name the nodes whose vectors point most nearly where that of a node points.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("vectors", help="what diptych embed wrote, or word2vec's text (txt, vec)")
    parser.add_argument("node", metavar="NODE", help="the name of a node")
    parser.add_argument("-k", type=positive_int, default=10, help="how many to name (10)")
    parser.add_argument("-o", "--output", help="file for the result; standard output otherwise")
    parser.add_argument("--json", action="store_true", help="write one JSON object in place of the table")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, compare, write."""
    if args.vectors == "-":
        raise UsageError("vectors are read from a file, not from standard input.")
    _console.check_source(args.vectors)
    _console.check_destination(args.output, option="-o")
    if args.output and args.output != "-" and _console.same_file(args.output, args.vectors):
        raise UsageError(f"-o {args.output}: would overwrite the vectors.")
    from diptych.estimators._nodes import find_node, most_similar_rows

    names, vectors = _read(args.vectors)
    row = find_node(names, _as_named(args.node, names))
    found = most_similar_rows(vectors, names, row, args.k)
    if args.json:
        similar = [{"node": name, "cosine": cosine} for name, cosine in found]
        _console.write_json({"node": names[row : row + 1].tolist()[0], "similar": similar}, args.output)
        return 0
    with _console.result_stream(args.output) as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["node", "cosine"])
        table.writerows((name, f"{cosine:.6f}") for name, cosine in found)
    return 0


def _read(path: str) -> tuple[Any, Any]:
    """Return names and vectors."""
    from diptych import io

    if Path(path).suffix.lower() in (".txt", ".vec"):
        return io.read_word2vec(path)
    model = io.load(path)
    if not hasattr(model, "embedding_"):
        raise DataError(f"{path} holds a {type(model).__name__}, which has no vectors of nodes.")
    return model.node_names_, model.embedding_


def _as_named(text: str, names: Any) -> Any:
    """Return the name that is written like this: the string, or else the number."""
    written = {str(name): name for name in names.tolist() if not isinstance(name, str)}
    return text if text in names.tolist() else written.get(text, text)
