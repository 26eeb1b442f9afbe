"""Why two nodes are similar along a meta-path: counts, shares of the middle nodes, example paths by name."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diptych.graph import HeteroGraph, MetaPath


class ExamplePath(NamedTuple):
    """A path from one node to another.

    Attributes
    ----------
    nodes : tuple
        The name of each node it passes.
    through : hashable
        The name of the one in the middle.
    weight : int or float
        The product of the weights of its edges: how many paths it stands for.
    """

    nodes: tuple[Any, ...]
    through: Any
    weight: Any

    def __str__(self) -> str:
        words = list(map(str, self.nodes))
        joint = " – " if any(" " in word for word in words) else "–"
        times = "" if self.weight == 1 else f" (× {self.weight})"
        return f"{joint.join(words)}, through {self.through}{times}"


@dataclass(frozen=True)
class Explanation:
    """Why two nodes are similar; made by :meth:`diptych.PathSim.explain`, and printed in words.

    Attributes
    ----------
    x, y : hashable
        The names of the two nodes.
    metapath : MetaPath
        The round trip along which they are compared.
    score : float
        ``2 * M_xy / (M_xx + M_yy)``, or 0 where x or y has no path.
    M_xy, M_xx, M_yy : int or float
        How many paths lead from x to y, from x to x and from y to y, or how much they weigh.
    shares : tuple of (name, int or float)
        For each middle node that both reach, how much of ``M_xy`` passes it: the paths from x to it times
        those from y to it. The greatest come first, equal ones in the order of the graph. Counts sum to
        ``M_xy`` exactly. Of weights each is a product rounded once, and ``M_xy`` is their sum in the order of
        the graph's nodes; in the order here a sum may differ in its last bits.
    paths : tuple of ExamplePath
        At most `limit` paths from x to y: one through each middle node in the order of `shares`, then a
        second through each, and so on.
    limit : int
        How many shares and paths are printed.
    """

    x: Any
    y: Any
    metapath: MetaPath
    score: float
    M_xy: Any
    M_xx: Any
    M_yy: Any
    shares: tuple[tuple[Any, Any], ...]
    paths: tuple[ExamplePath, ...]
    limit: int

    def __repr__(self) -> str:
        middle = self.metapath.types[len(self.metapath.steps) // 2]
        lines = [
            f"{self.x} and {self.y}: PathSim {self.score:.4f} along {self.metapath}",
            f"  2 · M_xy / (M_xx + M_yy) = 2 · {self.M_xy:,} / ({self.M_xx:,} + {self.M_yy:,})",
        ]
        if not self.shares:
            return "\n".join([*lines, f"  no {middle} is reached by both"])
        width = max(len(str(name)) for name, _ in self.shares[: self.limit])
        lines.append(f"  M_xy by {middle}:")
        for name, share in self.shares[: self.limit]:
            lines.append(f"    {name!s:<{width}}  {share:,} ({share / self.M_xy:.1%})")
        if len(self.shares) > self.limit:
            lines.append(f"    and {len(self.shares) - self.limit:,} more")
        return "\n".join([*lines, "  for example:", *(f"    {path}" for path in self.paths)])


def explained(
    graph: HeteroGraph, metapath: MetaPath, W: Any, nodes: tuple[int, int], score: float, limit: int
) -> Explanation:
    """Return why two nodes are similar.

    Parameters
    ----------
    graph : HeteroGraph
        The graph.
    metapath : MetaPath
        A round trip.
    W : csr_array of shape (n, m)
        The commuting matrix of its half.
    nodes : (int, int)
        The rows of the two nodes.
    score : float
        How similar they are.
    limit : int
        How many paths to name.
    """
    half = metapath.half
    (in_x, of_x), (in_y, of_y) = (_row(W, node) for node in nodes)
    both, at_x, at_y = np.intersect1d(in_x, in_y, assume_unique=True, return_indices=True)
    products = of_x[at_x] * of_y[at_y]  # as M_xx and M_yy fit in 62 bits, so do they and their sum
    kept = products > 0  # a weight may underflow
    middle, products = both[kept], products[kept]
    ranked = np.argsort(-products, kind="stable")
    names = [graph.nodes[kind] for kind in half.types]
    relations = graph.relations_along(half)
    there, back = (_HalfPaths(relations, node) for node in nodes)
    streams = (_round_trips(there, back, names, t) for t in middle[ranked[:limit]].tolist())
    x, y = names[0][list(nodes)].tolist()
    return Explanation(
        x=x,
        y=y,
        metapath=metapath,
        score=score,
        M_xy=_sum(products),
        M_xx=_sum(of_x * of_x),
        M_yy=_sum(of_y * of_y),
        shares=tuple(zip(names[-1][middle[ranked]].tolist(), products[ranked].tolist(), strict=True)),
        paths=tuple(_in_turns(deque(streams), limit)),
        limit=limit,
    )


def _row(A: Any, row: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the columns and the entries of a row of a CSR matrix."""
    entries = slice(A.indptr[row], A.indptr[row + 1])
    return A.indices[entries], A.data[entries]


def _sum(values: NDArray[Any]) -> Any:
    """Return a sum in the order given; NumPy's own adds floats in pairs."""
    return np.cumsum(values)[-1].item() if len(values) else 0


class _HalfPaths:
    """The half paths from a node, to be walked back from any middle node: all ways back lead to the node.

    Parameters
    ----------
    relations : list of csr_array
        The relations along the half path.
    node : int
        The row that it begins at.
    """

    def __init__(self, relations: list[Any], node: int) -> None:
        self.ways_back: list[Any] = []  # of each relation: its rows that can be reached, by columns
        self.rows = [np.array([node])]
        for A in relations:
            self.ways_back.append(A[self.rows[-1]].tocsc())
            self.rows.append(np.flatnonzero(np.diff(self.ways_back[-1].indptr)))

    def ending_at(self, end: int, stage: int | None = None) -> Iterator[tuple[tuple[int, ...], Any]]:
        """Yield the half paths that end at a middle node, or at one of some stage, as rows and a weight."""
        stage = len(self.ways_back) if stage is None else stage
        if stage == 0:
            yield (end,), 1
            return
        A, rows = self.ways_back[stage - 1], self.rows[stage - 1]
        for at in range(A.indptr[end], A.indptr[end + 1]):
            weight = A.data[at].item()
            for path, its_weight in self.ending_at(int(rows[A.indices[at]]), stage - 1):
                yield (*path, end), its_weight * weight


def _round_trips(
    there: _HalfPaths, back: _HalfPaths, names: list[NDArray[Any]], middle: int
) -> Iterator[ExamplePath]:
    """Yield paths from one node to the other through a middle node."""
    for from_x, weight_x in there.ending_at(middle):
        for from_y, weight_y in back.ending_at(middle):
            half_x, half_y = (
                [own[node : node + 1].tolist()[0] for own, node in zip(names, path, strict=True)]
                for path in (from_x, from_y)
            )
            yield ExamplePath((*half_x, *half_y[-2::-1]), half_x[-1], weight_x * weight_y)


def _in_turns(streams: deque[Iterator[ExamplePath]], limit: int) -> Iterator[ExamplePath]:
    """Yield the first path of each stream, then the second of each, up to a limit."""
    found = 0
    while streams and found < limit:
        stream = streams.popleft()
        path = next(stream, None)
        if path is not None:
            found += 1
            streams.append(stream)
            yield path
