"""``diptych similar``: which nodes are like one, by their vectors or along a meta-path, and why."""

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
examples:
  diptych similar vectors.npz alice -k 5
  diptych similar graph.json --metapath APVPA --node "Ada Brandt" -k 10 --explain
"""
EXPLAINED = 3  # middle nodes and example paths that an explanation names


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "similar",
        help="name the nodes most like one, by vectors or along a meta-path",
        description="Name the nodes most like one. Of vectors, those that point most nearly where its vector "
        "points; of a graph with types, those that PathSim finds to share company with it along a meta-path.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "file",
        metavar="FILE",
        help="vectors: what diptych embed wrote, or word2vec's text (txt, vec); a graph with types: JSON as "
        "HeteroGraph.to_json writes it; or a saved PathSim (npz)",
    )
    name = parser.add_argument("name", metavar="NODE", help="the name of a node; or else --node NODE")
    parser.add_argument("--node", metavar="NODE", action=_InPlaceOf, positional=name, help="the same")
    parser.add_argument(
        "--metapath", help="of a graph: the round trip, as initials (APVPA) or types (author-paper-author)"
    )
    parser.add_argument("-k", type=positive_int, default=10, help="how many to name (10)")
    parser.add_argument(
        "--explain", action="store_true", help="along a meta-path: say why, in words, in place of the table"
    )
    parser.add_argument("-o", "--output", help="file for the result; standard output otherwise")
    parser.add_argument("--json", action="store_true", help="write one JSON object in place of the table")
    parser.set_defaults(run=run)


class _InPlaceOf(argparse.Action):
    """An option that stands for a positional argument.

    With nargs="?" the positional would be taken as missing wherever an option stands before it.
    """

    def __init__(self, *args: Any, positional: argparse.Action, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.positional = positional

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: Any = None
    ) -> None:
        setattr(namespace, self.dest, values)
        self.positional.required = False


def run(args: argparse.Namespace) -> int:
    """Read, compare, write."""
    node = _wanted(args)
    if args.file == "-":
        raise UsageError("vectors and graphs are read from a file, not from standard input.")
    _console.check_source(args.file)
    _console.check_destination(args.output, option="-o")
    if args.output and args.output != "-" and _console.same_file(args.output, args.file):
        raise UsageError(f"-o {args.output}: would overwrite the input.")
    if _is_json(args.file):
        from diptych.estimators.pathsim import PathSim
        from diptych.graph import HeteroGraph

        if args.metapath is None:
            raise UsageError(
                f"{args.file} is a graph: --metapath says along which path its nodes are compared, for "
                "example --metapath APVPA."
            )
        return _along(PathSim(args.metapath).fit(HeteroGraph.from_json(args.file)), node, args)
    if Path(args.file).suffix.lower() in (".txt", ".vec"):
        from diptych import io

        return _by_vectors(*io.read_word2vec(args.file), node, args)
    return _of_model(node, args)


def _wanted(args: argparse.Namespace) -> str:
    """Return the name of the node, which is given once."""
    if args.name is not None and args.node is not None:
        raise UsageError(f"{args.name} and --node {args.node}: name one node.")
    return str(args.node if args.name is None else args.name)


def _is_json(path: str) -> bool:
    """Tell a graph by its ending, or else by its first character."""
    if Path(path).suffix.lower() == ".json":
        return True
    with Path(path).open("rb") as stream:
        return stream.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def _of_model(node: str, args: argparse.Namespace) -> int:
    """Ask a saved estimator."""
    from diptych import io
    from diptych.estimators.pathsim import PathSim

    model = io.load(args.file)
    if isinstance(model, PathSim):
        if args.metapath is not None:
            raise UsageError(
                f"--metapath: {args.file} holds a PathSim, which is fitted along {model.metapath_}."
            )
        return _along(model, node, args)
    if not hasattr(model, "embedding_"):
        raise DataError(f"{args.file} holds a {type(model).__name__}, which compares no nodes.")
    return _by_vectors(model.node_names_, model.embedding_, node, args)


def _by_vectors(names: Any, vectors: Any, node: str, args: argparse.Namespace) -> int:
    from diptych.estimators._nodes import find_node, most_similar_rows

    for option, given in (("--metapath", args.metapath is not None), ("--explain", args.explain)):
        if given:
            raise UsageError(f"{option} is for a graph with types (JSON); {args.file} holds vectors.")
    row = find_node(names, _as_named(node, names))
    found = most_similar_rows(vectors, names, row, args.k)
    if args.json:
        similar = [{"node": name, "cosine": cosine} for name, cosine in found]
        _console.write_json({"node": names[row : row + 1].tolist()[0], "similar": similar}, args.output)
    else:
        _write_table("cosine", found, args.output)
    return 0


def _along(model: Any, node: str, args: argparse.Namespace) -> int:
    """Ask a fitted PathSim."""
    name = _as_named(node, model.node_names_)
    found = model.top_k(name, args.k)
    reasons = [model.explain(name, other, limit=EXPLAINED) for other, _ in found] if args.explain else []
    if args.json:
        similar = [{"node": other, "score": score} for other, score in found]
        for entry, reason in zip(similar, reasons, strict=False):  # none if not asked for
            entry["explanation"] = _facts(reason)
        facts = {"node": name, "metapath": str(model.metapath_), "similar": similar}
        _console.write_json(facts, args.output)
    elif args.explain:
        with _console.result_stream(args.output) as stream:
            stream.write("\n\n".join(map(str, reasons)) + "\n" if reasons else "")
    else:
        _write_table("score", found, args.output)
    if not found:
        kind = model.metapath_.types[0]
        _console.message(f"{name} shares a path {model.metapath_} with no other {kind}.")
    return 0


def _facts(reason: Any) -> dict[str, Any]:
    """Return an explanation as plain values; all shares, and some paths."""
    return {
        "M_xy": reason.M_xy,
        "M_xx": reason.M_xx,
        "M_yy": reason.M_yy,
        "shares": [{"node": middle, "share": share} for middle, share in reason.shares],
        "paths": [
            {"nodes": list(path.nodes), "through": path.through, "weight": path.weight}
            for path in reason.paths
        ],
    }


def _write_table(title: str, found: list[tuple[Any, float]], path: str | None) -> None:
    with _console.result_stream(path) as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["node", title])
        table.writerows((name, f"{value:.6f}") for name, value in found)


def _as_named(text: str, names: Any) -> Any:
    """Return the name that is written like this: the string, or else the number."""
    written = {str(name): name for name in names.tolist() if not isinstance(name, str)}
    return text if text in names.tolist() else written.get(text, text)
