"""What is measured: kinds of walks with their peers, and the rows of the other sections by name."""

from __future__ import annotations

from dataclasses import dataclass, field

from benches.section import Target

GRAPE = "GRAPE complete_walks"
PECANPY_UNIFORM = "PecanPy FirstOrderUnweighted"
PECANPY_LOOP = "PecanPy FirstOrderUnweighted, its loop alone"
PECANPY_WEIGHTED = "PecanPy SparseOTF"
OUR_UNIFORM = "diptych, uniform"


@dataclass(frozen=True)
class WalkRow:
    """A kind of walk on an R-MAT graph, as it is or with all weights 1."""

    name: str
    shown: str
    weighted: bool
    targets: tuple[Target, ...]
    biases: dict[str, float] = field(default_factory=dict)


_NODE2VEC = (Target(PECANPY_WEIGHTED, 80, 133),)
_BIASES = {"p": 0.5, "q": 2.0}

WALKS = (
    WalkRow(
        "walks-uniform",
        "uniform",
        False,
        (Target(GRAPE, 8, 12), Target(PECANPY_UNIFORM, 35), Target(PECANPY_LOOP)),
    ),
    WalkRow(
        "walks-weighted", "weighted", True, (Target(PECANPY_WEIGHTED, 200), Target(OUR_UNIFORM, 0.5, 0.7))
    ),
    WalkRow("walks-node2vec", "node2vec, p = 0.5, q = 2", False, _NODE2VEC, _BIASES),
    WalkRow("walks-node2vec-weighted", "node2vec, p = 0.5, q = 2, weighted", True, _NODE2VEC, _BIASES),
)

TRAINING = "training-blogcatalog"
GRAPE_SKIPGRAM = "GRAPE SkipGram, 1 epoch, it walks itself"

BLOGCATALOG_DEFAULT = "quality-blogcatalog-10x80"
BLOGCATALOG_PAPER = "quality-blogcatalog-80x40"
CORA = "quality-cora"
CA_GRQC = "quality-ca-grqc"
WIKIPEDIA = "quality-wikipedia"


def names() -> list[str]:
    """Return the names of all rows."""
    quality = [BLOGCATALOG_DEFAULT, BLOGCATALOG_PAPER, CORA, CA_GRQC, WIKIPEDIA]
    return [*(row.name for row in WALKS), TRAINING, *quality]
