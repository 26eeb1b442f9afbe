"""Chains of relations of every shape, dtype and format, and the answers that NumPy gives for them."""

from itertools import pairwise

import numpy as np
from scipy import sparse

WHOLE = (np.bool_, np.int8, np.uint8, np.int16, np.int32, np.int64, np.uint64)
FLOATS = (np.float32, np.float64, np.longdouble)
FORMATS = ("csr", "csc", "coo", "bsr", "dia", "dok", "lil")


def relation(rng, shape, dtype, density=0.3, most=5):
    """Return a matrix with whole entries up to `most`, which any of the dtypes holds exactly."""
    dense = rng.integers(1, most, shape, endpoint=True) * (rng.random(shape) < density)
    return sparse.csr_array(dense.astype(dtype))


def chain(rng, sizes, dtypes, formats=("csr",), density=0.3):
    return [
        relation(rng, shape, dtypes[rng.integers(len(dtypes))], density).asformat(
            formats[rng.integers(len(formats))]
        )
        for shape in pairwise(sizes)
    ]


def plain_product(relations):
    """Return the product of the relations cast to the dtype of the result, by SciPy."""
    whole = all(A.dtype.kind in "biu" for A in relations)
    product, *rest = (sparse.csr_array(A).astype(np.int64 if whole else np.float64) for A in relations)
    for A in rest:
        product = product @ A
    return product


def plain_scores(relations, queries=slice(None)):
    """Return rows of scores, dense; for counts below 2**53, whose quotient NumPy rounds correctly."""
    W = plain_product(relations).toarray()
    M, d = W[queries] @ W.T, (W * W).sum(axis=1)
    return np.divide(2.0 * M, d[queries][:, None] + d, out=np.zeros(M.shape), where=M > 0)


def plain_best(rows, k, queries, include_self=False):
    """Return indices and scores of the best k, by sorting the row of scores of each query."""
    indices, best = np.full((len(queries), k), -1), np.zeros((len(queries), k))
    for i, x in enumerate(queries):
        row = rows[i].copy()
        if not include_self:
            row[x] = 0.0
        order = np.lexsort((np.arange(len(row)), -row))[:k]
        order = order[row[order] > 0]
        indices[i, : len(order)], best[i, : len(order)] = order, row[order]
    return indices, best
