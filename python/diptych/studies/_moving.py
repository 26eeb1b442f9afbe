"""How pictures of studies move."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure


def write_gif(
    figure: Figure,
    draw: Callable[[int], None],
    frames: Sequence[int],
    path: str,
    *,
    pace: int,
    dots: int = 80,
) -> None:
    """Write a gif of a figure that is drawn anew for each frame, and close the figure.

    Parameters
    ----------
    figure : matplotlib Figure
        What to write.
    draw : callable
        Draws frame i.
    frames : sequence of int
        What to draw; the last is held for a second.
    path : str
        Where to write it.
    pace : int
        Frames for each second.
    dots : int
        Dots an inch.
    """
    import matplotlib.pyplot as plt
    from matplotlib.animation import FuncAnimation, PillowWriter

    def frame(number: int) -> list[Artist]:
        draw(number)
        return []

    shown = [*frames, *[frames[-1]] * pace]
    moving = FuncAnimation(figure, frame, frames=shown, blit=False)
    moving.save(path, writer=PillowWriter(fps=pace), dpi=dots)
    plt.close(figure)


class MovingDisplay(ABC):
    """A picture that is drawn anew for each frame, of which the last shows all."""

    figure_: Figure
    _pace: ClassVar[int]  # frames for each second of the animation
    _dots: ClassVar[int] = 80  # its dots an inch

    def plot(self) -> Self:
        """Draw all.

        Returns
        -------
        Self
            This display, with ``axes_`` and ``figure_``.
        """
        self._open()
        self._draw(self._frames()[-1])
        return self

    def animate(self, path: str) -> None:
        """Write a gif of all frames.

        Parameters
        ----------
        path : str
            Where to write it.
        """
        self._open()
        write_gif(self.figure_, self._draw, self._frames(), path, pace=self._pace, dots=self._dots)

    @abstractmethod
    def _open(self) -> None:
        """Make ``figure_`` and ``axes_``."""

    @abstractmethod
    def _frames(self) -> Sequence[int]:
        """Return the numbers of the frames."""

    @abstractmethod
    def _draw(self, until: int) -> None:
        """Draw a frame."""
