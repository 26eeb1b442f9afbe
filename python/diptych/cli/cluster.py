"""``diptych cluster``: DBSCAN on a file of points."""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diptych import _validate
from diptych.cli import _console, _tables
from diptych.cli._arguments import n_jobs, positive_int
from diptych.cli._console import UsageError
from diptych.cli._tables import DataError

if TYPE_CHECKING:
    from diptych.estimators.dbscan import DBSCAN

METRICS = ("euclidean", "manhattan", "chebyshev", "minkowski", "cosine", "haversine", "precomputed")
EARTH_RADIUS_METRES = 6_371_008.8  # mean radius, IUGG
METRES = {"km": 1000.0, "m": 1.0}

TABLES = {".csv": ",", ".tsv": "\t"}
ARRAY = ".npy"
# What these endings promise is not written, or only with --json. Any other ending is the user's own.
OTHER_FORMATS = {".npz", ".parquet", ".xlsx", ".h5", ".pkl", ".gz", ".zip", ".png", ".jpg", ".svg", ".pdf"}

EPILOG = """\
examples:
  diptych cluster points.csv --eps 0.3 --min-samples 10 -o labels.csv --plot clusters.png
  diptych cluster stops.csv --columns lat,lon --metric haversine --degrees --eps 50m
  cut -f 2,3 table.tsv | diptych cluster - --eps 2 --json

The result has one line for each point: its cluster (-1 is noise) and its kind (core, border or noise).
"""


def _eps(text: str) -> tuple[float, str]:
    """Return the number and its unit, "" where none is written."""
    unit = next((unit for unit in METRES if text.endswith(unit)), "")
    try:
        value = float(text.removesuffix(unit))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number, nor one with the unit m or km") from None
    if not (value > 0 and math.isfinite(value)):
        raise argparse.ArgumentTypeError(f"{text}: must be a positive finite number")
    return value, unit


