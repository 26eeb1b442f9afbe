"""The tables of attention."""

from __future__ import annotations

from benches.report import apart, beside_peer, held, size
from benches.section import Section


def cells(result: dict) -> list[str]:
    """One line."""
    return [
        result["input"],
        *beside_peer(result),
        f"{result['rate']:.0f}",
        f"{result['of_sgemm']:.0%}",
        apart(result),
        f"{len(result['ours']['turns'])}",
    ]


def memory_cells(result: dict) -> list[str]:
    """One line."""
    sizes = (result[key] for key in ("growth", "result", "bound"))
    return [result["input"], *map(size, sizes), held(result["held"]), size(result["scores"])]


SECTIONS = (
    Section(
        "attention",
        "Attention, single precision",
        "input | quickest peer | diptych | peer takes | ratio | bar | goal | bar held | our GFLOP/s | "
        "of NumPy's SGEMM | apart | turns",
        cells,
        "benches.attention.heads:attention",
    ),
    Section(
        "attention-frameworks",
        "Attention beside whole frameworks, single precision",
        "input | peer | diptych | peer takes | ratio | bar | goal | bar held | our GFLOP/s | "
        "of NumPy's SGEMM | apart | turns",
        cells,
        "benches.attention.frameworks:attention",
    ),
    Section(
        "attention-memory",
        "Attention: growth of resident memory",
        "input | growth | the result | bound | held | all scores would take",
        memory_cells,
        "benches.attention.heads:memory",
    ),
)
