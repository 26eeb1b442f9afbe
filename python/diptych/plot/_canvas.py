"""What all pictures share: axes, colours, projection, legends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

NOISE_COLOUR = "#9a9a9a"
GUIDE_COLOUR = "#c2410c"
LEGEND_CLUSTERS = 10  # more than these are counted and not named
# Okabe and Ito's palette, told apart by colour-blind readers; black and yellow left out.
BASE_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9")


def import_matplotlib() -> Any:
    """Return the matplotlib module.

    Raises
    ------
    ImportError
        With the command that installs it.
    """
    try:
        import matplotlib
    except ImportError:
        raise ImportError("drawing needs matplotlib: pip install 'diptych[plot]'") from None
    return matplotlib


def axes_to_draw_on(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Return the axes given, or those of a new figure."""
    import_matplotlib()
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]


def cluster_colours(n_clusters: int) -> NDArray[np.float64]:
    """Return one RGB colour for each cluster: a fixed palette first, then hues a golden angle apart.

    Parameters
    ----------
    n_clusters : int
        How many colours.

    Returns
    -------
    ndarray of shape (n_clusters, 3)
        Values in [0, 1]. A cluster has the same colour whatever the number of clusters.
    """
    import_matplotlib()
    from matplotlib.colors import hsv_to_rgb, to_rgb

    colours = [to_rgb(colour) for colour in BASE_COLOURS[:n_clusters]]
    for extra in range(n_clusters - len(colours)):
        hue = (0.1 + extra * 0.61803398875) % 1.0
        colours.append(tuple(hsv_to_rgb((hue, (0.75, 0.5)[extra % 2], (0.75, 0.9)[extra // 2 % 2]))))
    return np.array(colours, dtype=np.float64).reshape(n_clusters, 3)


def project(X: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Bring points to two dimensions: as they are, or onto the two directions of largest variance.

    Parameters
    ----------
    X : array-like of shape (n, d)
        The points.

    Returns
    -------
    points : ndarray of shape (n, 2)
        The points to draw.
    shares : ndarray of shape (2,), or None
        The share of the variance along each axis; None where nothing was projected.
    """
    X = np.asarray(X, dtype=np.float64)
    n, d = X.shape
    if d <= 2:
        return np.hstack([X, np.zeros((n, 2 - d))]), None
    centred = X - X.mean(axis=0)
    scale = np.abs(centred).max() or 1.0  # squares of very large or small numbers stay finite
    variances, directions = np.linalg.eigh((centred / scale).T @ (centred / scale))
    axes = directions[:, [-1, -2]]
    axes *= np.where(axes[np.abs(axes).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)  # the sign is free: fix it
    total = variances.sum() or 1.0
    return centred @ axes, np.maximum(variances[[-1, -2]], 0.0) / total


def component_labels(shares: NDArray[np.float64] | None) -> tuple[str, str]:
    """Return names for the axes that `project` made."""
    if shares is None:
        return "", ""
    return f"component 1 ({shares[0]:.0%} of the variance)", f"component 2 ({shares[1]:.0%})"


def mark_area(n: int) -> float:
    """Return an area for each of n marks, in square points, that leaves them apart and visible."""
    return float(np.clip(40_000 / max(n, 1), 0.7, 28.0))


def legend_mark(label: str, colour: Any, **style: Any) -> Line2D:
    """Return an entry for a legend."""
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="none", markersize=6, color=colour, label=label, **style)


def legend_beside(ax: Axes, marks: list[Line2D]) -> None:
    """Put a legend to the right of the picture."""
    ax.legend(handles=marks, fontsize="small", loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)


def dense_points(X: Any) -> NDArray[Any]:
    """Return points as an array, unless they are sparse."""
    if hasattr(X, "toarray"):
        raise TypeError("a sparse X is not drawn; pass the points to draw, for example X.toarray().")
    return np.asarray(X)
