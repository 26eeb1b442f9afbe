"""What is measured: shapes with bars and goals. Batch B, heads H, queries L, keys S, features d."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benches.section import Target

ONNXRUNTIME, NUMPY, FRAMEWORKS = "onnxruntime", "numpy", "PyTorch, JAX"


@dataclass(frozen=True)
class Row:
    """Attention of every head over S keys; `back` goes there and back."""

    name: str
    batch: int
    heads: int
    queries: int
    keys: int
    target: Target
    causal: bool = False
    back: bool = False
    features: int = 64

    @property
    def input(self) -> str:
        """Its sizes, as the table shows them."""
        sizes = f"B {self.batch}, H {self.heads}, L {self.queries}"
        keys = "" if self.keys == self.queries else f", S {self.keys}"
        causal, back = ", causal" if self.causal else "", ", there and back" if self.back else ""
        return f"{sizes}{keys}, d {self.features}{causal}{back}"

    def operations(self) -> int:
        """Count the floating-point operations of the products: two there, and five back."""
        products = 2 + 5 * self.back
        return (
            products
            * 2
            * self.batch
            * self.heads
            * self.queries
            * self.keys
            * self.features
            // (1 + self.causal)
        )


ROWS = (
    Row("attention-512", 1, 8, 512, 512, Target(ONNXRUNTIME, 1.2, 1.5)),
    Row("attention-2048", 1, 8, 2048, 2048, Target(ONNXRUNTIME, 1.05, 1.3)),
    Row("attention-causal", 1, 8, 2048, 2048, Target(ONNXRUNTIME, 1.2, 1.5), causal=True),
    Row("attention-batch", 4, 8, 128, 128, Target(ONNXRUNTIME, 1.4, 2.0)),
    Row("attention-back", 1, 8, 512, 512, Target(NUMPY), back=True),
    Row("attention-decode", 1, 8, 1, 4096, Target(ONNXRUNTIME, 1.0, 1.3)),
)
BACK = 1.1, 1.4  # bar and goal beside a framework
FRAMEWORK_ROWS = tuple(
    replace(
        row,
        name=row.name.replace("attention", "attention-frameworks"),
        target=Target(FRAMEWORKS, *(BACK if row.back else (row.target.bar, row.target.goal))),
    )
    for row in ROWS
)
LONG = Row("attention-memory", 1, 1, 16_384, 16_384, Target(ONNXRUNTIME))


def names() -> list[str]:
    """Return the names of all rows."""
    return [row.name for row in (*ROWS, *FRAMEWORK_ROWS, LONG)]
