"""The study `pathsim_or_walks`: what does PathSim see that vectors of walks do not, and the other way round.

Two well-known authors of an academic network are asked about twice: who is similar along author-paper-venue-
paper-author, and whose vector, which DeepWalk learnt on the same edges, points most nearly the same way.

- **PathSim** names peers: authors who publish where the author does, about as often. It need not be anyone
  the author ever wrote with. Each score comes with its reasons, counts that sum to it.
- **Walks** name company: those who wrote with the author, and those who wrote with them, whatever their
  visibility. A cosine has no reasons. But walks go on where the meta-path ends: authors without a common
  venue all score 0 and are alike to PathSim, and walks tell them apart.

Neither measures equal roles. The study also asks about A2 and A3 of the graph A2–P3–C1–P1–A1–P2–C2–P4–A3,
which mirror each other and score 0, because no path joins them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from diptych import _validate
from diptych.datasets import load_academic_network
from diptych.estimators import DeepWalk, Explanation, PathSim
from diptych.estimators._nodes import cosines_to, find_node
from diptych.graph import HeteroGraph, MetaPath, as_hetero_graph
from diptych.kernels.metapath import pathsim_pairs
from diptych.studies._pathsim_or_walks_display import PathSimOrWalksDisplay
from diptych.studies._result import StudyResult

__all__ = ["Answers", "PathSimOrWalksDisplay", "Similar", "pathsim_or_walks"]

QUESTION = "What does PathSim see that vectors of walks do not, and what do walks see that PathSim does not?"
LAW = (
    "PathSim's answers are nearer to the author in visibility, and walks' answers have more often worked "
    "with the author; the shares of the middle nodes sum to M_xy and give the score; where the meta-path "
    "ends walks go on: some node that scores 0 is nearer by cosine than one of PathSim's answers; nodes that "
    "mirror each other without a common middle node score 0."
)


@dataclass(frozen=True)
class Similar:
    """An answer.

    Attributes
    ----------
    name : hashable
        Who is said to be similar.
    score : float
        PathSim.
    cosine : float
        Of the vectors.
    together : int
        How many nodes of the second type, papers, the two share.
    visibility : float
        √(M_yy / M_xx): how visible it is along the path, 1 meaning as much as the author.
    """

    name: Any
    score: float
    cosine: float
    together: int
    visibility: float

    def __str__(self) -> str:
        return (
            f"{self.name}: PathSim {self.score:.3f}, cosine {self.cosine:.3f}, {self.together} together, "
            f"visibility × {self.visibility:.2f}"
        )


@dataclass(frozen=True)
class Answers:
    """What PathSim and walks say of one author.

    Attributes
    ----------
    author : hashable
        Who was asked about.
    by_pathsim, by_walks : tuple of Similar
        The most similar by either, best first.
    reasons : tuple of Explanation
        Why, for each of `by_pathsim`.
    others : tuple of Similar
        All others, in the order of the graph.
    """

    author: Any
    by_pathsim: tuple[Similar, ...]
    by_walks: tuple[Similar, ...]
    reasons: tuple[Explanation, ...]
    others: tuple[Similar, ...]

    def about(self, name: Any) -> Similar:
        """Return what is said of another node."""
        return next(found for found in self.others if found.name == name)

    @property
    def nearer_in_visibility(self) -> bool:
        """Whether PathSim's answers are more nearly as visible as the author than walks' answers are."""
        return visibility_gap(self.by_pathsim) < visibility_gap(self.by_walks)

    @property
    def walks_know_company(self) -> bool:
        """Whether more of walks' answers have worked with the author than of PathSim's."""
        return collaborators(self.by_walks) > collaborators(self.by_pathsim)

    @property
    def reasons_add_up(self) -> bool:
        """Whether the shares sum to M_xy, and the counts give the score."""
        return all(
            _is_sum(why.M_xy, [share for _, share in why.shares])
            and why.score == 2 * why.M_xy / (why.M_xx + why.M_yy) == found.score
            for why, found in zip(self.reasons, self.by_pathsim, strict=True)
        )

    @property
    def without_path(self) -> NDArray[np.float64]:
        """The cosines of those who score 0."""
        return np.array([found.cosine for found in self.others if found.score == 0])

    @property
    def walks_go_on(self) -> bool:
        """Whether someone who scores 0 is nearer by cosine than one of PathSim's answers, if anyone does."""
        farthest = min((found.cosine for found in self.by_pathsim), default=math.inf)
        return bool((self.without_path > farthest).any()) or not self.without_path.size


