"""A picture of attention: how much each query takes of each value."""

from __future__ import annotations

import operator
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diptych import _validate
from diptych.plot._canvas import axes_to_draw_on

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from diptych.estimators.slot_tagger import SlotTagger

LABEL_LENGTH = 20  # longer tokens are cut
MOST_LABELS = 60  # of longer sequences every second, third, … token is named
MOST_NUMBERS = 16  # weights of as many tokens or fewer are written into their squares
SUM = 1e-3  # by which a row of weights may miss 1


class AttentionDisplay:
    """Weights as squares: a row for each query, a column for each key, darker where more is taken.

    Parameters
    ----------
    weights : ndarray of shape (n_heads, L, S)
        How much each query takes of each value, by head.
    queries : list of str
        A name for each of the L queries.
    keys : list of str
        A name for each of the S keys.
    title : str, optional
        Title of the picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure of ``ax_``.
    """

    ax_: Axes
    figure_: Figure

    def __init__(
        self,
        weights: NDArray[np.floating[Any]],
        queries: list[str],
        keys: list[str],
        *,
        title: str | None = None,
    ) -> None:
        self.weights = weights
        self.queries = queries
        self.keys = keys
        self.title = title

    @classmethod
    def from_weights(
        cls,
        weights: ArrayLike,
        tokens: Sequence[Any] | None = None,
        *,
        keys: Sequence[Any] | None = None,
        title: str | None = None,
    ) -> AttentionDisplay:
        """Make the display of weights as attention returns them.

        Parameters
        ----------
        weights : array-like of shape (L, S) or (n_heads, L, S)
            Rows that sum to 1, or are 0 where a query sees nothing: what ``return_weights=True`` of
            :func:`diptych.kernels.attention.scaled_dot_product_attention` gives, or
            :class:`diptych.nn.MultiheadAttention`, of one sequence.
        tokens : sequence of length L, or None, default=None
            What stands at each query; None numbers them.
        keys : sequence of length S, or None, default=None
            What stands at each key; None takes `tokens` where L is S, else numbers them.
        title : str, optional
            Title of the picture.

        Returns
        -------
        AttentionDisplay

        Raises
        ------
        ValueError
            If weights have another number of axes, are negative or do not sum to 1, or there are not as many
            tokens as queries or keys.
        TypeError
            If weights are no numbers. (The error is a ValueError as well.)
        """
        W = _checked(weights)
        L, S = W.shape[1:]
        queries = _names(tokens, L, "tokens", "queries")
        if keys is None and tokens is not None and L == S:
            return cls(W, queries, list(queries), title=title)
        return cls(W, queries, _names(keys, S, "keys", "keys"), title=title)

    @classmethod
    def from_estimator(
        cls, estimator: SlotTagger, sentence: Sequence[str], *, layer: int = -1
    ) -> AttentionDisplay:
        """Let a fitted tagger read a sentence, and make the display of what its words looked at.

        Parameters
        ----------
        estimator : SlotTagger
            A fitted estimator with ``encoder="transformer"``.
        sentence : sequence of str
            The words.
        layer : int, default=-1
            Which layer, counted from 0; -1 is the last.

        Returns
        -------
        AttentionDisplay

        Raises
        ------
        ValueError
            If the tagger has another encoder, the sentence is empty, or there is no such layer.
        NotFittedError
            If the tagger is not fitted.
        """
        weights = estimator.attention_weights(sentence)
        at = _place(layer, "layer", len(weights))
        return cls.from_weights(weights[at], sentence, title=f"What words look at, layer {at}")

    def plot(self, ax: Axes | None = None, *, head: int | None = None) -> AttentionDisplay:
        """Draw the weights.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure when not given, as large as the tokens need.
        head : int or None, default=None
            Which head, counted from 0, -1 being the last; None draws the mean of all.

        Returns
        -------
        AttentionDisplay
            This display, with ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            If there is no such head.
        """
        n, L, S = self.weights.shape
        at = None if head is None else _place(head, "head", n)
        shown = self.weights.mean(axis=0) if at is None else self.weights[at]
        width, height = (1.8 + 0.34 * min(max(count, 6), MOST_LABELS / 2) for count in (S, L))
        ax = axes_to_draw_on(ax, (width + 1.0, height))
        image = ax.imshow(shown, cmap="Blues", vmin=0.0, vmax=1.0, interpolation="nearest")
        if max(L, S) <= MOST_NUMBERS:
            _write(ax, shown)
        for axis, names in ((ax.xaxis, self.keys), (ax.yaxis, self.queries)):
            places = range(0, len(names), -(-len(names) // MOST_LABELS))
            axis.set_ticks(places, [_short(names[place]) for place in places], fontsize="small")
            for label in axis.get_ticklabels():
                label.set_parse_math(False)  # a token may hold dollar signs
        ax.tick_params(axis="x", labelrotation=90)
        ax.set_xlabel("looks at")
        ax.set_ylabel("who looks")
        title = [self.title] if self.title else []
        if n > 1:
            title += [f"mean of {n} heads" if at is None else f"head {at}"]
        if title:
            ax.set_title(", ".join(title), fontsize="medium", parse_math=False)
        ax.figure.colorbar(image, ax=ax, fraction=0.046, label="weight")
        self.ax_, self.figure_ = ax, ax.figure  # type: ignore[assignment]
        return self


def _checked(weights: ArrayLike) -> NDArray[np.float64]:
    """Return weights with an axis of heads."""
    W = _validate._array(weights, "weights")
    if W.dtype.kind not in "fiub":
        raise _validate.DtypeError(f"weights has dtype {W.dtype}: real numbers are needed.")
    if W.ndim not in (2, 3) or 0 in W.shape:
        raise ValueError(
            f"weights has shape {W.shape}: (queries, keys) or (heads, queries, keys) is needed, none of them "
            "0; of several sequences pass those of one, weights[0]."
        )
    W = W.astype(np.float64).reshape(-1, *W.shape[-2:])
    sums = W.sum(axis=2)
    wrong = ~((np.abs(sums - 1) <= SUM) | (sums == 0)) | (W < 0).any(axis=2)
    if wrong.any():
        head, query = np.argwhere(wrong)[0].tolist()
        low = W[head, query].min()
        what = f"holds {low:.4g}" if low < 0 else f"sums to {sums[head, query]:.4g}"
        raise ValueError(
            f"the weights of query {query} in head {head}: the row {what}; weights must be 0 or more and sum "
            "to 1, or be 0 altogether. Scores become weights by softmax."
        )
    return W


def _place(value: Any, name: str, n: int) -> int:
    """Return which of n, counted from 0."""
    try:
        at = operator.index(value)
    except TypeError:
        raise _validate.DtypeError(f"{name}={value!r}: must be an integer.") from None
    if not -n <= at < n:
        raise ValueError(f"{name}={value}: there are {n} {name}s, 0 to {n - 1}.")
    return at % n


def _names(tokens: Sequence[Any] | None, n: int, name: str, what: str) -> list[str]:
    if tokens is None:
        return list(map(str, range(n)))
    if not hasattr(tokens, "__len__"):
        raise _validate.DtypeError(
            f"{name} is of type {type(tokens).__name__}: a list of {n} is needed, one for each of the {what}."
        )
    if len(tokens) != n:
        raise ValueError(f"{name} has {len(tokens)} entries: one for each of the {n} {what} is needed.")
    return list(map(str, tokens))


def _short(name: str) -> str:
    return textwrap.shorten(name, LABEL_LENGTH, placeholder=" …") if len(name) > LABEL_LENGTH else name


def _write(ax: Axes, weights: NDArray[np.float64]) -> None:
    """Write weights that can be seen into their squares, in hundredths."""
    for (query, key), weight in np.ndenumerate(weights):
        if weight >= 0.005:
            colour = "white" if weight > 0.5 else "#303030"
            ax.text(key, query, f"{100 * weight:.0f}", ha="center", va="center", fontsize=6, color=colour)
