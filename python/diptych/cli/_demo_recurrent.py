"""The rows of the demo that belong to recurrent nets."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

from diptych import datasets
from diptych.cli._demo_row import Comparison, Row, run_both

SHOWN = (
    "leave taipei tomorrow and arrive in rome",
    "arrive in taipei at noon but leave rome",
    "which flights go to paris from the old , noisy city of taipei",
)
COLOURS = {"from": "#D55E00", "to": "#0072B2", "via": "#CC79A7", "date": "#009E73", "time": "#E69F00"}
CLOSE = 1e-5  # of losses from 2.9 down, 156 steps
TOLERANCE = 1e-4  # of losses from 0.9 down: both in float32, sums in another order, 152 steps of training


def _losses(fit: Callable[[str], Any], tolerance: float) -> Comparison:
    """Compare the losses of an estimator that is fitted by either panel."""
    return run_both(
        lambda: (fit("reference").losses_,), lambda: (fit("rust").losses_,), repeats=3, tolerance=tolerance
    )


def slots() -> Row:
    """SlotTagger on travel requests: the same city, from or to by what stands around it."""
    from diptych.estimators.slot_tagger import SlotTagger

    sentences, tags, _ = datasets.make_travel_requests(900, rng=0)
    n = 600

    def fit(backend: str) -> Any:
        tagger = SlotTagger(
            embedding_dim=32,
            hidden_size=48,
            dropout=0.2,
            epochs=8,
            learning_rate=0.03,
            validation_share=0,
            random_state=0,
            backend=backend,
        )
        return tagger.fit(sentences[:n], tags[:n])

    panels = _losses(fit, TOLERANCE)
    tagger = fit("rust")
    f1 = tagger.score(sentences[n:], tags[n:])

    def draw(part: Any) -> None:
        ax = part.subplots()
        ax.set_axis_off()
        ax.set_title("Travel requests: what each word fills")
        rows = [sentence.split() for sentence in SHOWN]
        for line, (words, found) in enumerate(zip(rows, tagger.predict(rows), strict=True)):
            at = 0
            for word, tag in zip(words, found, strict=True):
                slot = tag[2:]
                style = {"color": COLOURS.get(slot, "#606060"), "fontfamily": "monospace"}
                ax.text(at, -line, word, weight="bold" if slot else "normal", **style)
                ax.text(at, -line - 0.2, slot, fontsize="x-small", **style)
                at += len(word) + 1
        ax.set_xlim(-1, max(map(len, SHOWN)) + 1)
        ax.set_ylim(-len(rows), 0.6)

    result = f"chunk F1 {f1:.1%} on {len(sentences) - n} others"
    return Row(f"travel requests, {n}", "slots, LSTM 2 × 48", result, panels, draw=draw)


def characters() -> Row:
    """CharacterModel on verses of the King James Bible: what comes next, and a text it makes up."""
    from diptych.estimators.character import CharacterModel

    text = datasets.load_king_james()
    n = 18_900  # what follows has no character that is not there before

    def fit(backend: str) -> Any:
        model = CharacterModel(
            hidden_size=96,
            embedding_dim=24,
            dropout=0.1,
            epochs=6,
            batch_size=16,
            sequence_length=48,
            learning_rate=0.01,
            random_state=0,
            backend=backend,
        )
        return model.fit(text[:n])

    panels = _losses(fit, CLOSE)
    model = fit("rust")
    nats, said = model.cross_entropy(text[n:]), model.generate("And ", 160, temperature=0.5, rng=0)

    def draw(part: Any) -> None:
        ax = part.subplots()
        ax.plot(range(1, len(model.losses_) + 1), model.losses_, marker="o", label="the text it learns")
        ax.axhline(nats, color="#D55E00", label="the rest")
        ax.set_xlabel("epoch")
        ax.set_ylabel("nats per character")
        ax.set_title("King James: the next character")
        ax.legend(loc="lower left", fontsize="small")
        made_up = "\n".join(textwrap.wrap(f"And {said}", 44))
        place = {"transform": ax.transAxes, "ha": "right", "va": "top"}
        ax.text(0.97, 0.95, made_up, family="monospace", fontsize="x-small", **place)

    result = f"{nats:.3g} nats per character on {len(text) - n:,} others"
    return Row(f"King James, {n:,} characters", "next character, LSTM 96", result, panels, draw=draw)


JOBS = (slots, characters)
