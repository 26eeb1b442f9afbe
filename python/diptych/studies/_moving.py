"""How pictures of studies move."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import Figure


def write_gif(
    figure: Figure, draw: Callable[[int], None], frames: Sequence[int], path: str, *, pace: int
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
    """
    import matplotlib.pyplot as plt
    from matplotlib.animation import FuncAnimation, PillowWriter

    def frame(number: int) -> list[Artist]:
        draw(number)
        return []

    shown = [*frames, *[frames[-1]] * pace]
    FuncAnimation(figure, frame, frames=shown, blit=False).save(path, writer=PillowWriter(fps=pace), dpi=80)
    plt.close(figure)
