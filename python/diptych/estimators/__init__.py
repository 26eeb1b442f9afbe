"""Estimators in the manner of scikit-learn, standing on the kernels."""

from diptych.estimators._explanation import ExamplePath, Explanation
from diptych.estimators.dbscan import DBSCAN
from diptych.estimators.embedding import DeepWalk, Node2Vec
from diptych.estimators.pathsim import PathSim
from diptych.estimators.slot_tagger import SlotTagger

__all__ = ["DBSCAN", "DeepWalk", "ExamplePath", "Explanation", "Node2Vec", "PathSim", "SlotTagger"]