def _power(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not value > 0:
        raise argparse.ArgumentTypeError(
            f"{text}: must be positive; inf is the largest coordinate difference"
        )
    return value


def _columns(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(
            f"{text!r}: give names or numbers with commas between, such as lat,lon or 1,2"
        )
    return names


def _delimiter(text: str) -> str:
    mark = "\t" if text in ("\\t", "tab") else text
    if len(mark) != 1 or mark in '#"\r\n':
        raise argparse.ArgumentTypeError(f'{text!r}: must be one character other than # and ", or tab')
    return mark


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "cluster",
        help="find the clusters of a file of points (DBSCAN)",
        description="Find clusters by density: DBSCAN, exact, on all cores.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("points", help="csv, tsv, npy or npz; - is standard input")
    rule = parser.add_argument_group("the clustering")
    rule.add_argument(
        "--eps", type=_eps, required=True, help="radius of a neighbourhood; with haversine also 500m or 2km"
    )
    rule.add_argument(
        "--min-samples",
        type=positive_int,
        default=5,
        help="neighbours, itself included, that make a point core (5)",
    )
    rule.add_argument("--metric", choices=METRICS, default="euclidean", help="distance (euclidean)")
    rule.add_argument("--p", type=_power, help="power of the minkowski metric (2)")
    rule.add_argument(
        "--degrees", action="store_true", help="haversine: latitudes, longitudes and a bare --eps are degrees"
    )
    rule.add_argument("--n-jobs", type=n_jobs, help="threads (all cores)")
    rule.add_argument(
        "--backend", choices=("rust", "reference"), default="rust", help="panel that does the work (rust)"
    )
    table = parser.add_argument_group("the input")
    table.add_argument("--columns", type=_columns, help="columns to use: names, or numbers from 1 (all)")
    table.add_argument(
        "--header", choices=("auto", "yes", "no"), default="auto", help="first row holds names (auto)"
    )
    table.add_argument("--delimiter", type=_delimiter, help="column separator of a text table (found out)")
    table.add_argument("--array", help="which array of an npz file")
    result = parser.add_argument_group("the result")
    result.add_argument(
        "-o",
        "--output",
        help="file for the labels: csv, tsv, or npy (labels only); standard output otherwise",
    )
    result.add_argument("--no-header", action="store_true", help="leave the line of names out")
    result.add_argument("--json", action="store_true", help="write one JSON object in place of the table")
    result.add_argument("--plot", metavar="PICTURE", help="draw the clusters (png, pdf or svg)")
    result.add_argument("--quiet", action="store_true", help="no summary on standard error")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Read, cluster, write."""
    _check(args)
    X = _points(args)
    model = _model(args)
    started = time.perf_counter()
    with _console.progress_bar("diptych cluster"):
        model.fit(X)
    seconds = time.perf_counter() - started
    if not args.quiet:
        _summarise(model, seconds)
    _write(model, X, args, seconds)
    if args.plot:
        from diptych.plot import DBSCANDisplay

        DBSCANDisplay.from_estimator(model, X).plot().figure_.savefig(args.plot, dpi=150)
    return 0


def _check(args: argparse.Namespace) -> None:
    _, unit = args.eps
    if args.metric != "haversine" and (args.degrees or unit):
        raise UsageError(
            f"{'--degrees' if args.degrees else f'a radius in {unit}'} needs --metric haversine."
        )
    if args.p is not None and args.metric != "minkowski":
        raise UsageError("--p needs --metric minkowski.")
    if args.plot and args.metric == "precomputed":
        raise UsageError("--plot needs points; a precomputed metric gives distances only.")
    if args.metric == "haversine" and _radius(args) > math.pi:
        raise UsageError(_too_far(args))
    _console.check_source(args.points)
    _check_results(args)


def _check_results(args: argparse.Namespace) -> None:
    _console.check_destination(args.output, option="-o")
    for option, path in (("-o", args.output), ("--plot", args.plot)):
        if path and args.points != _tables.STDIN and _console.same_file(path, args.points):
            raise UsageError(f"{option} {path}: would overwrite the points.")
    if args.output and args.plot and _console.same_file(args.output, args.plot):
        raise UsageError(f"--plot {args.plot}: is where -o puts the labels.")
    if args.output and _ending(args) in OTHER_FORMATS | ({*TABLES, ARRAY} if args.json else {".json"}):
        written = "one JSON object, to .json" if args.json else "csv, tsv or npy (--json for JSON)"
        raise UsageError(f"-o {args.output}: the labels are written as {written}.")
    _console.check_picture(args.plot, option="--plot")


def _ending(args: argparse.Namespace) -> str:
    return Path(args.output or "").suffix.lower()


def _radius(args: argparse.Namespace) -> float:
    """Return eps in the unit of the points; radians for haversine."""
    value, unit = args.eps
    if unit:
        return float(value * METRES[unit] / EARTH_RADIUS_METRES)
    return math.radians(value) if args.degrees else float(value)


def _too_far(args: argparse.Namespace) -> str:
    value, unit = args.eps
    if unit:
        half = math.pi * EARTH_RADIUS_METRES / METRES[unit]
        return f"--eps {value:g}{unit}: no two places are farther apart than {half:.1f}{unit}."
    if args.degrees:
        return f"--eps {value:g}: degrees, at most 180; a distance takes its unit, such as {value:g}km."
    return f"--eps {value:g}: radians, at most pi; add --degrees, or a unit, such as {value:g}km."


def _points(args: argparse.Namespace) -> Any:
    X = _tables.read_points(
        args.points, columns=args.columns, header=args.header, delimiter=args.delimiter, array=args.array
    )
    if args.plot and _validate.is_sparse(X):
        raise UsageError(f"--plot needs dense points; {_tables.name_of(args.points)} is sparse.")
    return _on_sphere(X, args) if args.metric == "haversine" else X


def _on_sphere(X: Any, args: argparse.Namespace) -> Any:
    """Return latitudes and longitudes in radians."""
    name = _tables.name_of(args.points)
    if _validate.is_sparse(X):
        raise DataError(f"{name} is sparse; latitudes and longitudes are read from a dense table.")
    if X.shape[1] != 2:
        raise DataError(
            f"{name} has {X.shape[1]} columns; haversine takes latitude and longitude: choose them with "
            "--columns."
        )
    places = _validate.points(X)
    if not args.degrees:
        try:
            _validate.check_sphere(places)
        except ValueError:
            raise DataError("the points look like degrees and not like radians: add --degrees.") from None
        return places
    beyond = np.flatnonzero(np.abs(places[:, 0]) > 90.0)
    if beyond.size:
        i, swapped = beyond[0], ",".join(reversed(args.columns or ["1", "2"]))
        raise DataError(
            f"{name}, row {i + 1}: latitude {places[i, 0]} is beyond ±90 degrees; are the columns swapped? "
            f"Then pass --columns {swapped}."
        )
    return np.radians(places)


def _model(args: argparse.Namespace) -> DBSCAN:
    from diptych.estimators.dbscan import DBSCAN

    return DBSCAN(
        eps=_radius(args),
        min_samples=args.min_samples,
        metric=args.metric,
        p=args.p,
        n_jobs=args.n_jobs,
        backend=args.backend,
    )


def _cluster_sizes(labels: np.ndarray[Any, Any]) -> list[int]:
    sizes: list[int] = np.bincount(labels[labels >= 0]).tolist()
    return sizes


def _summarise(model: DBSCAN, seconds: float) -> None:
    counts, *warnings = model.diagnose().splitlines()
    _console.message(f"{counts} {_console.duration(seconds)}")
    for line in warnings:
        _console.message(line)


def _write(model: DBSCAN, X: Any, args: argparse.Namespace, seconds: float) -> None:
    if args.json:
        facts = {
            "points": X.shape[0],
            "columns": X.shape[1],
            "eps": model.eps,
            "min_samples": model.min_samples,
            "metric": model.metric,
            "clusters": len(_cluster_sizes(model.labels_)),
            "cluster_sizes": _cluster_sizes(model.labels_),
            "noise": int(np.count_nonzero(model.labels_ == -1)),
            "seconds": round(seconds, 6),
            "labels": model.labels_.tolist(),
            "core_sample_indices": model.core_sample_indices_.tolist(),
        }
        _console.write_json(facts, args.output)
    elif _ending(args) == ARRAY:
        with Path(args.output).open("wb") as stream:  # given the name, NumPy would write labels.NPY.npy
            np.save(stream, model.labels_)
    else:
        mark = TABLES.get(_ending(args), ",")
        with _console.result_stream(args.output) as stream:
            stream.writelines(
                _tables.label_lines(model.labels_, model.point_kinds_, mark, not args.no_header)
            )
