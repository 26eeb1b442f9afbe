"""Reference panel: each algorithm as its mathematics, in NumPy, for reading.

The functions have the names, parameters and results of :mod:`diptych.kernels`. They check nothing: give them
arguments that the kernels would accept.
"""

from diptych.reference import attention, clustering, metapath, recurrent, rng, skipgram, walks

__all__ = ["attention", "clustering", "metapath", "recurrent", "rng", "skipgram", "walks"]
