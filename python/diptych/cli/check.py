"""``diptych check``: try the laws of a function on anybody's code."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from diptych.cli import _console
from diptych.cli._console import UsageError


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "check",
        help="try the laws of a function on your own code",
        description="Try each law on your function and show the first that breaks, with the smallest input "
        "found. Your file is run, as python would run it.",
        epilog="example: diptych check clustering.dbscan my_file.py:my_dbscan",
        allow_abbrev=False,
    )
    parser.add_argument("name", help="which function it is meant to be, such as clustering.dbscan")
    parser.add_argument(
        "implementation", metavar="FILE.py:FUNCTION", help="your function; package.module:FUNCTION works too"
    )
    parser.add_argument("--strict", action="store_true", help="try the laws that fix rounding too")
    parser.add_argument("--examples", type=int, default=40, help="inputs for each law (40)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the inputs (0)")
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Load the function, try the laws, print the report."""
    from diptych import testing

    if args.name not in testing.names():
        raise UsageError(f"there are no laws of {args.name!r}; there are: {', '.join(testing.names())}.")
    function = load_function(args.implementation)
    report = testing.check(function, args.name, seed=args.seed, examples=args.examples, strict=args.strict)
    if args.json:
        _console.write_json(report.as_dict())
    else:
        print(report)
    return 0 if report.passed else 1


def load_function(where: str) -> Callable[..., Any]:
    """Import ``FILE.py:FUNCTION`` or ``package.module:FUNCTION``.

    Parameters
    ----------
    where : str
        The file or module, a colon, the name.

    Returns
    -------
    callable
    """
    place, colon, name = where.rpartition(":")
    if not (colon and place and name):
        raise UsageError(f"{where!r}: write FILE.py:FUNCTION.")
    module = _load_file(Path(place)) if place.endswith(".py") else _import(place)
    function: Callable[..., Any] | None = getattr(module, name, None)
    if not callable(function):
        raise UsageError(f"{place} has no function {name!r}.")
    return function


def _import(name: str) -> Any:
    missing = UsageError(f"there is no module {name}, and a file has to end in .py.")
    if name.startswith("."):
        raise missing
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if f"{name}.".startswith(f"{error.name}."):
            raise missing from None
        raise  # the module is there, and what it imports is not


def _load_file(path: Path) -> Any:
    if not path.is_file():
        raise UsageError(f"there is no file {path}.")
    sys.path.insert(0, str(path.resolve().parent))  # as python does: a file may import its neighbours
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None  # the name ends in .py
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ImportError(f"{path} does not run: {type(error).__name__}: {error}") from error
    return module
