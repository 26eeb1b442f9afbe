"""The row of the demo that belongs to attention."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from diptych import datasets
from diptych.cli._demo_row import Row, run_both

WORDS = 2000  # the reference takes their square
D = 128  # numbers of a vector, so many that those of two words are nearly orthogonal
SHOWN = slice(9, 25)  # words of the first verses
TOLERANCE = 1e-12  # of numbers about 1: sums of 2,000 in another order


def next_words() -> Row:
    """Causal attention over a text: what followed when the same word stood there before."""
    from diptych.kernels import attention as rust
    from diptych.reference import attention as reference

    text = re.findall(r"[a-z]+", datasets.load_king_james().lower())[:WORDS]
    words, numbers = np.unique(text, return_inverse=True)
    vectors = np.random.default_rng(0).normal(size=(len(words), D))
    # Word i asks all words up to its own place: whom did you follow? Who followed word i answers with itself.
    asked, followed, answers = vectors[numbers[1:-1]], vectors[numbers[:-2]], vectors[numbers[1:-1]]

    def attend(panel: Any) -> tuple[Any, ...]:
        return (panel.scaled_dot_product_attention(asked, followed, answers, is_causal=True),)

    panels = run_both(lambda: attend(reference), lambda: attend(rust), tolerance=TOLERANCE)
    guessed = (panels.answer[0] @ vectors.T).argmax(axis=1)
    right = float((guessed == numbers[2:]).mean())

    def draw(part: Any) -> None:
        from diptych.plot import AttentionDisplay

        shown = (x[SHOWN] for x in (asked, followed, answers))
        _, weights = rust.scaled_dot_product_attention(*shown, is_causal=True, return_weights=True)
        names = text[1:-1][SHOWN]
        AttentionDisplay.from_weights(weights, names, title="Whom did you follow?").plot(part.subplots())

    result = f"{right:.1%} of next words are right"
    return Row(f"King James, {len(text):,} words", "attention, causal", result, panels, draw=draw)


JOBS = (next_words,)
