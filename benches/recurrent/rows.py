"""What is measured: shapes with bars and goals. Time T, rows B, inputs I, units H."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benches.section import Target

ONNXRUNTIME, FRAMEWORKS = "onnxruntime", "PyTorch, JAX"


@dataclass(frozen=True)
class Row:
    """An LSTM and something to run it over; T = 0 is one step from Python."""

    name: str
    times: int
    batch: int
    inputs: int
    hidden: int
    target: Target
    ragged: bool = False
    back: bool = False

    @property
    def input(self) -> str:
        """Its sizes, as the table shows them."""
        what = f"T {self.times}, B {self.batch}" if self.times else f"step, B {self.batch}"
        lengths = ", lengths 1 to T" if self.ragged else ""
        back = ", there and back" if self.back else ""
        return f"{what}{lengths}, I {self.inputs}, H {self.hidden}{back}"

    def lengths(self) -> np.ndarray | None:
        """Draw the steps of each row."""
        if not self.ragged:
            return None
        return np.random.default_rng(1).integers(1, self.times + 1, self.batch)

    def operations(self) -> int:
        """Count the floating-point operations of the products: as many again twice on the way back."""
        lengths = self.lengths()
        steps = max(self.times, 1) * self.batch if lengths is None else int(lengths.sum())
        return (1 + 2 * self.back) * steps * 8 * self.hidden * (self.inputs + self.hidden)


def onnxruntime(bar: float, goal: float) -> Target:
    return Target(ONNXRUNTIME, bar, goal)


ROWS = (
    Row("lstm-step-20", 0, 1, 8, 20, onnxruntime(6, 10)),
    Row("lstm-step-128", 0, 1, 128, 128, onnxruntime(3, 5)),
    Row("lstm-sequence-20", 100, 1, 20, 20, onnxruntime(1.5, 3)),
    Row("lstm-sequence-64", 100, 1, 64, 64, onnxruntime(1.5, 2)),
    Row("lstm-sequence-128", 100, 1, 128, 128, onnxruntime(1.3, 1.6)),
    Row("lstm-sequence-256", 100, 1, 256, 256, onnxruntime(1.2, 1.4)),
    Row("lstm-batch-64", 32, 128, 32, 64, onnxruntime(1.25, 1.5)),
    Row("lstm-batch-128", 100, 32, 128, 128, onnxruntime(1.0, 1.1)),
    Row("lstm-batch-256", 100, 32, 256, 256, onnxruntime(1.0, 1.1)),
    Row("lstm-batch-512", 100, 32, 512, 512, onnxruntime(1.0, 1.1)),
    Row("lstm-lengths", 100, 64, 128, 128, onnxruntime(1.2, 1.5), ragged=True),
)

FRAMEWORK_ROWS = (
    Row("lstm-frameworks-lengths", 100, 64, 128, 128, Target(FRAMEWORKS, 2.0, 3.0), ragged=True),
    Row("lstm-frameworks-back", 50, 32, 128, 128, Target(FRAMEWORKS, 1.2, 1.5), back=True),
)


@dataclass(frozen=True)
class Tagger:
    """A SlotTagger with its defaults but for the encoder, and what its scores must be."""

    name: str
    encoder: str
    shown: str
    bar: float | None = None
    goal: float | None = None
    intents_bar: float | None = None


TAGGERS = (
    Tagger("slots-none", "none", "none: each word alone"),
    Tagger("slots-rnn", "rnn", "RNN, bidirectional"),
    Tagger("slots-lstm", "lstm", "LSTM, bidirectional", 0.946, 0.953, 0.96),
)


@dataclass(frozen=True)
class Epoch:
    """An epoch of training a SlotTagger with its defaults."""

    name: str
    shown: str
    target: Target


EPOCH = Epoch("slots-epoch", "LSTM, bidirectional; 4,478 sentences", Target(FRAMEWORKS, 1.5, 3.0))


def names() -> list[str]:
    """Return the names of all rows."""
    rows = *ROWS, *FRAMEWORK_ROWS, *TAGGERS, EPOCH
    return [*(row.name for row in rows), "character-model"]
