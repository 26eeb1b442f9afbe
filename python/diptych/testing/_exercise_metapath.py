"""Stubs to fill in for the functions of meta-paths."""

from __future__ import annotations

_FILE = '''\
"""Exercise: {title}.

Check what you have written, as often as you like:

    diptych check metapath.{name} {file}:{name}
"""

import numpy as np
import scipy.sparse


def {signature}:
    """{text}
    """
    raise NotImplementedError("write me")
'''

_COMMUTING = """Count the paths along relations, from each node of the first type to each of the last.

    A path takes an entry that is not 0 from each relation in turn, where the column of one is the row of the
    next. It weighs the product of its entries; for entries of 1 the sum over paths is their number.

    Parameters
    ----------
    relations : list of scipy.sparse CSR arrays
        Of shapes (n_0, n_1), (n_1, n_2), ...; integers, booleans or floats, not negative. Entries stored
        twice add up.

    Returns
    -------
    counts : scipy.sparse array or ndarray of shape (n_0, n_l)
        int64, or float64 where any relation holds floats.

    Hints
    -----
    1. Which operation on two matrices sums products over what lies in between?
    2. What is True + True in a matrix of booleans? And 100 + 100 in one of int8?
    3. What does NumPy give for 2**62 + 2**62 in int64? What would you rather have?
    4. Does it matter which two neighbours of the chain you multiply first? For the result? For the time?"""

_HALF = """half_path : list of scipy.sparse CSR arrays
        The relations from the type that is compared to the type in the middle. W is their product, and
        M = W W^T counts the round trips, there and back the same way."""

_PATHSIM = f"""Score all pairs of nodes: s(x, y) = 2 M[x, y] / (M[x, x] + M[y, y]), and 0 without paths.

    Parameters
    ----------
    {_HALF}

    Returns
    -------
    scores : scipy.sparse array or ndarray of shape (n, n)

    Hints
    -----
    1. What is M[x, x] in terms of the row W[x]? And M[x, y] of two rows?
    2. What is 0 / 0? What should a node score that has no path at all?
    3. Two nodes with the same row of W: what do they score? And if one row is twice the other?
    4. Can two nodes score high whose rows have no column in common, though they play the same part?

    Further: add `threshold=0.0` or `n_jobs=None` to the parameters and the laws about them are tried as well.
    Scores below the threshold are then left out."""

_TOP_K = f"""Find the k nodes most similar to each node, by s(x, y) = 2 M[x, y] / (M[x, x] + M[y, y]).

    Parameters
    ----------
    {_HALF}
    k : int
        How many; at least 1.

    Returns
    -------
    indices : ndarray of shape (n, k), int
        The highest scores first, of equal scores the lower number first. Only scores above 0 count, and not
        the node itself. -1 where there are no more.
    scores : ndarray of shape (n, k)
        0 where there are no more.

    Hints
    -----
    1. Which order does `np.argsort` leave ties in? What do you sort by to have both rules at once?
    2. Are the nodes with the greatest M[x, y] those with the greatest score?
    3. Do you need all of M at once? How large is it for 30000 nodes?

    Further: add `queries=None`, `include_self=False` or `n_jobs=None` to the parameters and the laws about
    them are tried as well."""

_PAIRS = f"""Score chosen pairs of nodes: s(x, y) = 2 M[x, y] / (M[x, x] + M[y, y]), and 0 without paths.

    Parameters
    ----------
    {_HALF}
    left, right : ndarrays of shape (m,), int
        The two nodes of each pair.

    Returns
    -------
    scores : ndarray of shape (m,)

    Hints
    -----
    1. Which rows of W does a pair need? What would it cost to build all of M first?
    2. How do you multiply two sparse matrices entry by entry, and sum each row?
    3. What does a node score with itself? Always?"""

_PARTS = {
    "commuting_matrix": ("paths along relations", "commuting_matrix(relations)", _COMMUTING),
    "pathsim": ("PathSim of all pairs", "pathsim(half_path)", _PATHSIM),
    "pathsim_top_k": ("the most similar nodes", "pathsim_top_k(half_path, k)", _TOP_K),
    "pathsim_pairs": ("PathSim of some pairs", "pathsim_pairs(half_path, left, right)", _PAIRS),
}

TEXTS = {
    f"metapath.{name}": _FILE.format(title=title, name=name, signature=signature, text=text, file="{file}")
    for name, (title, signature, text) in _PARTS.items()
}
