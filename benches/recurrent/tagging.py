"""Slot filling on ATIS: chunk F1, intents, and what an epoch of training takes, for each encoder.

The protocol: fit sees the 4,478 training sentences of the split of Goo et al. (2018) alone, and holds a share
of them back to stop by; the 893 test sentences are tagged once, with the defaults of SlotTagger.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from benches import data
from benches.data import DataMissing
from benches.recurrent.rows import TAGGERS, Tagger
from benches.section import Settings

SEEDS = (0, 1, 2, 3, 4)


def slot_filling(settings: Settings) -> Iterator[dict]:
    """Yield the scores of each encoder, over the seeds; over one when quick."""
    for row in TAGGERS:
        if not settings.wanted(row.name):
            continue
        try:
            train, test = data.atis("train"), data.atis("test")
        except DataMissing as why:
            settings.say(f"{row.name}: skipped, {why}")
            continue
        settings.say(f"{row.name} …")
        runs = [one(row, train, test, seed, settings) for seed in (SEEDS[:1] if settings.quick else SEEDS)]
        yield summary(row, runs)


def summary(row: Tagger, runs: list[dict[str, float]]) -> dict:
    """Return the line of an encoder."""
    f1, intents = ([run[name] for run in runs] for name in ("f1", "intents"))
    held = None
    if row.bar is not None:
        held = statistics.mean(f1) >= row.bar and statistics.mean(intents) >= row.intents_bar
    return {
        "row": row.name,
        "input": row.shown,
        "runs": runs,
        "f1": statistics.mean(f1),
        "f1_spread": [min(f1), max(f1)],
        "intents": statistics.mean(intents),
        "bar": row.bar,
        "goal": row.goal,
        "intents_bar": row.intents_bar,
        "held": held,
        "epoch": statistics.median(run["seconds"] / run["epochs"] for run in runs),
    }


def one(row: Tagger, train: Any, test: Any, seed: int, settings: Settings) -> dict[str, float]:
    """Train and test once."""
    from diptych import SlotTagger

    tagger = SlotTagger(encoder=row.encoder, random_state=seed, n_jobs=settings.threads)
    start = time.perf_counter()
    tagger.fit(*train)
    seconds = time.perf_counter() - start
    sentences, tags, intents = test
    found = {
        "seed": seed,
        "f1": tagger.score(sentences, tags),
        "intents": float(np.mean(np.array(tagger.predict_intent(sentences)) == intents)),
        "validation": float(tagger.validation_scores_.max()),
        "epochs": len(tagger.losses_),
        "seconds": seconds,
    }
    settings.say(
        f"  seed {seed}: F1 {100 * found['f1']:.2f}, intents {100 * found['intents']:.2f}, "
        f"{found['epochs']} epochs, {seconds:.1f} s"
    )
    return found
