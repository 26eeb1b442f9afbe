"""Pictures of what an estimator found. Matplotlib is imported when something is drawn, not before.

Each display follows scikit-learn: a class method computes the numbers, ``plot(ax=None)`` draws them and keeps
``ax_`` and ``figure_``.
"""

from diptych.plot._attention import AttentionDisplay
from diptych.plot._canvas import NOISE_COLOUR, cluster_colours, import_matplotlib, project
from diptych.plot._clusters import DBSCANDisplay, KDistanceDisplay
from diptych.plot._embedding import EmbeddingDisplay
from diptych.plot._similar import SimilarNodesDisplay

__all__ = [
    "NOISE_COLOUR",
    "AttentionDisplay",
    "DBSCANDisplay",
    "EmbeddingDisplay",
    "KDistanceDisplay",
    "SimilarNodesDisplay",
    "cluster_colours",
    "import_matplotlib",
    "project",
]
