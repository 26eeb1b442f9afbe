"""LSTMs with a way back or lengths of their own, and the tagger's training, beside whole frameworks."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from benches import data
from benches.data import DataMissing
from benches.frameworks.beside import CLOSE, furthest, judged, turns
from benches.frameworks.elsewhere import Arrays, Framework, there
from benches.recurrent import peers
from benches.recurrent.rows import EPOCH, FRAMEWORK_ROWS, Row
from benches.section import Settings
from benches.timing import sgemm, timed

CHECKED = 32  # sentences of the batch whose gradients are compared
EPOCHS, EPOCHS_QUICK = 5, 3


def lstm(settings: Settings) -> Iterator[dict]:
    """Time every row beside each framework."""
    rows = [row for row in FRAMEWORK_ROWS if settings.wanted(row.name)]
    if not rows:
        return
    with there(settings) as frameworks:
        for row in rows if frameworks else ():
            settings.say(f"{row.name} …")
            given = peers.draw(row)
            arrays = {name: array for name, array in asdict(given).items() if array is not None}
            call, named = forward(row, given, settings.threads)
            if row.back:
                arrays["dy"] = np.random.default_rng(2).standard_normal((row.times, row.batch, row.hidden))
                arrays["dy"] = arrays["dy"].astype(np.float32)
                call, named = there_and_back(given, arrays["dy"], settings.threads)
            rate = sgemm()
            for result in turns(call, named, frameworks, "lstm", arrays, settings):
                mine = row.operations() / result["ours"]["median"]
                about = {"row": row.name, "input": row.input, "rate": mine / 1e9, "of_sgemm": mine / rate}
                yield about | judged(result, row.target)


def network(given: peers.Inputs, threads: int) -> tuple[Any, dict[str, np.ndarray], Any]:
    """Return our network, its weights by their names, and its first state."""
    from diptych import nn

    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    weights = dict(zip(names, (given.w_ih, given.w_hh, given.b_ih, given.b_hh), strict=True))
    return nn.LSTM.from_state_dict(weights, n_jobs=threads), weights, (given.h[None], given.c[None])


def forward(row: Row, given: peers.Inputs, threads: int) -> tuple[Callable, Callable]:
    """Return our call, and what names the arrays it returns."""
    net, _, state = network(given, threads)

    def named(found: Any) -> Arrays:
        y, (h, c) = found
        return {"y": y, "h": h[0], "c": c[0]}

    return lambda: net(given.x, state, given.lengths), named


def there_and_back(given: peers.Inputs, dy: np.ndarray, threads: int) -> tuple[Callable, Callable]:
    """Return our call and what names its arrays; it is given its weights anew, as `nn.Adam` gives them."""
    net, weights, state = network(given, threads)

    def call() -> Any:
        net._replace(weights)
        y, _ = net(given.x, state, training=True)
        return y, net.backward(dy)

    def named(found: Any) -> Arrays:
        y, (dx, by, (dh, dc)) = found
        w_ih, w_hh, bias, _ = by.values()
        return {"y": y, "x": dx, "w_ih": w_ih, "w_hh": w_hh, "bias": bias, "h": dh[0], "c": dc[0]}

    return call, named


# The tagger


class Atis:
    """The training sentences as numbers, and a network with its first weights."""

    def __init__(self) -> None:
        from diptych import SlotTagger
        from diptych.estimators._tagging_known import Known, Sentences
        from diptych.estimators._tagging_network import Sizes, TaggingNetwork

        self.sentences = data.atis("train")
        given = Sentences(*self.sentences)
        known = Known.of(given, given)
        self.examples = known.examples(given)
        self.rates = known.vocabulary.unknown_rates(self.examples.words, 0.5)
        self.defaults = SlotTagger().get_params()
        sizes = Sizes(
            "lstm",
            True,
            len(known.vocabulary),
            self.defaults["embedding_dim"],
            self.defaults["hidden_size"],
            len(known.tags),
            len(known.intents),
        )
        self.network = TaggingNetwork(sizes, dropout=0.0, backend="rust", n_jobs=None, seed=0)

    def arrays(self, rows: np.ndarray, *, unknown: bool) -> dict[str, np.ndarray]:
        """Return sentences one behind the other, and the weights; ``unknown``: rare words are dropped."""
        words, tags, intents = self.examples
        return self.network.state_dict() | {
            "words": np.concatenate([words[row] for row in rows]),
            "tags": np.concatenate([tags[row] for row in rows]),
            "lengths": np.array([len(words[row]) for row in rows]),
            "intents": intents[rows],
            "unknown_rates": self.rates * unknown,
        }

    def gradients(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return our loss of a batch and its gradients, nothing dropped."""
        from diptych import nn
        from diptych.estimators._tagging_training import _INTENT_WEIGHT, IGNORED
        from diptych.estimators._tagging_words import UNKNOWN, padded

        words, tags, intents = self.examples
        lengths = np.array([len(words[row]) for row in rows])
        scores = self.network.forward(padded([words[row] for row in rows], UNKNOWN), lengths, training=True)
        wanted = padded([tags[row] for row in rows], IGNORED), intents[rows]
        loss, d_tags = nn.softmax_cross_entropy(scores[0], wanted[0], ignore_index=IGNORED)
        more, d_intents = nn.softmax_cross_entropy(scores[1], wanted[1], ignore_index=None)
        by = self.network.backward(d_tags, d_intents * np.float32(_INTENT_WEIGHT))
        named = {f"{layer}.{name}": x for layer, found in by.items() for name, x in found.items()}
        return {"loss": np.array(loss + _INTENT_WEIGHT * more)} | named


