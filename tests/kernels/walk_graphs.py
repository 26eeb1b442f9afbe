"""Small graphs that expose what walk engines get wrong, and the exact law of a step on them.

The law is Grover and Leskovec's formula over dense matrices; nothing of the project goes into it.
"""

import numpy as np
from scipy.sparse import csr_array
from scipy.stats import chi2

LEAST_EXPECTED = 8  # rarer outcomes are thrown together, so that chi-square holds


def undirected(n, *edges):
    A = np.zeros((n, n))
    for i, j, *weight in edges:
        A[i, j] = A[j, i] = weight[0] if weight else 1.0
    return A


def lollipop():
    """A clique of five with a tail: returning, staying near and going out all happen."""
    clique = [(i, j) for i in range(5) for j in range(i)]
    return undirected(8, *clique, (4, 5), (5, 6), (6, 7))


def weighted_star():
    """A hub that sees its leaves with weights over three decades; two leaves know each other."""
    return undirected(
        7, (0, 1, 0.01), (0, 2, 0.1), (0, 3, 1.0), (0, 4, 3.0), (0, 5, 10.0), (0, 6, 2), (1, 6, 5)
    )


def first_neighbours():
    """Rows where the return edge is first, in the middle and last: a search that spoils one end shows."""
    return undirected(6, (0, 1), (0, 2), (0, 5), (1, 2), (2, 3), (3, 4), (3, 5), (4, 5), (1, 5), (1, 4))


def one_way():
    """Directed, with edges that have no way back, loops and a dead end; unequal weights."""
    A = np.zeros((7, 7))
    A[0, [1, 2, 3]] = 1, 2, 4
    A[1, [0, 2, 1]] = 3, 1, 1
    A[2, [0, 3, 4, 5]] = 0.5, 1, 2, 0.25
    A[3, [3, 1, 0, 5]] = 1, 1, 3, 2
    A[4, [2, 0, 6]] = 1, 5, 0.5
    A[5, [0, 1, 2, 3, 4]] = 1, 2, 3, 4, 5
    return A


def last_edges():
    """The last row is empty and the one before ends the index array: reading past a row's end shows."""
    A = undirected(6, (0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (2, 4), (3, 4), (0, 4))
    A[4, 5] = 1.0
    return A


def heavy_return():
    """Edges whose way back weighs ten thousand times more, or ten thousand times less."""
    A = undirected(5, (0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (0, 4), (1, 4))
    A[0, 1], A[2, 0], A[3, 2] = 1e4, 1e-4, 1e4
    return A


GRAPHS = {make.__name__: make() for make in (
    lollipop, weighted_star, first_neighbours, one_way, last_edges, heavy_return,
)}  # fmt: skip


def sparse(A):
    return csr_array(A)


def first_law(A, v):
    return A[v] / A[v].sum()


def second_law(A, u, v, p, q):
    weight = A[v].copy()
    for x in range(len(A)):
        if x == u:
            weight[x] *= 1 / p
        elif A[u, x] == 0:
            weight[x] *= 1 / q
    return weight / weight.sum()


def p_value(observed, law):
    """Chi-square p-value of counts against probabilities; 0 where something impossible happened."""
    observed, expected = np.asarray(observed, float), law * np.sum(observed)
    if observed[law == 0].any():
        return 0.0
    rare = expected < LEAST_EXPECTED
    cells = [(o, e) for o, e in zip(observed[~rare], expected[~rare], strict=True)]
    if expected[rare].sum() >= LEAST_EXPECTED:
        cells.append((observed[rare].sum(), expected[rare].sum()))
    if len(cells) < 2:
        return 1.0
    return float(chi2.sf(sum((o - e) ** 2 / e for o, e in cells), len(cells) - 1))


def worst_first_step(A, walks):
    """Smallest p-value over the nodes, with Bonferroni's correction; and how many were tried."""
    now, then = walks[:, :-1].ravel(), walks[:, 1:].ravel()
    values = [
        p_value(np.bincount(then[(now == v) & (then >= 0)], minlength=len(A)), first_law(A, v))
        for v in np.flatnonzero(A.sum(1))
    ]
    return min(values) * len(values), len(values)


def worst_second_step(A, walks, p, q):
    """The same for every (previous, present) pair that the graph has."""
    before, now, then = (walks[:, k : walks.shape[1] - 2 + k].ravel() for k in range(3))
    values = [
        p_value(
            np.bincount(then[(before == u) & (now == v) & (then >= 0)], minlength=len(A)),
            second_law(A, u, v, p, q),
        )
        for u, v in np.argwhere(A)
        if A[v].any()
    ]
    return min(values) * len(values), len(values)
