"""The row of the demo that belongs to graph embedding."""

from __future__ import annotations

from typing import Any

from diptych import datasets
from diptych.cli._demo_row import Row, run_both

TOLERANCE = 1e-4  # the kernel trains in float32, the reference in float64


def karate() -> Row:
    """DeepWalk on the karate club: who went where when it split, told by who met whom."""
    from diptych import evaluation
    from diptych.estimators.embedding import DeepWalk

    edges, faction, names = datasets.load_karate()

    def fit(backend: str) -> Any:
        return DeepWalk(16, walk_length=40, window=5, random_state=0, backend=backend).fit(edges)

    def tables(backend: str) -> tuple[Any, ...]:
        model = fit(backend)
        return model.embedding_, model.contexts_, model.losses_

    panels = run_both(lambda: tables("reference"), lambda: tables("rust"), tolerance=TOLERANCE)
    vectors, _, _ = panels.answer
    f1 = evaluation.node_classification(vectors, faction, train_share=0.5, random_state=0)

    def draw(part: Any) -> None:
        from diptych.plot import EmbeddingDisplay

        labels = [names[c] for c in faction]
        title = "Karate club: DeepWalk, and where each went"
        EmbeddingDisplay.from_embedding(vectors, labels, title=title).plot(part.subplots())

    result = f"faction of half the members from the other half: {f1.micro:.0%} right"
    return Row("karate, 34 nodes, 78 edges", "deepwalk d=16", result, panels, draw=draw)


JOBS = (karate,)
