"""A character model on a book, beside counting."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from benches import data
from benches.data import DataMissing
from benches.recurrent.kneser_ney import KneserNey
from benches.section import Settings

NAME = "character-model"
HELD_OUT = 0.1  # the last of the text
ORDER = 5
MOST_NATS, MOST_SECONDS = 1.55, 600.0
MODEL = {"hidden_size": 512, "epochs": 8, "dropout": 0.3}
QUICK = {"hidden_size": 512, "epochs": 3, "dropout": 0.2}


def by_counting(known: str, unknown: str) -> float:
    """Return the nats per character of the n-gram on the unknown part."""
    characters = np.unique(list(known))
    numbers, wanted = (np.searchsorted(characters, list(text)) for text in (known, unknown))
    counted = KneserNey(numbers, ORDER, len(characters))
    return float(-np.log(counted.probabilities(wanted)).mean())


def character_model(settings: Settings) -> Iterator[dict]:
    """Yield the one result; quick, after fewer epochs."""
    if not settings.wanted(NAME):
        return
    try:
        text = data.shakespeare()
    except DataMissing as why:
        settings.say(f"{NAME}: skipped, {why}")
        return
    from diptych import CharacterModel

    cut = len(text) - round(len(text) * HELD_OUT)
    options = QUICK if settings.quick else MODEL
    settings.say(f"{NAME}: counting …")
    counted = by_counting(text[:cut], text[cut:])
    settings.say(f"{NAME}: {options} …")
    model = CharacterModel(**options, random_state=0, n_jobs=settings.threads)
    start = time.perf_counter()
    model.fit(text[:cut])
    seconds = time.perf_counter() - start
    nats = model.cross_entropy(text[cut:])
    yield {
        "name": NAME,
        "input": f"tiny-shakespeare, {cut:,} characters read, {len(text) - cut:,} held out",
        "model": ", ".join(f"{name} {value}" for name, value in options.items()),
        "seconds": seconds,
        "rate": cut * options["epochs"] / seconds,
        "losses": model.losses_.tolist(),
        "nats": nats,
        "counted": counted,
        "bar": MOST_NATS,
        "held": bool(nats <= min(MOST_NATS, counted) and seconds <= MOST_SECONDS),
    }