def _is_sum(total: Any, shares: list[Any]) -> bool:
    """Tell whether counts sum to a total exactly, and weights up to rounding."""
    return bool(sum(shares) == total or (isinstance(total, float) and math.isclose(sum(shares), total)))


def visibility_gap(answers: Sequence[Similar]) -> float:
    """Return by which factor, on geometric average, answers are more or less visible than the author."""
    ratios = [found.visibility for found in answers]
    if 0 in ratios:
        return math.inf
    return math.exp(sum(abs(math.log(ratio)) for ratio in ratios) / max(len(ratios), 1))


def collaborators(answers: Sequence[Similar]) -> int:
    """Return how many answers have worked with the author."""
    return sum(found.together > 0 for found in answers)


def pathsim_or_walks(
    graph: Any = None,
    authors: Sequence[Any] | None = None,
    *,
    metapath: Any = "APVPA",
    k: int = 5,
    walks_per_node: int = 40,
    rng: int = 0,
) -> StudyResult:
    """Ask PathSim and DeepWalk, on the same academic network, who is similar to two authors.

    Parameters
    ----------
    graph : HeteroGraph, or what `PathSim.fit` takes; optional
        The network; :func:`diptych.datasets.load_academic_network` when not given.
        :func:`diptych.datasets.read_four_area` reads a real one, in which a venue is a "conf".
    authors : sequence of names, optional
        Whom to ask about; the two most visible (with the greatest M_xx) when not given.
    metapath : str, list or MetaPath, default="APVPA"
        A round trip from authors.
    k : int, default=5
        How many similar nodes to name.
    walks_per_node : int, default=40
        Walks of 40 nodes that DeepWalk starts at each node. Two suffice for large graphs.
    rng : int, default=0
        Seed of walks and vectors; nothing else is random.

    Returns
    -------
    StudyResult
        ``display`` is a `PathSimOrWalksDisplay`, which has the `Answers` as ``answers``.

    Raises
    ------
    ValueError
        If the graph lacks an author or the meta-path, authors are none or one twice, or a number is out of
        range.
    """
    _validate.count(k, "k")
    known = load_academic_network() if graph is None else as_hetero_graph(graph)
    model = PathSim(metapath).fit(known)
    path = model.metapath_
    if authors is None:
        M_xx = model.half_matrix_.multiply(model.half_matrix_).sum(axis=1)
        authors = model.node_names_[np.argsort(-M_xx, kind="stable")[:2]].tolist()
    authors = _checked(authors)
    for author in authors:
        find_node(model.node_names_, author)  # refused before the vectors are trained, not after
    walker = DeepWalk(64, walk_length=40, walks_per_node=walks_per_node, window=5, random_state=rng)
    vectors = walker.fit(one_graph(known, path)).embedding_[: len(model.node_names_)]
    first_step = known.relations_along(path)[0]
    answers = tuple(_ask(model, vectors, first_step, author, k) for author in authors)
    mirror = _mirror_images()
    holds = mirror == (2 / 3, 0.0) and all(
        found.nearer_in_visibility and found.walks_know_company and found.reasons_add_up and found.walks_go_on
        for found in answers
    )
    display = PathSimOrWalksDisplay(answers, str(path))
    return StudyResult("pathsim_or_walks", QUESTION, LAW, holds, _numbers(answers, mirror), display)


def _checked(authors: Any) -> list[Any]:
    """Return whom to ask about: somebody, and nobody twice."""
    if isinstance(authors, str):
        raise _validate.DtypeError(f"authors={authors!r}: must be a list of names; pass [{authors!r}].")
    listed = list(authors)
    if not listed:
        raise ValueError("authors is empty: at least one name is needed; None takes the two most visible.")
    twice = next((author for at, author in enumerate(listed) if author in listed[:at]), None)
    if twice is not None:
        raise ValueError(f"authors names {twice!r} twice: each is asked about once.")
    return listed


