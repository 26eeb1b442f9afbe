"""How good vectors of nodes are, and tags of words, by published protocols."""

from diptych.evaluation._chunks import ChunkScores, SlotScores, chunk_scores
from diptych.evaluation._links import LinkSplit, link_prediction_auc, link_prediction_split
from diptych.evaluation._nodes import F1, node_classification
from diptych.evaluation._reconstruction import reconstruction_precision

__all__ = [
    "F1",
    "ChunkScores",
    "LinkSplit",
    "SlotScores",
    "chunk_scores",
    "link_prediction_auc",
    "link_prediction_split",
    "node_classification",
    "reconstruction_precision",
]
