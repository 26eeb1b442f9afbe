"""Estimators in the manner of scikit-learn, standing on the kernels."""

from diptych.estimators.dbscan import DBSCAN
from diptych.estimators.embedding import DeepWalk, Node2Vec
from diptych.estimators.pathsim import PathSim

__all__ = ["DBSCAN", "DeepWalk", "Node2Vec", "PathSim"]
