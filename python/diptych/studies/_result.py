"""What a study returns."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any, Protocol


class Display(Protocol):
    """A picture of a study: draws when asked."""

    figure_: Any

    def plot(self) -> Any:
        """Draw, and keep ``figure_``."""

    def animate(self, path: str) -> None:
        """Write a moving picture (gif)."""


@dataclass(frozen=True)
class StudyResult:
    """The answer of a study, by numbers and by a picture.

    Attributes
    ----------
    name : str
        The study's name in `diptych.studies`.
    question : str
        What a learner asked.
    law : str
        The statement that the run shows.
    holds : bool
        Whether this run obeyed the law.
    numbers : dict
        What was counted or measured.
    display : Display
        ``display.plot()`` draws it, ``display.animate("steps.gif")`` lets it move.
    """

    name: str
    question: str
    law: str
    holds: bool
    numbers: dict[str, Any]
    display: Display

    def __str__(self) -> str:
        width = max(map(len, self.numbers))
        lines = [f"  {key.replace('_', ' '):{width}}  {value}" for key, value in self.numbers.items()]
        verdict = "holds in this run" if self.holds else "BROKEN in this run"
        law = textwrap.fill(f"law ({verdict}): {self.law}", 100)
        return "\n".join([self.question, "", *lines, "", law])
