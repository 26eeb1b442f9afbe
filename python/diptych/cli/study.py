"""``diptych study``: answer a question by a run."""

from __future__ import annotations

import argparse
from typing import Any

from diptych.cli import _console
from diptych.cli._arguments import whole_number
from diptych.cli._console import UsageError


def add_parser(commands: Any) -> None:
    """Add this command to the parser."""
    parser = commands.add_parser(
        "study",
        help="answer a question by a run; without a name, list the questions",
        description="Run a study: a question, the numbers that answer it, and the law they show.",
        allow_abbrev=False,
    )
    parser.add_argument("name", nargs="?", help="the study; none lists them")
    parser.add_argument(
        "-o", "--output", metavar="PICTURE", help="draw it: png, pdf or svg, or gif for an animation"
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.add_argument("--seed", type=whole_number, help="seed of the run (else that of the study)")
    parser.add_argument(
        "--atis", metavar="FOLDER", help="lstm_or_transformer tags ATIS as well, which takes some minutes"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List the studies, or run one."""
    from diptych.studies import STUDIES

    if args.name is None:
        questions = {name: (study.__doc__ or "").splitlines()[0] for name, study in STUDIES.items()}
        if args.json:
            _console.write_json(questions)
        else:
            print("\n".join(f"{name}  {question}" for name, question in questions.items()))
        return 0
    if args.name not in STUDIES:
        raise UsageError(f"there is no study {args.name!r}; there are: {', '.join(STUDIES)}.")
    _console.check_picture(args.output, option="-o", moving=True)
    options = {name: value for name, value in (("rng", args.seed), ("atis", args.atis)) if value is not None}
    if args.atis is not None and args.name != "lstm_or_transformer":
        raise UsageError(f"--atis: {args.name} does not read ATIS; lstm_or_transformer does.")
    result = STUDIES[args.name](**options)
    if args.json:
        facts = {"name": result.name, "question": result.question, "law": result.law, "holds": result.holds}
        _console.write_json({**facts, "numbers": result.numbers})
    else:
        print(result)
    if args.output and args.output.lower().endswith(".gif"):
        result.display.animate(args.output)
    elif args.output:
        result.display.plot().figure_.savefig(args.output, dpi=150)
    return 0 if result.holds else 1
