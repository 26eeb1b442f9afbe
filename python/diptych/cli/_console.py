"""Where the commands speak: results on standard output or a file, messages on standard error."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, TextIO

from diptych import _progress

BAR_DELAY_SECONDS = 1.0  # work shorter than this shows no bar


class UsageError(Exception):
    """The arguments contradict each other, or name a file that cannot be: exit code 2."""


def message(text: str) -> None:
    """Write one line to standard error."""
    print(f"diptych: {text}", file=sys.stderr)


def check_source(path: str) -> None:
    """Refuse an input that cannot be read."""
    if path == "-":
        return
    if not path:
        raise UsageError("the input is '': name a file, or - for standard input.")
    if not Path(path).exists():
        raise UsageError(f"there is no file {path}.")
    if Path(path).is_dir():
        raise UsageError(f"{path} is a folder.")


def check_destination(path: str | None, *, option: str) -> None:
    """Refuse a destination that cannot be written before the work starts, not after it."""
    if path is None or path == "-":
        return
    if not path:
        raise UsageError(f"{option} '': name a file.")
    folder = Path(path).parent
    if not folder.is_dir():
        raise UsageError(f"{option} {path}: there is no folder {folder}.")
    if Path(path).is_dir():
        raise UsageError(f"{option} {path}: is a folder.")


def check_picture(path: str | None, *, option: str, moving: bool = False) -> None:
    """Refuse a picture that cannot be drawn, or not to such a file, before the work starts.

    Where `moving` pictures can be made, they end in gif, whatever matplotlib writes of still ones.
    """
    if path is None:
        return
    check_destination(path, option=option)
    if path == "-":
        raise UsageError(f"{option} -: a picture goes to a file, not to standard output.")
    from diptych.plot import import_matplotlib

    import_matplotlib().use("Agg")  # a command draws to files; it needs no window system
    from matplotlib.backend_bases import FigureCanvasBase

    endings = {*FigureCanvasBase.get_supported_filetypes(), *(["gif"] if moving else [])}
    if Path(path).suffix[1:].lower() not in endings:
        known = ", ".join(f".{ending}" for ending in sorted(endings))
        raise UsageError(f"{option} {path}: pictures end in {known}.")


def same_file(one: str, other: str) -> bool:
    """Tell whether two paths lead to the same file, by links of either kind too."""
    if Path(one).exists() and Path(other).exists():
        return os.path.samefile(one, other)
    return Path(one).resolve() == Path(other).resolve()


@contextmanager
def result_stream(path: str | None) -> Iterator[TextIO]:
    """Give standard output, or the file the user named."""
    if path is None or path == "-":
        yield sys.stdout
    else:
        with Path(path).open("w", encoding="utf-8", newline="") as stream:
            yield stream


def write_json(value: dict[str, Any], path: str | None = None) -> None:
    """Write one JSON object and a newline."""
    with result_stream(path) as stream:
        json.dump(value, stream)
        stream.write("\n")


def progress_bar(title: str) -> AbstractContextManager[None]:
    """Show a bar on a terminal for work longer than a second, if tqdm is there."""
    wanted = sys.stderr.isatty() and importlib.util.find_spec("tqdm") is not None
    return _progress.bar(title, wanted=wanted, delay=BAR_DELAY_SECONDS)


def table(header: list[str], rows: list[list[str]], *, right: int) -> str:
    """Columns of equal width; the last `right` of them aligned to the right."""
    lines = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    sides = "<" * (len(header) - right) + ">" * right

    def laid_out(line: list[str]) -> str:
        cells = zip(line, sides, widths, strict=True)
        return "  ".join(f"{cell:{side}{width}}" for cell, side, width in cells).rstrip()

    return "\n".join([laid_out(header), laid_out(["-" * width for width in widths]), *map(laid_out, rows)])


def duration(seconds: float) -> str:
    """Three significant digits with a unit."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{seconds * 1e3:.3g} ms"
