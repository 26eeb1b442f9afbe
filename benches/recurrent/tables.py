"""The tables of recurrent nets."""

from __future__ import annotations

from benches.report import apart, beside_peer, held, seconds
from benches.section import Section


def microseconds(value: float) -> str:
    """Three significant digits; a step takes less than one."""
    return f"{value * 1e6:,.3g} µs" if value < 1e-3 else f"{value * 1e6:,.0f} µs"


def cells(result: dict) -> list[str]:
    """One line."""
    return [
        result["input"],
        *beside_peer(result, microseconds),
        f"{result['rate']:.0f}",
        f"{result['of_sgemm']:.0%}",
        apart(result),
        f"{len(result['ours']['turns'])}",
    ]


def percent(value: float | None) -> str:
    """Return a share with two digits of a per cent."""
    return "–" if value is None else f"{100 * value:.2f}"


def slot_cells(result: dict) -> list[str]:
    """One encoder."""
    least, most = result["f1_spread"]
    return [
        result["input"],
        percent(result["f1"]),
        f"{percent(least)} to {percent(most)}",
        percent(result["bar"]),
        percent(result["goal"]),
        percent(result["intents"]),
        percent(result["intents_bar"]),
        held(result["held"]),
        seconds(result["epoch"]),
        f"{len(result['runs'])}",
    ]


def epoch_cells(result: dict) -> list[str]:
    """One framework."""
    ours, theirs = result["losses"]
    return [
        result["input"],
        *beside_peer(result),
        f"{ours:.3f} / {theirs:.3f}",
        apart(result),
        f"{len(result['ours']['turns'])}",
    ]


def text_cells(result: dict) -> list[str]:
    """One line."""
    return [
        result["input"],
        result["model"],
        f"{result['seconds']:.0f} s",
        f"{result['rate']:,.0f}",
        f"{result['nats']:.3f}",
        f"{result['bar']}",
        f"{result['counted']:.3f}",
        held(result["held"]),
    ]


SECTIONS = (
    Section(
        "lstm",
        "nn.LSTM: steps, sequences and batches, single precision, from Python",
        "input | peer | diptych | peer takes | ratio | bar | goal | bar held | our GFLOP/s | "
        "of NumPy's SGEMM | apart | turns",
        cells,
        "benches.recurrent.sequences:lstm",
    ),
    Section(
        "lstm-frameworks",
        "nn.LSTM beside whole frameworks, single precision",
        "input | peer | diptych | peer takes | ratio | bar | goal | bar held | our GFLOP/s | "
        "of NumPy's SGEMM | apart | turns",
        cells,
        "benches.recurrent.frameworks:lstm",
    ),
    Section(
        "slot-filling",
        "Slot filling on ATIS: 4,478 sentences to learn from, 893 to tag, nothing pretrained; means of seeds",
        "encoder | chunk F1, % | of the seeds | bar | goal | intents, % | bar | bars held | an epoch | seeds",
        slot_cells,
        "benches.recurrent.tagging:slot_filling",
    ),
    Section(
        "slot-epoch",
        "An epoch of training on ATIS, SlotTagger beside the same network in PyTorch",
        "encoder | peer | diptych | peer takes | ratio | bar | goal | bar held | mean loss, ours / theirs | "
        "gradients apart | runs",
        epoch_cells,
        "benches.recurrent.frameworks:epoch",
    ),
    Section(
        "character-model",
        "CharacterModel: nats per character of a text held out, within ten minutes of training",
        "text | model | training | characters per second | nats | bar | Kneser–Ney 5-gram | bar held",
        text_cells,
        "benches.recurrent.text:character_model",
    ),
)
