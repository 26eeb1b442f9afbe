"""SlotTagger on ATIS, whose sentences this project may not ship; five seeds of it are a bench."""

from __future__ import annotations

import numpy as np
import pytest

from diptych import SlotTagger


@pytest.fixture(scope="module")
def atis(data_dir):
    def part(name):
        folder = data_dir / "sequences" / "atis" / name
        words, tags, intents = (
            (folder / file).read_text().splitlines() for file in ("seq.in", "seq.out", "label")
        )
        return (
            [line.split() for line in words],
            [line.split() for line in tags],
            list(map(str.strip, intents)),
        )

    return part("train"), part("test")


def test_slots_and_intents_of_atis(atis):
    train, (sentences, tags, intents) = atis
    assert (len(train[0]), len(sentences)) == (4478, 893)
    tagger = SlotTagger(random_state=0).fit(*train)
    assert tagger.score(sentences, tags) >= 0.946  # published LSTMs: 94.3 to 95.98
    assert np.mean(np.array(tagger.predict_intent(sentences)) == intents) >= 0.95
    assert SlotTagger(encoder="none", random_state=0).fit(*train).score(sentences, tags) < 0.9
