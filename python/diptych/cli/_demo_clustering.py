"""The rows of the demo that belong to clustering."""

from __future__ import annotations

from typing import Any

import numpy as np

from diptych import datasets
from diptych.cli._demo_row import Comparison, Row, run_both


def _dbscan(X: Any, eps: float, **parameters: Any) -> Comparison:
    from diptych import kernels, reference

    return run_both(
        lambda: reference.clustering.dbscan(X, eps, **parameters),
        lambda: kernels.clustering.dbscan(X, eps, **parameters),
    )


def _purity(labels: Any, y: Any, classes: str) -> str:
    """Count the clusters, and the share of their points that belong to their cluster's commonest class."""
    clustered = labels >= 0
    n_clusters = int(labels.max(initial=-1)) + 1
    majority = sum(np.bincount(y[labels == k]).max() for k in range(n_clusters))
    share = majority / max(np.count_nonzero(clustered), 1)
    return f"{n_clusters} clusters, {share:.1%} pure by {classes}, {np.mean(~clustered):.0%} noise"


def _draw_clusters(part: Any, X: Any, core: Any, labels: Any, title: str) -> None:
    from diptych.plot import DBSCANDisplay

    DBSCANDisplay.from_labels(X, core, labels, title=title).plot(part.subplots())


def iris() -> Row:
    """DBSCAN on 150 iris flowers in four dimensions."""
    X, y, _ = datasets.load_iris()
    panels = _dbscan(X, 0.4)
    core, labels = panels.answer
    return Row(
        "iris, 150 × 4",
        "dbscan eps=0.4",
        _purity(labels, y, "species"),
        panels,
        draw=lambda part: _draw_clusters(part, X, core, labels, "Iris flowers"),
    )


def digits() -> Row:
    """DBSCAN on 1,797 handwritten digits, each a point in 64 dimensions."""
    X, y, _ = datasets.load_digits()
    panels = _dbscan(X, 20.5)
    core, labels = panels.answer

    def draw(part: Any) -> None:
        left, right = part.subfigures(1, 2, width_ratios=(1.6, 1.0))
        _draw_clusters(left, X, core, labels, "Handwritten digits")
        n_clusters = int(labels.max()) + 1
        side = int(np.ceil(np.sqrt(n_clusters)))
        grid = right.subplots(side, side, squeeze=False)
        right.suptitle("Mean image of each cluster", fontsize="medium")
        for ax in grid.flat:
            ax.set_axis_off()
        for k, ax in zip(range(n_clusters), grid.flat, strict=False):
            members = labels == k
            ax.imshow(X[members].mean(axis=0).reshape(8, 8), cmap="gray_r")
            ax.set_title(f"{np.bincount(y[members]).argmax()} ({members.sum()})", fontsize=7, pad=2)

    return Row("digits, 1,797 × 64", "dbscan eps=20.5", _purity(labels, y, "digit"), panels, draw=draw)


def digits_by_angle() -> Row:
    """DBSCAN on the digits by the angle between them (cosine distance)."""
    X, y, _ = datasets.load_digits()
    panels = _dbscan(X, 0.06, min_samples=15, metric="cosine")
    core, labels = panels.answer
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    return Row(
        "digits, 1,797 × 64",
        "dbscan cosine eps=0.06",
        _purity(labels, y, "digit"),
        panels,
        draw=lambda part: _draw_clusters(part, unit, core, labels, "Digits by angle (rows of length 1)"),
    )


def digits_k_distances() -> Row:
    """k-distances of the digits, the curve that eps is read from."""
    from diptych import kernels, reference
    from diptych.plot import KDistanceDisplay

    X, _, _ = datasets.load_digits()
    panels = run_both(
        lambda: (reference.clustering.k_distances(X, 4),), lambda: (kernels.clustering.k_distances(X, 4),)
    )
    display = KDistanceDisplay(panels.answer[0], 4, eps=20.5)

    def draw(part: Any) -> None:
        display.plot(part.subplots()).ax_.set_title("Digits: distance to the fourth neighbour")

    result = f"bend at {display.elbow_:.1f}"
    return Row("digits, 1,797 × 64", "k_distances k=4", result, panels, draw=draw)


def photo() -> Row:
    """DBSCAN on the colours of a photograph, each weighted by its number of pixels."""
    pixels = datasets.load_photo("china.jpg", step=4)
    colours, which, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    X = colours.astype(np.float64)
    panels = _dbscan(X, 6.0, min_samples=20, sample_weight=counts.astype(np.float64))
    _, labels = panels.answer
    of_pixel = labels[which.reshape(-1)]
    n_clusters = int(labels.max()) + 1

    def draw(part: Any) -> None:
        means = np.array([pixels.reshape(-1, 3)[of_pixel == k].mean(axis=0) for k in range(n_clusters)])
        painted = np.where((of_pixel >= 0)[:, None], means[of_pixel], 255.0).astype(np.uint8)
        titles = ("Photograph (danielbuechele, CC BY)", f"{n_clusters} clusters of colour; noise is white")
        for ax, image, title in zip(
            part.subplots(2, 1), (pixels, painted.reshape(pixels.shape)), titles, strict=True
        ):
            ax.imshow(image)
            ax.set_axis_off()
            ax.set_title(title, fontsize="medium")

    share = float(np.mean(of_pixel < 0))
    return Row(
        f"photo, {len(X):,} colours × 3",
        "dbscan weighted eps=6",
        f"{n_clusters} clusters of colour, {share:.0%} of the pixels noise",
        panels,
        draw=draw,
    )


JOBS = (iris, digits, digits_by_angle, digits_k_distances, photo)
