"""Small data to try things on: what scikit-learn ships, two graphs, a text, what is made from a seed.

Nothing is downloaded, and nothing is stored in this package but the 78 edges of the karate club, the names of
75 people who do not exist, and a few chapters of an old book.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diptych.datasets._requests import TaggedSentences, make_travel_requests

if TYPE_CHECKING:
    from diptych.graph import HeteroGraph

__all__ = [
    "Dataset",
    "GraphDataset",
    "TaggedSentences",
    "load_academic_network",
    "load_digits",
    "load_iris",
    "load_karate",
    "load_king_james",
    "load_photo",
    "load_wine",
    "make_moons_and_noise",
    "make_travel_requests",
    "read_four_area",
]


class Dataset(NamedTuple):
    """Points, the class of each, and the names of the classes.

    Attributes
    ----------
    X : ndarray of shape (n, d), float64
        The points.
    y : ndarray of shape (n,), intp
        The class of each point, known from outside.
    class_names : tuple of str
        ``class_names[y[i]]`` is the class of point i.
    """

    X: NDArray[np.float64]
    y: NDArray[np.intp]
    class_names: tuple[str, ...]


class GraphDataset(NamedTuple):
    """Edges of a graph, the class of each node, and the names of the classes.

    Attributes
    ----------
    edges : ndarray of shape (n_edges, 2), int64
        Undirected edges between nodes 0 … n - 1, each once; every node has one.
    y : ndarray of shape (n,), intp
        The class of each node, known from outside.
    class_names : tuple of str
        ``class_names[y[i]]`` is the class of node i.
    """

    edges: NDArray[np.int64]
    y: NDArray[np.intp]
    class_names: tuple[str, ...]


def _from_sklearn(name: str) -> Dataset:
    from sklearn import datasets

    bunch: Any = getattr(datasets, f"load_{name}")()
    return Dataset(
        np.ascontiguousarray(bunch.data, dtype=np.float64),
        np.ascontiguousarray(bunch.target, dtype=np.intp),
        tuple(str(name) for name in bunch.target_names),
    )


def load_iris() -> Dataset:
    """Return the measurements of 150 iris flowers, 4 lengths in cm each, 3 species (Fisher, 1936).

    Returns
    -------
    Dataset
    """
    return _from_sklearn("iris")


def load_wine() -> Dataset:
    """Return the chemical analysis of 178 wines, 13 quantities of unequal scale, 3 cultivars (UCI).

    Returns
    -------
    Dataset
    """
    return _from_sklearn("wine")


def load_digits() -> Dataset:
    """Return 1,797 handwritten digits of 8 × 8 pixels, grey values 0 to 16 (UCI, optdigits, the test part).

    Returns
    -------
    Dataset
    """
    return _from_sklearn("digits")


# Zachary (1977), whose numbers are one higher: to each node its neighbours that come after it.
_KARATE = {
    0: [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 17, 19, 21, 31],
    1: [2, 3, 7, 13, 17, 19, 21, 30],
    2: [3, 7, 8, 9, 13, 27, 28, 32],
    3: [7, 12, 13],
    4: [6, 10],
    5: [6, 10, 16],
    6: [16],
    8: [30, 32, 33],
    9: [33],
    13: [33],
    14: [32, 33],
    15: [32, 33],
    18: [32, 33],
    19: [33],
    20: [32, 33],
    22: [32, 33],
    23: [25, 27, 29, 32, 33],
    24: [25, 27, 31],
    25: [31],
    26: [29, 33],
    27: [33],
    28: [31, 33],
    29: [32, 33],
    30: [32, 33],
    31: [32, 33],
    32: [33],
}
_KARATE_OFFICER = (9, 14, 15, 18, 20, *range(22, 34))


def load_karate() -> GraphDataset:
    """Return who met whom outside a karate club, 34 members, and where each went when it split in two.

    Returns
    -------
    GraphDataset
        78 edges, without the weights that Zachary gives as well; node 0 is the instructor, 33 the officer.
        ``y`` is 0 for members who joined the instructor's new club, 1 for those who stayed with the officer.

    References
    ----------
    .. [1] W. W. Zachary, "An information flow model for conflict and fission in small groups", Journal of
       Anthropological Research 33(4), pp. 452-473, 1977.
    """
    edges = [(node, other) for node, others in _KARATE.items() for other in others]
    y = np.zeros(34, dtype=np.intp)
    y[list(_KARATE_OFFICER)] = 1
    return GraphDataset(np.array(edges, dtype=np.int64), y, ("instructor", "officer"))


# Venues of an area (two conferences and a workshop), and its groups: how many papers, how many tenths of them
# at the first conference, and the names of head, members and student.
_AREAS: tuple[tuple[tuple[str, str, str], tuple[tuple[int, int, str], ...]], ...] = (
    (
        ("Tables", "Queries", "Index Workshop"),
        (
            (30, 6, "Ada Brandt, Milo Serrat, Ines Kovalt, Tomas Ryeland, Pia Lunde"),
            (19, 3, "Bruno Achterfeld, Sela Omondri, Karl Viestad, Noor Hamdine, Leo Petrask"),
            (22, 7, "Carla Montevar, Ugo Ferrandi, Wen Daliou, Rosa Tillmark, Ivo Kaspen"),
            (27, 5, "Daniel Okwari, Hana Suzumori, Piet Vandorn, Lea Grunholm, Ari Solberin"),
            (16, 4, "Elif Yarmanov, Omar Teyrane, Nina Halvask, Jon Bexley, Mara Quillon"),
        ),
    ),
    (
        ("Patterns", "Streams", "Outlier Workshop"),
        (
            (25, 5, "Felix Arnqvist, Dana Molineri, Sven Tarkovan, Amal Richane, Kim Oddevar"),
            (18, 7, "Greta Vossbeck, Raul Ibarreta, Tess Colwynd, Yuki Harumoto, Ben Aldarin"),
            (21, 3, "Hugo Delmarche, Zora Petkovan, Liam Ostergard, Vera Simonet, Ole Brackis"),
            (23, 6, "Ingrid Falkmoor, Juno Castellar, Mats Erikvold, Sara Benzaoui, Tim Wexler"),
            (15, 4, "Jonas Rietveldt, Olga Marunova, Paul Kirchan, Emi Takasugi, Ron Delacq"),
        ),
    ),
    (
        ("Models", "Gradients", "Kernel Workshop"),
        (
            (24, 4, "Katrin Solheimer, Igor Vasyukin, Nora Callaghen, Adem Yildoran, Fay Linsted"),
            (17, 6, "Lorenzo Bastiani, Mika Rautavar, Judit Szentei, Carl Overbeek, Ana Pireste"),
            (20, 5, "Mirjam Goudezak, Theo Lassiter, Aiko Minamoru, Nils Forsgaard, Eva Bruntal"),
            (22, 7, "Nikolai Zherdan, Lucia Ferrowen, Hans Pelgrim, Salma Idrouane, Max Tovik"),
            (14, 3, "Oriana Castelmur, Eric Haldorsen, Gwen Trevask, Dario Venturin, Liv Askeland"),
        ),
    ),
)


def load_academic_network() -> HeteroGraph:
    """Return a small academic network of three areas. It is made up by a rule: there are no such people.

    Returns
    -------
    HeteroGraph
        75 authors, 385 papers, 10 venues; ``author --writes--> paper`` and ``paper --appears in--> venue``.

    Notes
    -----
    Each area has two conferences and a workshop; "Almanac" is a journal for all. An area has five groups,
    each of a head, three members and a student. The head writes with members in turn, at both conferences
    and in the journal; the student writes with the first member alone, at the workshop, where the head never
    appears. Heads of groups that follow one another wrote one paper together.
    """
    from diptych.graph import HeteroGraph  # brings SciPy, which the command line should not wait for

    writes: list[tuple[str, str]] = []
    appears: list[tuple[str, str]] = []

    def publish(title: str, venue: str, *authors: str) -> None:
        writes.extend((author, title) for author in authors)
        appears.append((title, venue))

    for (first, second, workshop), groups in _AREAS:
        heads = [names.split(", ")[0] for _, _, names in groups]
        for (n_papers, tenths, names), neighbour in zip(groups, heads[1:] + heads[:1], strict=True):
            head, *members, student = names.split(", ")
            family = head.split()[1]
            publish(f"{family} and {neighbour.split()[1]}", first, head, neighbour)
            for i in range(n_papers):
                venue = "Almanac" if i % 8 == 7 else first if 7 * i % 10 < tenths else second
                others = [members[i % 3]] if i % 5 else [members[i % 3], members[(i + 1) % 3]]
                publish(f"{family} {i + 1}", venue, head, *others)
            for i in range(n_papers // 5):
                publish(f"{student.split()[1]} {i + 1}", workshop, members[0], student)
    return HeteroGraph({("author", "writes", "paper"): writes, ("paper", "appears in", "venue"): appears})


def read_four_area(folder: str | os.PathLike[str]) -> HeteroGraph:
    """Read the DBLP four-area network [1]_ from its files, which do not come along.

    Parameters
    ----------
    folder : str or path-like
        Where author.txt, paper.txt, conf.txt, term.txt, paper_author.txt, paper_conf.txt and paper_term.txt
        lie.

    Returns
    -------
    HeteroGraph
        28,702 authors, 28,506 papers, 20 venues (type "conf") and 13,575 terms; ``author --writes--> paper``,
        ``paper --appears in--> conf`` and ``paper --has--> term``. Papers of one title are one, and edges are
        there or not.

    Raises
    ------
    OSError
        If a file is not there.

    References
    ----------
    .. [1] Y. Sun, J. Han, X. Yan, P. S. Yu and T. Wu, "PathSim: Meta path-based top-k similarity search in
       heterogeneous information networks", PVLDB 4(11), pp. 992-1003, 2011.
    """
    from diptych.graph import HeteroGraph

    def table(name: str) -> list[list[str]]:
        lines = (Path(folder) / name).read_text(encoding="utf-8-sig").splitlines()
        return [line.split("\t") for line in lines if line]

    author, title, conf, term = (dict(table(f"{kind}.txt")) for kind in ("author", "paper", "conf", "term"))
    return HeteroGraph(
        {
            ("author", "writes", "paper"): [(author[a], title[p]) for p, a in table("paper_author.txt")],
            ("paper", "appears in", "conf"): [(title[p], conf[c]) for p, c in table("paper_conf.txt")],
            ("paper", "has", "term"): [(title[p], term[t]) for p, t in table("paper_term.txt")],
        },
        duplicates="binary",
    )


def load_king_james() -> str:
    """Return passages of the King James Bible, 21,000 characters of English in the public domain.

    Returns
    -------
    str
        Genesis 1 to 3, Psalm 23, Ecclesiastes 3:1-8, Matthew 5:1-18, 6:9-13 and 6:19-21, John 1:1-14, 1
        Corinthians 13, Exodus 20:1-17, Luke 2:1-14 and Matthew 7:1-8, without numbers: a verse on a line, an
        empty line between passages. ASCII alone.

    References
    ----------
    .. [1] The Holy Bible, the Authorized Version of 1611, in the spelling of 1769.
    """
    return (Path(__file__).parent / "king_james.txt").read_text(encoding="ascii")


def load_photo(name: str = "china.jpg", *, step: int = 1) -> NDArray[np.uint8]:
    """Return a photograph that scikit-learn ships; needs Pillow, which matplotlib brings.

    Parameters
    ----------
    name : {"china.jpg", "flower.jpg"}
        Photographs by danielbuechele and dany13 (flickr), both CC BY.
    step : int
        Keep each ``step``-th row and column.

    Returns
    -------
    ndarray of shape (height, width, 3), uint8
        427 × 640 pixels with ``step=1``; red, green, blue.
    """
    from sklearn.datasets import load_sample_image

    return np.ascontiguousarray(load_sample_image(name)[::step, ::step])


def make_moons_and_noise(
    n: int = 200,
    *,
    noise_share: float = 0.1,
    spread: float = 0.06,
    rng: int | np.random.SeedSequence | np.random.Generator | None = None,
) -> Dataset:
    """Make two interleaved half circles and uniform noise.

    Parameters
    ----------
    n : int
        How many points.
    noise_share : float
        Share of the points drawn uniformly from the box around the half circles.
    spread : float
        Standard deviation of a point about its half circle (radius 1).
    rng : None, int, SeedSequence or Generator
        Where the draws come from.

    Returns
    -------
    Dataset
        ``y`` is 0 and 1 for the half circles, 2 for the noise.
    """
    generator = np.random.default_rng(rng)
    n_noise = round(n * noise_share)
    y = np.concatenate([np.arange(n - n_noise) % 2, np.full(n_noise, 2)]).astype(np.intp)
    angle = generator.uniform(0.0, np.pi, n - n_noise)
    upper = y[: n - n_noise] == 0
    arcs = np.column_stack(
        [
            np.where(upper, np.cos(angle), 1.0 - np.cos(angle)),
            np.where(upper, np.sin(angle), 0.5 - np.sin(angle)),
        ]
    )
    arcs += generator.normal(0.0, spread, arcs.shape)
    noise = generator.uniform((-1.4, -0.9), (2.4, 1.4), (n_noise, 2))
    return Dataset(np.vstack([arcs, noise]), y, ("upper", "lower", "noise"))
