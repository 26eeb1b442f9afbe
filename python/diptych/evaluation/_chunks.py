"""Slot filling as conlleval counts it: chunks that are right from end to end."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from diptych import _validate_tags


class SlotScores(NamedTuple):
    """Scores of chunks, each in [0, 1], and how many there are.

    Attributes
    ----------
    precision : float
        Share of the chunks that were predicted which are right; 0 where there are none.
    recall : float
        Share of the true chunks that were predicted; 0 where there are none.
    f1 : float
        Harmonic mean of the two; 0 where both are.
    n_true, n_predicted, n_right : int
        Numbers of chunks.
    """

    precision: float
    recall: float
    f1: float
    n_true: int
    n_predicted: int
    n_right: int


class ChunkScores(NamedTuple):
    """Scores of chunks, each in [0, 1], over all slots together and for each.

    Attributes
    ----------
    precision, recall, f1 : float
        As of :class:`SlotScores`, over the chunks of all slots.
    n_true, n_predicted, n_right : int
        Numbers of chunks.
    by_slot : dict of str to SlotScores
        By the name of each slot that is true or predicted somewhere, in alphabetical order.
    """

    precision: float
    recall: float
    f1: float
    n_true: int
    n_predicted: int
    n_right: int
    by_slot: dict[str, SlotScores]


def chunk_scores(tags: Any, predicted: Any) -> ChunkScores:
    """Compare predicted tags with true ones, chunk by chunk, by the convention of conlleval.

    A chunk is a run of words that fill one slot. It is right if it was predicted with the same first word,
    last word and slot. A chunk begins with "B-x", and also with an "I-x" that goes on with nothing: after
    "O", another slot or no word at all.

    Parameters
    ----------
    tags : sequence of sequences of str
        The true tags of each sentence: "O", or "B-" or "I-" and the name of a slot.
    predicted : sequence of sequences of str
        As many for each sentence.

    Returns
    -------
    ChunkScores
        ``f1`` is what is published as the F1 of slot filling.

    Raises
    ------
    ValueError
        If the numbers of sentences or of tags in one differ, or something is no tag; the message says which
        sentence and which word.
    TypeError
        If something else than lists of strings is passed. (The error is a ValueError as well.)

    Notes
    -----
    The scores are those of ``conlleval.pl`` of CoNLL-2000 and of ``seqeval`` in its default mode. Time is
    linear in the number of tags.

    References
    ----------
    .. [1] E. F. Tjong Kim Sang and S. Buchholz, "Introduction to the CoNLL-2000 shared task: chunking", CoNLL
       2000, pp. 127-132.

    Examples
    --------
    >>> from diptych.evaluation import chunk_scores
    >>> true = [["O", "B-from", "I-from", "O", "B-to"]]
    >>> scores = chunk_scores(true, [["O", "B-from", "O", "O", "B-to"]])  # an end is missing: wrong
    >>> scores.f1, scores.by_slot["to"].f1
    (0.5, 1.0)
    """
    truth = _validate_tags.rows_of_tags(tags, "tags")
    answer = _validate_tags.tags(predicted, "predicted", truth, "tags")
    counts = {kind: Counter[str]() for kind in ("true", "predicted", "right")}
    for one, other in zip(truth, answer, strict=True):
        expected, found = set(chunks(one)), set(chunks(other))
        for kind, which in (("true", expected), ("predicted", found), ("right", expected & found)):
            counts[kind].update(slot for slot, _, _ in which)
    slots = sorted(counts["true"] | counts["predicted"])
    by_slot = {slot: _scores(*(counts[kind][slot] for kind in counts)) for slot in slots}
    return ChunkScores(*_scores(*(counts[kind].total() for kind in counts)), by_slot)


def chunks(tags: list[str]) -> Iterator[tuple[str, int, int]]:
    """Give the slot of each chunk, its first word and the word after its last."""
    slot, start = "", 0
    for at, tag in enumerate([*tags, "O"]):
        goes_on = tag[0] == "I" and tag[2:] == slot
        if slot and not goes_on:
            yield slot, start, at
        if not goes_on:
            slot, start = tag[2:], at


def _scores(n_true: int, n_predicted: int, n_right: int) -> SlotScores:
    return SlotScores(
        n_right / n_predicted if n_predicted else 0.0,
        n_right / n_true if n_true else 0.0,
        2 * n_right / (n_true + n_predicted) if n_true + n_predicted else 0.0,
        n_true,
        n_predicted,
        n_right,
    )
