"""Why two nodes are similar along a meta-path: counts, shares of the middle nodes, example paths by name."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
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
    of_x, of_y = (_row(W, node) for node in nodes)
    products = {t: w * of_y[t] for t, w in of_x.items() if t in of_y}  # t ascending
    shares = {t: product for t, product in products.items() if product > 0}  # a weight may underflow
    ranked = sorted(shares, key=lambda t: -shares[t])
    names = [graph.nodes[kind] for kind in half.types]
    relations = graph.relations_along(half)
    streams = (_round_trips(relations, names, nodes, t, limit) for t in ranked[:limit])
    x, y = names[0][list(nodes)].tolist()
    return Explanation(
        x=x,
        y=y,
        metapath=metapath,
        score=score,
        M_xy=_sum(shares.values()),
        M_xx=_sum(w * w for w in of_x.values()),
        M_yy=_sum(w * w for w in of_y.values()),
        shares=tuple(zip(names[-1][ranked].tolist(), (shares[t] for t in ranked), strict=True)),
        paths=tuple(_in_turns(deque(streams), limit)),
        limit=limit,
    )


def _row(A: Any, row: int) -> dict[int, Any]:
    """Return the entries of a row of a CSR matrix as Python's numbers, which do not overflow."""
    entries = slice(A.indptr[row], A.indptr[row + 1])
    return dict(zip(A.indices[entries].tolist(), A.data[entries].tolist(), strict=True))


def _sum(values: Any) -> Any:
    """Return a sum in the order given; Python's own compensates the rounding of floats."""
    total = 0
    for value in values:
        total = total + value
    return total


def _round_trips(
    relations: list[Any], names: list[NDArray[Any]], nodes: tuple[int, int], middle: int, limit: int
) -> Iterator[ExamplePath]:
    """Yield paths from one node to the other through a middle node."""
    reaching = _reaching(relations, middle)
    there, back = (list(islice(_half_paths(relations, reaching, 0, node), limit)) for node in nodes)
    for from_x, weight_x in there:
        for from_y, weight_y in back:
            half_x, half_y = (
                [own[node : node + 1].tolist()[0] for own, node in zip(names, path, strict=True)]
                for path in (from_x, from_y)
            )
            yield ExamplePath((*half_x, *half_y[-2::-1]), half_x[-1], weight_x * weight_y)


def _reaching(relations: list[Any], middle: int) -> list[NDArray[np.bool_]]:
    """Tell, at each stage of the half path, the nodes from which it can lead to a middle node."""
    stages = [np.arange(relations[-1].shape[1]) == middle]
    for A in reversed(relations):
        stages.insert(0, A @ stages[0].astype(np.float64) > 0)
    return stages


def _half_paths(
    relations: list[Any], reaching: list[NDArray[np.bool_]], stage: int, node: int
) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Yield the half paths that begin at a node of some stage, each as rows and a weight."""
    if stage == len(relations):
        yield (node,), 1
        return
    for following, weight in _row(relations[stage], node).items():
        if reaching[stage + 1][following]:
            for rest, rest_weight in _half_paths(relations, reaching, stage + 1, following):
                yield (node, *rest), weight * rest_weight


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
