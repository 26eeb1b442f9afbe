"""The row of the demo that belongs to similarity along meta-paths."""

from __future__ import annotations

from typing import Any

from diptych import datasets
from diptych.cli._demo_row import Row, run_both

AUTHOR = "Ada Brandt"


def academic_network() -> Row:
    """PathSim on an academic network: who publishes where another does, about as often."""
    from diptych.estimators.pathsim import PathSim

    graph = datasets.load_academic_network()

    def tables(backend: str) -> tuple[Any, ...]:
        model = PathSim("APVPA", backend=backend).fit(graph)
        scores = model.to_csr()
        return *model.top_k_all(5), scores.indptr, scores.indices, scores.data

    panels = run_both(lambda: tables("reference"), lambda: tables("rust"))
    model = PathSim("APVPA").fit(graph)
    (name, score), *_ = model.top_k(AUTHOR, 1)

    def draw(part: Any) -> None:
        from diptych.plot import SimilarNodesDisplay

        SimilarNodesDisplay.from_estimator(model, AUTHOR).plot(part.subplots())

    authors, papers = (len(graph.nodes[kind]) for kind in ("author", "paper"))
    data = f"academic (made up), {authors} authors, {papers} papers"
    return Row(data, "pathsim APVPA", f"{AUTHOR} is most like {name}, {score:.3f}", panels, draw=draw)


JOBS = (academic_network,)
