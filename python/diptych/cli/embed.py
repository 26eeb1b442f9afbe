"""``diptych embed``: vectors for the nodes of a graph in a file."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diptych.cli import _console
from diptych.cli._arguments import n_jobs, positive_float, positive_int, whole_number
from diptych.cli._console import UsageError
from diptych.cli._tables import DataError

if TYPE_CHECKING:
    from diptych.estimators.embedding import DeepWalk, Node2Vec
    from diptych.graph import Graph

TEXTS = (".txt", ".vec")
ENDINGS = (".npz", *TEXTS)

EPILOG = """\
examples:
  diptych embed edges.csv -o vectors.npz --plot vectors.png
  diptych embed edges.csv -o vectors.txt --method node2vec --p 0.5 --q 2 --seed 0
  diptych similar vectors.npz alice -k 5

An edge is a line: source, target and, if there is one, weight, with tab, semicolon, comma or blanks between.
.npz holds the model, for diptych.load and diptych similar; .txt and .vec the vectors, as word2vec's text.
"""


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "embed",
        help="learn vectors for the nodes of a graph (DeepWalk, node2vec)",
        description="Learn a vector for each node: random walks and skip-gram, on all cores.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("edges", help="edges as text (csv, tsv, …), adjlist, or a matrix (npz, mtx, mat)")
    parser.add_argument("--directed", action="store_true", help="edges lead from source to target alone")
    parser.add_argument("-o", "--output", required=True, help="file for the vectors: npz, txt or vec")
    parser.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether the first line of the edges holds titles (guessed, and said if there are some)",
    )
    walks = parser.add_argument_group("the walks")
    walks.add_argument(
        "--method", choices=("deepwalk", "node2vec"), default="deepwalk", help="kind of walk (deepwalk)"
    )
    walks.add_argument("--p", type=positive_float, help="node2vec: against turning back at once (1)")
    walks.add_argument("--q", type=positive_float, help="node2vec: against getting away (1)")
    walks.add_argument("--walk-length", type=positive_int, default=80, help="nodes in a walk (80)")
    walks.add_argument("--walks-per-node", type=positive_int, default=10, help="walks from each node (10)")
    training = parser.add_argument_group("the training")
    training.add_argument("--dimensions", type=positive_int, default=128, help="length of a vector (128)")
    training.add_argument("--window", type=positive_int, default=10, help="how far apart is close (10)")
    training.add_argument("--negative", type=whole_number, default=5, help="random nodes to push away (5)")
    training.add_argument("--epochs", type=positive_int, default=1, help="rounds through the walks (1)")
    training.add_argument(
        "--learning-rate", type=positive_float, default=0.025, help="length of the first step (0.025)"
    )
    training.add_argument("--seed", type=whole_number, help="same seed, same vectors (others each time)")
    training.add_argument("--n-jobs", type=n_jobs, help="threads (all cores)")
    training.add_argument(
        "--backend", choices=("rust", "reference"), default="rust", help="panel that does the work (rust)"
    )
    result = parser.add_argument_group("what is said")
    result.add_argument("--json", action="store_true", help="write what was done as one JSON object")
    result.add_argument("--plot", metavar="PICTURE", help="draw the vectors (png, pdf or svg)")
    result.add_argument("--quiet", action="store_true", help="no summary on standard error")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, learn, write."""
    _check(args)
    from diptych.graph import Graph
    from diptych.graph._files import read_header

    graph = Graph.from_file(args.edges, directed=True if args.directed else None, header=args.header)
    titles = read_header(args.edges, args.header)
    _check_names(args.output, graph)
    model = _model(args)
    started = time.perf_counter()
    with _console.progress_bar("diptych embed"):
        model.fit(graph)
    seconds = time.perf_counter() - started
    model.save(args.output)
    if not args.quiet:
        if titles is not None:
            guessed = "" if args.header else "; pass --no-header if this is an edge"
            _console.message(f"the first line, {' '.join(titles)!r}, holds titles{guessed}.")
        _console.message(
            f"{graph!r}: {args.dimensions} dimensions, loss {model.losses_[-1]:.3f}. "
            f"{_console.duration(seconds)}"
        )
    if args.json:
        _console.write_json(_facts(args, graph, titles, model, seconds))
    if args.plot:
        from diptych.plot import EmbeddingDisplay

        EmbeddingDisplay.from_estimator(model).plot().figure_.savefig(args.plot, dpi=150)
    return 0


def _check(args: argparse.Namespace) -> None:
    for option in ("p", "q"):
        if getattr(args, option) is not None and args.method != "node2vec":
            raise UsageError(f"--{option} needs --method node2vec.")
    if args.edges == "-":
        raise UsageError("edges are read from a file, not from standard input.")
    _console.check_source(args.edges)
    _console.check_destination(args.output, option="-o")
    if Path(args.output).suffix.lower() not in ENDINGS:
        raise UsageError(f"-o {args.output}: vectors are written to {', '.join(ENDINGS)}.")
    for option, path in (("-o", args.output), ("--plot", args.plot)):
        if path and _console.same_file(path, args.edges):
            raise UsageError(f"{option} {path}: would overwrite the edges.")
    if args.plot and _console.same_file(args.output, args.plot):
        raise UsageError(f"--plot {args.plot}: is where -o puts the vectors.")
    _console.check_picture(args.plot, option="--plot")


def _check_names(output: str, graph: Graph) -> None:
    """Refuse names that the output cannot hold before the time for training is spent."""
    from diptych import io

    if Path(output).suffix.lower() in TEXTS:
        try:
            io.word2vec_names(graph.node_names.tolist())
        except ValueError as error:
            instead = Path(output).with_suffix(".npz")
            raise DataError(f"-o {output}: {error} Here: -o {instead}") from None


def _model(args: argparse.Namespace) -> DeepWalk | Node2Vec:
    from diptych.estimators import embedding

    same: dict[str, Any] = {
        "dimensions": args.dimensions,
        "walk_length": args.walk_length,
        "walks_per_node": args.walks_per_node,
        "window": args.window,
        "negative": args.negative,
        "epochs": args.epochs,
        "learning_rate": args.learning_rate,
        "random_state": args.seed,
        "n_jobs": args.n_jobs,
        "backend": args.backend,
    }
    if args.method == "deepwalk":
        return embedding.DeepWalk(**same)
    return embedding.Node2Vec(**same, p=args.p or 1.0, q=args.q or 1.0)


def _facts(
    args: argparse.Namespace, graph: Graph, titles: list[str] | None, model: Any, seconds: float
) -> dict[str, Any]:
    return {
        "nodes": graph.n_nodes,
        "edges": graph.n_edges,
        "directed": graph.directed,
        "header": titles,
        "method": args.method,
        "params": {k: v for k, v in model.get_params().items() if k not in ("n_jobs", "verbose", "backend")},
        "losses": model.losses_.tolist(),
        "seconds": round(seconds, 6),
        "output": args.output,
    }
