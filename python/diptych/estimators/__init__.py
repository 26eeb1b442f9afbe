"""Estimators in the manner of scikit-learn, standing on the kernels."""

from diptych.estimators.dbscan import DBSCAN

__all__ = ["DBSCAN"]
