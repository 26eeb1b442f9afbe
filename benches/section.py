"""A section of a run: what measures it, and the table it makes. Nothing here imports NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What the command line asked for."""

    threads: int
    quick: bool
    oracle: bool
    wanted: Callable[[str], bool]
    say: Callable[[str], None]

    @property
    def budget(self) -> float:
        """Seconds of timed runs for one row."""
        return 4.0 if self.quick else 8.0


@dataclass(frozen=True)
class Target:
    """How many times faster than ``peer`` a row must be (bar) and should become (goal); None only informs."""

    peer: str
    bar: float | None = None
    goal: float | None = None


@dataclass(frozen=True)
class Plot:
    """A picture of a section's results, recorded as <stem>-<ending>.png."""

    ending: str
    title: str
    draw: Callable[[list[dict], Path], None]


@dataclass(frozen=True)
class Section:
    """One table.

    ``measure`` names a generator of results, "module:function", which is imported when it is called: NumPy
    may not be loaded before the environment is prepared. It takes the Settings, or, where ``of`` names
    another section, that one's results. ``cells`` turns a result into a line of the table, or into several.
    """

    name: str
    title: str
    heading: str
    cells: Callable[[dict], list[str] | list[list[str]]]
    measure: str
    of: str | None = None
    plot: Plot | None = None

    def results(self, given: Settings | list[dict]) -> Iterable[dict]:
        """Measure."""
        module, _, function = self.measure.partition(":")
        return getattr(import_module(module), function)(given)

    def lines(self, results: Iterable[dict], *, threads: int) -> list[list[str]]:
        """Return the table as rows of cells, the heading first; nothing where there are no results."""
        found: list[list[str]] = []
        for result in results:
            cells = self.cells(result)
            found += cells if isinstance(cells[0], list) else [cells]
        heading = [cell.strip() for cell in self.heading.format(threads=threads).split("|")]
        return [heading, *found] if found else []
