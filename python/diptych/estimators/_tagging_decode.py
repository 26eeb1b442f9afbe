"""The best sequence of tags, of those that are BIO sequences."""

import numpy as np
from numpy.typing import NDArray


def begins(tags: list[str]) -> NDArray[np.int64]:
    """Return for each tag "I-x" the number of "B-x", and -1 for all others."""
    number = {tag: i for i, tag in enumerate(tags)}
    return np.array([number["B" + tag[1:]] if tag[0] == "I" else -1 for tag in tags], dtype=np.int64)


def best_sequences(
    scores: NDArray[np.float32], lengths: NDArray[np.int64], of: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    """Return for each sentence the tags of the largest sum of scores; "I-x" follows "B-x" or itself alone.

    Viterbi's algorithm [1]_. All tags but the "I-" may follow anything, so that a word costs O(tags).

    References
    ----------
    .. [1] A. J. Viterbi, "Error bounds for convolutional codes and an asymptotically optimum decoding
       algorithm", IEEE Transactions on Information Theory 13(2), 1967.
    """
    T, B, K = scores.shape
    inside = np.flatnonzero(of >= 0)
    begin = of[inside]
    best = scores[0].astype(np.float64)  # of the sequences that end in each tag
    best[:, inside] = -np.inf
    back = np.empty((T, B, K), dtype=np.int64)
    for t in range(1, T):
        going_on = np.where(best[:, inside] >= best[:, begin], inside, begin)
        back[t] = best.argmax(axis=1)[:, None]
        back[t][:, inside] = going_on
        reached = np.take_along_axis(best, back[t], axis=1) + scores[t]
        best = np.where((t < lengths)[:, None], reached, best)
    found = np.empty((T, B), dtype=np.int64)
    tag, rows = best.argmax(axis=1), np.arange(B)
    for t in reversed(range(T)):
        found[t] = tag
        if t:
            tag = np.where(t < lengths, back[t, rows, tag], tag)
    return [found[:length, b] for b, length in enumerate(lengths)]