def epoch(settings: Settings) -> Iterator[dict]:
    """Time an epoch: ours is ``fit`` for one epoch, the numbering of the words included."""
    from diptych import SlotTagger

    if not settings.wanted(EPOCH.name):
        return
    try:
        atis = Atis()
    except DataMissing as why:
        settings.say(f"{EPOCH.name}: skipped, {why}")
        return
    tagger = SlotTagger(epochs=1, validation_share=0.0, random_state=0, n_jobs=settings.threads)
    with there(settings, ["torch"]) as frameworks:
        for framework in frameworks:
            settings.say(f"{EPOCH.name} …")
            difference = _compared(framework, atis)
            everything = np.arange(len(atis.examples.words))
            sizes = {name: atis.defaults[name] for name in ("batch_size", "dropout", "learning_rate")}
            ways = framework.make("epoch", atis.arrays(everything, unknown=True), **sizes)
            way = min(ways, key=lambda way: framework.once(way)["seconds"])
            mine, theirs = [], []
            for _ in range(EPOCHS_QUICK if settings.quick else EPOCHS):
                mine.append(timed(lambda: tagger.fit(*atis.sentences))[0])
                theirs.append(framework.once(way))
            result = {
                "row": EPOCH.name,
                "input": EPOCH.shown,
                "peer": f"{framework.version}: {way}",
                "ours": {"median": statistics.median(mine), "turns": mine},
                "theirs": {
                    "median": statistics.median(run["seconds"] for run in theirs),
                    "turns": [run["seconds"] for run in theirs],
                },
                "losses": [float(tagger.losses_[0]), theirs[0]["loss"]],
                "apart": difference,
                "ok": difference <= CLOSE,
            }
            yield judged(result, EPOCH.target)


def _compared(framework: Framework, atis: Atis) -> float:
    """Return how far the loss and the gradients of a batch of sentences of all lengths are apart."""
    rows = np.random.default_rng(0).permutation(len(atis.examples.words))[:CHECKED]
    answers = framework.make("gradients", atis.arrays(rows, unknown=False))
    return furthest(atis.gradients(rows), answers)
