"""What a result of DBSCAN says about its own parameters (Schubert et al. 2017, section 4.3)."""

import numpy as np
from numpy.typing import NDArray

_NEARLY = 0.95


def describe(labels: NDArray[np.intp], core: NDArray[np.intp], eps: float, min_samples: int) -> str:
    """Return the counts in a sentence, and a sentence for each warning sign."""
    n, n_core, n_noise = len(labels), len(core), int((labels < 0).sum())
    sizes = np.bincount(labels[labels >= 0])
    clusters = {0: "no cluster", 1: "1 cluster"}.get(len(sizes), f"{len(sizes)} clusters")
    points = "1 point" if n == 1 else f"{n} points"
    said = [f"{points}: {clusters}; {n_core} core, {n - n_core - n_noise} border, {n_noise} noise."]
    largest = int(sizes.max(initial=0))
    if n_noise >= _NEARLY * n:
        said.append(f"Nearly everything is noise ({n_noise / n:.0%}): eps={eps} may be too small.")
    if largest >= _NEARLY * n:
        said.append(f"Nearly everything is in one cluster ({largest / n:.0%}): eps={eps} may be too large.")
    if n_core >= _NEARLY * n and min_samples > 1:
        said.append(
            f"Nearly every point is core ({n_core / n:.0%}): eps={eps} may be too large for "
            f"min_samples={min_samples}, or the data have no noise."
        )
    if len(said) > 1:
        k = max(1, min_samples - 1)
        said.append(
            f"To choose eps, draw np.sort(diptych.kernels.clustering.k_distances(X, k={k}))\n"
            "with the same metric, and look for its knee."
        )
    return "\n".join(said)