def one_graph(graph: HeteroGraph, path: MetaPath) -> csr_array:
    """Return the relations along a path as one undirected graph, its nodes in the order of the path's types.

    Parameters
    ----------
    graph : HeteroGraph
        The graph.
    path : MetaPath
        A path of it.

    Returns
    -------
    csr_array of shape (n, n)
        n is the number of nodes of all types of the path.
    """
    kinds = list(dict.fromkeys(path.types))
    ends = np.cumsum([len(graph.nodes[kind]) for kind in kinds]).tolist()
    start = dict(zip(kinds, [0, *ends], strict=False))
    rows, columns, weights = [], [], []
    for source, name, target in dict.fromkeys(step.relation for step in path.steps):
        edges = coo_array(graph.relations[source, name, target])
        rows.append(edges.row + start[source])
        columns.append(edges.col + start[target])
        weights.append(edges.data)
    places = (np.concatenate(rows), np.concatenate(columns))
    directed = csr_array((np.concatenate(weights), places), shape=(ends[-1], ends[-1]))
    return csr_array(directed + directed.T)


def _ask(model: PathSim, vectors: NDArray[np.float32], first_step: Any, author: Any, k: int) -> Answers:
    """Return what the two say of an author."""
    names, W = model.node_names_, model.half_matrix_
    n, x = len(names), find_node(names, author)
    scores = pathsim_pairs([W], np.full(n, x), np.arange(n))
    cosines = cosines_to(vectors, x)
    together = (first_step @ first_step[[x]].T.tocsr()).toarray().ravel()
    M_yy = W.multiply(W).sum(axis=1)
    if not M_yy[x]:
        raise ValueError(f"{author!r} has no path {model.metapath_}, and nobody is similar.")

    order = np.argsort(-cosines, kind="stable")
    columns = (scores, cosines, together, np.sqrt(M_yy / M_yy[x]))
    everyone = [Similar(*row) for row in zip(names.tolist(), *(c.tolist() for c in columns), strict=True)]
    found = model.top_k(author, k)
    return Answers(
        author,
        tuple(everyone[find_node(names, name)] for name, _ in found),
        tuple(everyone[y] for y in order[order != x][:k]),
        tuple(model.explain(author, name) for name, _ in found),
        tuple(everyone[:x] + everyone[x + 1 :]),
    )


def _mirror_images() -> tuple[float, float]:
    """Return the scores of A1 and A2, who share C1, and of A2 and A3, who mirror each other."""
    graph = HeteroGraph(
        {
            ("author", "writes", "paper"): [("A1", "P1"), ("A1", "P2"), ("A2", "P3"), ("A3", "P4")],
            ("paper", "appears in", "venue"): [("P1", "C1"), ("P2", "C2"), ("P3", "C1"), ("P4", "C2")],
        }
    )
    model = PathSim("APVPA").fit(graph)
    return model.similarity("A1", "A2"), model.similarity("A2", "A3")


def _numbers(answers: Sequence[Answers], mirror: tuple[float, float]) -> dict[str, Any]:
    """Return what was computed, by name."""
    numbers: dict[str, Any] = {}
    for found in answers:
        for title, those in (("PathSim", found.by_pathsim), ("walks", found.by_walks)):
            for rank, similar in enumerate(those, start=1):
                numbers[f"{found.author},_{title}_{rank}"] = str(similar)
            numbers[f"{found.author},_{title},_collaborators"] = f"{collaborators(those)} of {len(those)}"
            numbers[f"{found.author},_{title},_visibility_differs_by"] = round(visibility_gap(those), 3)
        without = found.without_path
        numbers[f"{found.author},_others_who_score_0"] = len(without)
        if without.size:
            span = [round(float(end), 3) for end in (without.min(), without.max())]
            numbers[f"{found.author},_their_cosines_from_and_to"] = span
    for one, other in itertools.combinations(answers, 2):
        numbers[f"{one.author}_and_{other.author}"] = str(one.about(other.author))
    numbers["A1_and_A2,_who_share_a_venue"] = round(mirror[0], 3)
    numbers["A2_and_A3,_mirror_images"] = mirror[1]
    return numbers
