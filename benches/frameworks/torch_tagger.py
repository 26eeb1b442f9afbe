"""The network of SlotTagger with its defaults, in PyTorch: layers, losses, minibatches and Adam as there.

Sentences come one behind the other, as numbers. Batches are those of sentences of nearly equal lengths, in
random order; one whose sentences are all equally long is not packed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 (its usual name)
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benches.frameworks.serving import Way

IGNORED, UNKNOWN = -100, 0
INTENT_WEIGHT, CLIP = 0.6, 5.0


class Network(nn.Module):
    """Vectors of words, an LSTM in both directions, a choice of a tag for each word and of an intent."""

    def __init__(self, weights: dict[str, Any], dropout: float) -> None:
        super().__init__()
        n_words, width = weights["words.weight"].shape
        hidden = weights["encoder.weight_hh_l0"].shape[1]
        self.words = nn.Embedding(n_words, width)
        self.encoder = nn.LSTM(width, hidden, bidirectional=True)
        self.tags = nn.Linear(2 * hidden, len(weights["tags.bias"]))
        self.intents = nn.Linear(2 * hidden + width, len(weights["intents.bias"]))
        self.dropout = nn.Dropout(dropout)
        self.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})

    def forward(self, words: Any, lengths: Any) -> tuple[Any, Any]:
        """Return the scores of tags (T, B, n_tags) and of intents (B, n_intents) of words (T, B)."""
        vectors = self.dropout(self.words(words))
        if (lengths == len(words)).all():
            x, _ = self.encoder(vectors)
            mean, largest = x.mean(dim=0), vectors.amax(dim=0)
        else:
            rows = pack_padded_sequence(vectors, lengths, enforce_sorted=False)
            x, _ = pad_packed_sequence(self.encoder(rows)[0])
            mean = x.sum(dim=0) / lengths[:, None]
            behind = (torch.arange(len(words))[:, None] >= lengths)[:, :, None]
            largest = vectors.masked_fill(behind, -torch.inf).amax(dim=0)
        return self.tags(self.dropout(x)), self.intents(torch.cat([mean, largest], dim=1))


class Sentences:
    """Sentences as numbers, and batches of them."""

    def __init__(self, words: Any, tags: Any, lengths: Any, intents: Any, unknown_rates: Any) -> None:
        ends = np.cumsum(lengths)
        self.words, self.tags = np.split(words, ends[:-1]), np.split(tags, ends[:-1])
        self.lengths, self.intents, self.unknown_rates = lengths, intents, unknown_rates

    def batches(self, size: int, generator: np.random.Generator) -> Any:
        """Give the rows of each batch."""
        rows = generator.permutation(len(self.lengths))
        rows = rows[np.argsort(self.lengths[rows], kind="stable")]
        for start in generator.permutation(np.arange(0, len(rows), size)):
            yield rows[start : start + size]

    def at(self, rows: Any, generator: np.random.Generator) -> tuple[Any, ...]:
        """Return words, lengths, tags and intents of some of them, rare words taken for unknown ones."""
        words = _padded([self.words[row] for row in rows], UNKNOWN)
        words[generator.random(words.shape) < self.unknown_rates[words]] = UNKNOWN
        tags = _padded([self.tags[row] for row in rows], IGNORED)
        return tuple(map(torch.from_numpy, (words, self.lengths[rows], tags, self.intents[rows])))


def _padded(rows: list[Any], fill: int) -> Any:
    table = np.full((max(map(len, rows)), len(rows)), fill, dtype=np.int64)
    for column, row in enumerate(rows):
        table[: len(row), column] = row
    return table


def loss_of(network: Network, words: Any, lengths: Any, tags: Any, intents: Any) -> Any:
    """Return the loss of a batch."""
    of_tags, of_intents = network(words, lengths)
    loss = F.cross_entropy(of_tags.flatten(0, 1), tags.flatten(), ignore_index=IGNORED)
    return loss + INTENT_WEIGHT * F.cross_entropy(of_intents, intents)


def make_gradients(
    *, words: Any, tags: Any, lengths: Any, intents: Any, unknown_rates: Any, **weights: Any
) -> dict[str, Way]:
    """All sentences as one batch, nothing dropped: the loss, and its gradient by each weight."""
    network = Network(weights, dropout=0.0)
    sentences = Sentences(words, tags, lengths, intents, unknown_rates)
    batch = sentences.at(np.arange(len(lengths)), np.random.default_rng(0))

    def call() -> Any:
        loss = loss_of(network, *batch)
        return loss, torch.autograd.grad(loss, list(network.parameters()))

    def named(found: Any) -> dict[str, Any]:
        names = (name for name, _ in network.named_parameters())
        by = {name: x.numpy() for name, x in zip(names, found[1], strict=True)}
        return {"loss": found[0].detach().numpy()} | by

    return {"a batch": Way(call, named)}


def make_epoch(
    *,
    words: Any,
    tags: Any,
    lengths: Any,
    intents: Any,
    unknown_rates: Any,
    batch_size: int,
    dropout: float,
    learning_rate: float,
    **weights: Any,
) -> dict[str, Way]:
    """One epoch over all sentences from first weights on: the mean loss of a sentence."""
    sentences = Sentences(words, tags, lengths, intents, unknown_rates)
    n_batches = -(-len(lengths) // batch_size)

    def epoch(**kind: bool) -> float:
        torch.manual_seed(0)
        generator = np.random.default_rng(0)
        network = Network(weights, dropout)
        parameters = list(network.parameters())
        adam = torch.optim.Adam(parameters, learning_rate, **kind)
        total = 0.0
        for i, rows in enumerate(sentences.batches(batch_size, generator)):
            adam.param_groups[0]["lr"] = learning_rate * (1 - i / n_batches)
            adam.zero_grad(set_to_none=True)
            loss = loss_of(network, *sentences.at(rows, generator))
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, CLIP)
            adam.step()
            total += loss.item() * len(rows)
        return total / len(lengths)

    kinds = ["foreach"] if torch.__version__.startswith("1.") else ["foreach", "fused"]
    ways = {"Adam": {}} | {f"Adam, {kind}": {kind: True} for kind in kinds}
    return {
        name: Way(lambda kind=kind: epoch(**kind), lambda loss: {"loss": np.float64(loss)})
        for name, kind in ways.items()
    }
