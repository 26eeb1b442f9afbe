"""The command line: ``diptych COMMAND``, or ``python -m diptych COMMAND``.

Results go to standard output or to ``-o``, messages to standard error. Exit codes: 0 done, 1 bad data or
a check that failed, 2 wrong usage, 130 interrupted, 141 the reader of standard output went away.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence

from diptych.cli import check, cluster, demo, doctor, embed, exercise, similar, study, tag
from diptych.cli._console import UsageError, message

__all__ = ["build_parser", "main"]

COMMANDS = (cluster, embed, similar, tag, demo, study, check, exercise, doctor)

BAD_DATA, WRONG_USAGE, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="diptych",
        description="Machine learning in two panels: a NumPy reference to read and Rust kernels to use.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        The words after ``diptych``; those of the process when not given.

    Returns
    -------
    int
        0 done, 1 bad data or a failed check, 2 wrong usage, 130 interrupted, 141 broken pipe.
    """
    parser = build_parser()
    parsed = parser.parse_args(arguments)
    if parsed.version:
        import diptych

        print(f"diptych {diptych.__version__}")
        return 0
    if not hasattr(parsed, "run"):
        parser.print_help(sys.stderr)
        return WRONG_USAGE
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda text, *_rest, **_named: message(f"warning: {text}")
            code: int = parsed.run(parsed)
        sys.stdout.flush()
        return code
    except UsageError as error:
        message(str(error))
        return WRONG_USAGE
    except KeyboardInterrupt:
        message("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes standard output once more when it ends; that must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (
        ValueError, TypeError, ArithmeticError, OSError, MemoryError, ImportError, RuntimeError,
    ) as error:  # fmt: skip
        message(" ".join(str(error).split()) or type(error).__name__)
        return BAD_DATA
