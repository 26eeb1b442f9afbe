"""The study `scaling`: why attention divides by √d, and not by 1, d or d².

    z_j = s · q · k_j,   p = softmax(z),   s = 1, 1/√d, 1/d, 1/d²;   d numbers a vector, n = 64 keys

The entries of q and k are independent with variance 1, as they are about to be when training begins. For d
from 1 to 4096 the study measures q · k, the entropy of p, and the spectral norms of ∂p/∂z and ∂p/∂q: medians
and quartiles over queries, for means say little of numbers that differ by powers of ten.

The usual explanation is nearly right, and in four places not quite:

- What grows with d is the **variance** of q · k, which is d. Its expectation is 0 for every d.
- Without scaling p goes to a single key and the gradient vanishes: right. But 1/d and 1/d² do not blow
  anything up: p goes **uniform**, each key gets 1/n whatever it says.
- Without scaling the gradient does not shrink at once: it grows at first, ∂p/∂z to d = 16 or 32 and ∂p/∂q to
  32 or 64, usual sizes of a head, and vanishes from some hundred on.
- ∂p/∂z does not vanish under 1/d. It tends to that of the uniform p, whose norm is 1/n. What vanishes is
  **∂p/∂q** = s · ∂p/∂z · K, as d^(−1/2) under 1/d and as d^(−3/2) under 1/d².

With 1/√d the scores are as spread for d = 4096 as for d = 64: the entropy stays near log n − 1/2, what normal
scores of variance 1 give, and so do both gradients stay where they are.

That is the beginning of training, and weights can grow and undo any scale. So the same small tagger, with one
head of d = 64, is trained on travel requests under each. With seeds 0 to 4 (`diptych study scaling --seed 1`
for one of them):

- Under **1/√d** it ends with the smallest loss; F1 is 0.95 to 0.99.
- With √d **left out** attention begins sharp and ends sharper: entropies fall from half of log n to a
  quarter, where under 1/√d they fall from all to three quarters. What that costs is a matter of luck, F1 is
  0.75 to 0.99; the net does learn.
- Under **1/d** it begins uniform and learns all the same, later: F1 is 0.87 to 0.96. Under **1/d²** words
  never learn where to look, entropies stay at log n, and F1 is 0.72 to 0.76.

So training undoes 1/d for the most part, and 1/d² not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diptych import _validate
from diptych import plot as _plot
from diptych._blas import one_thread
from diptych.studies._moving import MovingDisplay
from diptych.studies._result import StudyResult
from diptych.studies._scaling_tagger import WIDTH, Trained, train

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Scaled", "ScalingDisplay", "Scores", "Trained", "scaling"]

QUESTION = "Why does attention divide by √d, and not by 1, d or d²?"
LAW = (
    "The variance of q · k is d and its mean 0, within their sampling errors; at d = 4096 the entropy of "
    "p is near 0 without scaling and near log n under 1/d and 1/d², and under 1/√d it is log n − 1/2 "
    "from d = 64 on, within 0.05 for 64 keys and the sampling error; ∂p/∂z vanishes without scaling, and "
    "tends to 1/n under 1/d and 1/d², where ∂p/∂q vanishes; under 1/√d either gradient is at d = 4096 "
    "what it is at d = 64, within a factor of 2. Of taggers that differ in the scale alone, the one with "
    "1/√d ends with the smallest loss, and that with 1/d² with the largest, its F1 lower by more than 0.1; "
    "without scaling attention is the sharpest, before training and after; under 1/d² it stays uniform."
)
SCALES = ("1", "1/√d", "1/d", "1/d²")
POWERS = {"1": 0.0, "1/√d": -0.5, "1/d": -1.0, "1/d²": -2.0}  # s = d ** power
DIMENSIONS: tuple[int, ...] = tuple(2**k for k in range(13))
KEYS = 64
MIDDLE = 64  # from this d on, 1/√d is as it stays
ERRORS = 4.0  # standard errors that what was drawn may be off
FEW_KEYS = 0.05  # by which the entropy of 64 keys may be off that of very many
UNIFORM = 0.98  # of log n, an entropy from which on all words are looked at alike
PACE = 3  # frames for each second of the animation

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """What q · k is for one d.

    Attributes
    ----------
    d : int
        Numbers a vector.
    mean, variance : float
        Over all queries and keys, the variance about 0.
    mean_error, variance_error : float
        Standard errors of both by theory, the keys of a query being no independent trials: its length is
        common to them.
    """

    d: int
    mean: float
    variance: float
    mean_error: float
    variance_error: float

    @property
    def as_expected(self) -> bool:
        """Whether the mean is 0 and the variance d, within four standard errors."""
        return (
            abs(self.mean) <= ERRORS * self.mean_error
            and abs(self.variance - self.d) <= ERRORS * self.variance_error
        )


@dataclass(frozen=True)
class Scaled:
    """What softmax makes of the scores under one scale; columns are the quartiles over queries.

    Attributes
    ----------
    scale : {"1", "1/√d", "1/d", "1/d²"}
        s.
    n_queries : int
        How many for each d.
    entropy : ndarray of shape (len(DIMENSIONS), 3)
        Of p, in nats.
    by_scores : ndarray of shape (len(DIMENSIONS), 3)
        ‖∂p/∂z‖₂.
    by_query : ndarray of shape (len(DIMENSIONS), 3)
        ‖∂p/∂q‖₂.
    """

    scale: str
    n_queries: int
    entropy: Floats
    by_scores: Floats
    by_query: Floats

    def median(self, what: str, d: int = DIMENSIONS[-1]) -> float:
        """Return the median of "entropy", "by_scores" or "by_query" for one d."""
        return float(getattr(self, what)[DIMENSIONS.index(d), 1])

    def largest(self, what: str) -> int:
        """Return the d whose median is the largest."""
        return DIMENSIONS[int(getattr(self, what)[:, 1].argmax())]

    def error_of_median(self, what: str, d: int) -> float:
        """Return the standard error of that median, from the quartiles and as of normal numbers."""
        low, _, high = getattr(self, what)[DIMENSIONS.index(d)]
        return float(np.sqrt(np.pi / 2 / self.n_queries) * (high - low) / 1.349)


@dataclass(frozen=True)
class _Answer:
    """What was measured, by d and by scale."""

    scores: tuple[Scores, ...]
    scaled: dict[str, Scaled]
    trained: dict[str, Trained]

    @property
    def variance_grows(self) -> bool:
        """Whether the variance is d, and the mean 0."""
        return all(found.as_expected for found in self.scores)

    @property
    def entropy_goes_both_ways(self) -> bool:
        """Whether p goes to one key under 1, to all alike under 1/d and 1/d², and stays under 1/√d."""
        most, usual = np.log(KEYS), self.scaled["1/√d"]
        stays = [
            abs(usual.median("entropy", d) - (most - 0.5))
            <= FEW_KEYS + ERRORS * usual.error_of_median("entropy", d)
            for d in DIMENSIONS
            if d >= MIDDLE
        ]
        return bool(
            self.scaled["1"].median("entropy") < 0.05 * most
            and all(self.scaled[scale].median("entropy") > 0.999 * most for scale in ("1/d", "1/d²"))
            and all(stays)
        )

    @property
    def gradients_vanish_where_they_do(self) -> bool:
        """Whether ∂p/∂z vanishes without scaling alone, and ∂p/∂q under all scales but 1/√d."""
        uniform = [self.scaled[scale].median("by_scores") for scale in ("1/d", "1/d²")]
        lost = all(_change(self.scaled[scale], "by_query") < 1 / 4 for scale in ("1", "1/d", "1/d²"))
        kept = [_change(self.scaled["1/√d"], what) for what in ("by_scores", "by_query")]
        return bool(
            self.scaled["1"].median("by_scores") < 1e-3
            and np.allclose(uniform, 1 / KEYS, rtol=0.1, atol=0)
            and lost
            and all(1 / 2 < change < 2 for change in kept)
        )

    @property
    def training_tells_them_apart(self) -> bool:
        """Whether 1/√d learns best, 1 looks at fewest words, and 1/d² at all alike and learns least."""
        losses = {scale: found.losses[-1] for scale, found in self.trained.items()}
        after = {scale: found.after for scale, found in self.trained.items()}
        before = {scale: found.before for scale, found in self.trained.items()}
        return (
            min(losses, key=losses.__getitem__) == "1/√d"
            and max(losses, key=losses.__getitem__) == "1/d²"
            and self.trained["1/d²"].f1 < self.trained["1/√d"].f1 - 0.1
            and min(before, key=before.__getitem__) == min(after, key=after.__getitem__) == "1"
            and after["1/d²"] > UNIFORM
        )


def _change(scaled: Scaled, what: str) -> float:
    """Return the median for the largest d over that for the middle one."""
    return scaled.median(what) / scaled.median(what, MIDDLE)


def scaling(n_queries: int = 100, *, n_sentences: int = 600, rng: int = 0) -> StudyResult:
    """Show why attention divides by √d, and not by 1, d or d².

    Draws queries and keys of unit variance for d from 1 to 4096, and measures scores, entropies and
    gradients under four scales; trains a small tagger under each.

    Parameters
    ----------
    n_queries : int
        Queries for each d, at least 20; each has 64 keys of its own.
    n_sentences : int
        Travel requests that each tagger learns from.
    rng : int
        Seed of all numbers.

    Returns
    -------
    StudyResult
        ``display`` is a `ScalingDisplay`, which has the `Scores` of each d as ``scores``, what is
        `Scaled` by each scale as ``scaled``, and what was `Trained` under it as ``trained``.

    Raises
    ------
    ValueError
        If `n_queries` is below 20, or `n_sentences` below 1.

    Notes
    -----
    Peak memory is that of the keys of one query and of n_queries · 64 · 64 numbers, a few times.

    References
    ----------
    .. [1] A. Vaswani et al., "Attention is all you need", NeurIPS, 2017, section 3.2.1.
    """
    if _validate.count(n_queries, "n_queries") < 20:
        raise ValueError(f"n_queries={n_queries}: must be 20 or more, for there are quartiles to take.")
    _validate.count(n_sentences, "n_sentences")
    trained = {found.scale: found for found in train(POWERS, n_sentences, rng)}
    answer = _Answer(*_untrained(n_queries, rng), trained)
    holds = (
        answer.variance_grows
        and answer.entropy_goes_both_ways
        and answer.gradients_vanish_where_they_do
        and answer.training_tells_them_apart
    )
    display = ScalingDisplay(answer.scores, answer.scaled, trained)
    return StudyResult("scaling", QUESTION, LAW, holds, _numbers(answer), display)


def _untrained(n_queries: int, rng: int) -> tuple[tuple[Scores, ...], dict[str, Scaled]]:
    """Measure queries and keys that were drawn, for each d."""
    generator = np.random.default_rng(rng)
    scores: list[Scores] = []
    rows: dict[str, list[Floats]] = {scale: [] for scale in SCALES}
    with one_thread():  # of 64 × 64 numbers, for which two threads wait for each other
        for d in DIMENSIONS:
            products, gram = _draw(generator, n_queries, d)
            scores.append(_scores(products, d))
            for scale in SCALES:
                rows[scale].append(_quartiles(products, gram, d ** POWERS[scale]))
    scaled = {scale: Scaled(scale, n_queries, *np.array(rows[scale]).swapaxes(0, 1)) for scale in SCALES}
    return tuple(scores), scaled


def _draw(generator: np.random.Generator, n: int, d: int) -> tuple[Floats, Floats]:
    """Return K q, (n, keys), and K Kᵀ, (n, keys, keys), of n queries, each with keys of its own."""
    products, gram = np.empty((n, KEYS)), np.empty((n, KEYS, KEYS))
    for i in range(n):
        q, K = generator.normal(size=d), generator.normal(size=(KEYS, d))
        products[i], gram[i] = K @ q, K @ K.T
    return products, gram


def _scores(products: Floats, d: int) -> Scores:
    """Return mean and variance of products, with their errors.

    Given q, they are normal with variance |q|², which has mean d and variance 2d: the mean square over the
    keys of a query has variance 2d + 2 E|q|⁴ / keys.
    """
    n = len(products)
    variance_of_query = 2 * d + 2 * (d * d + 2 * d) / KEYS
    return Scores(
        d,
        float(products.mean()),
        float((products**2).mean()),
        float(np.sqrt(d / products.size)),
        float(np.sqrt(variance_of_query / n)),
    )


def _quartiles(products: Floats, gram: Floats, s: float) -> Floats:
    """Return the quartiles of entropy, ‖∂p/∂z‖ and ‖∂p/∂q‖, (3, 3)."""
    z = s * products
    z = z - z.max(axis=1, keepdims=True)
    e = np.exp(z)
    total = e.sum(axis=1, keepdims=True)
    p = e / total
    entropy = np.log(total[:, 0]) - (p * z).sum(axis=1)
    J = softmax_jacobian(p)
    by_scores = np.abs(np.linalg.eigvalsh(J)).max(axis=1)
    by_query = s * np.sqrt(np.maximum(np.linalg.eigvalsh(J @ gram @ J).max(axis=1), 0))  # ‖J K‖² = ‖J K Kᵀ J‖
    return np.array([np.quantile(v, (0.25, 0.5, 0.75)) for v in (entropy, by_scores, by_query)])


def softmax_jacobian(p: Floats) -> Floats:
    """Return ∂p/∂z = diag(p) − p pᵀ, exact also where one of p is nearly 1.

    Parameters
    ----------
    p : ndarray of shape (…, n)
        Softmax of z.

    Returns
    -------
    ndarray of shape (…, n, n)
        p_i (1 − p_i) on the diagonal is taken as p_i Σ_{j≠i} p_j, which does not cancel.
    """
    n = p.shape[-1]
    J = -p[..., :, None] * p[..., None, :]
    J[..., range(n), range(n)] = p * (p @ (1 - np.eye(n)))
    return np.asarray(J)


def _numbers(answer: _Answer) -> dict[str, Any]:
    """Return what was measured, by name."""
    numbers: dict[str, Any] = {"keys": KEYS, "log_n": round(float(np.log(KEYS)), 3)}
    for found in answer.scores[::4]:
        numbers[f"d_{found.d}:_mean_of_q_·_k"] = f"{found.mean:.3g} ± {found.mean_error:.2g}"
        numbers[f"d_{found.d}:_variance_of_q_·_k"] = f"{found.variance:.4g} ± {found.variance_error:.2g}"
    for what, words in (("entropy", "entropy"), ("by_scores", "‖∂p/∂z‖"), ("by_query", "‖∂p/∂q‖")):
        for scale, scaled in answer.scaled.items():
            medians = [f"{scaled.median(what, d):.3g}" for d in (1, MIDDLE, DIMENSIONS[-1])]
            numbers[f"{words},_scale_{scale}:_d_=_1,_{MIDDLE},_{DIMENSIONS[-1]}"] = ", ".join(medians)
    for what, words in (("by_scores", "‖∂p/∂z‖"), ("by_query", "‖∂p/∂q‖")):
        numbers[f"{words},_scale_1:_largest_at_d"] = answer.scaled["1"].largest(what)
    for scale, tagger in answer.trained.items():
        numbers[f"trained_tagger,_scale_{scale}"] = (
            f"loss {tagger.losses[-1]:.3f}, F1 {tagger.f1:.3f}, "
            f"entropy / log n {tagger.before:.3f} before training, {tagger.after:.3f} after"
        )
    return numbers


class ScalingDisplay(MovingDisplay):
    """Variance of the scores, entropy and both gradients against d; taggers that were trained below.

    In the animation d grows.

    Parameters
    ----------
    scores : tuple of Scores
        By d.
    scaled : dict of str to Scaled
        By scale.
    trained : dict of str to Trained
        By scale.

    Attributes
    ----------
    axes_ : dict of str to matplotlib Axes
        "scores", "entropy", "by_scores" and "by_query", "losses" and "trained".
    figure_ : matplotlib Figure
        Their figure.
    """

    axes_: dict[str, Axes]
    figure_: Figure
    _pace = PACE

    def __init__(
        self, scores: tuple[Scores, ...], scaled: dict[str, Scaled], trained: dict[str, Trained]
    ) -> None:
        self.scores = scores
        self.scaled = scaled
        self.trained = trained

    def _frames(self) -> range:
        return range(1, len(DIMENSIONS) + 1)

    def _open(self) -> None:
        _plot.import_matplotlib()
        import matplotlib.pyplot as plt

        layout: list[Any] = [["scores", "entropy"], ["by_scores", "by_query"], ["losses", "trained"]]
        self.figure_, self.axes_ = plt.subplot_mosaic(layout, figsize=(10.5, 10.5))
        self.figure_.subplots_adjust(left=0.08, right=0.98, bottom=0.06, top=0.96, hspace=0.3, wspace=0.2)
        self._draw_trained()

    def _draw(self, until: int) -> None:
        """Draw what the first dimensions show."""
        for ax in (self.axes_[name] for name in ("scores", "entropy", "by_scores", "by_query")):
            ax.clear()
            ax.set_xscale("log", base=2)
            ax.set_xlim(0.8, 1.25 * DIMENSIONS[-1])
        self._draw_scores(self.axes_["scores"], until)
        d = np.array(DIMENSIONS[:until], np.float64)
        for scaled, colour in zip(self.scaled.values(), _plot.cluster_colours(len(SCALES)), strict=True):
            for what in ("entropy", "by_scores", "by_query"):
                low, middle, high = np.maximum(getattr(scaled, what)[:until].T, 1e-300)
                ax = self.axes_[what]
                ax.plot(d, middle, color=colour, marker="o", markersize=3, label=f"scale {scaled.scale}")
                ax.fill_between(d, low, high, color=colour, alpha=0.15)
        entropy, by_scores, by_query = (self.axes_[what] for what in ("entropy", "by_scores", "by_query"))
        entropy.axhline(np.log(KEYS), color=_plot.NOISE_COLOUR, linewidth=0.8)
        entropy.set_ylim(-0.1, np.log(KEYS) + 0.25)
        entropy.set_title(f"entropy of p; log {KEYS} is uniform", fontsize="small")
        entropy.legend(fontsize="small", frameon=False, loc="lower left")
        for ax, title in ((by_scores, "‖∂p/∂z‖"), (by_query, "‖∂p/∂q‖")):
            ax.set_yscale("log")
            ax.set_ylim(1e-9, 2)
            ax.set_title(title, fontsize="small")
            ax.set_xlabel("d")

    def _draw_trained(self) -> None:
        losses, ends = self.axes_["losses"], self.axes_["trained"]
        colours = _plot.cluster_colours(len(SCALES))
        for found, colour in zip(self.trained.values(), colours, strict=True):
            losses.plot(np.arange(1, len(found.losses) + 1), found.losses, color=colour)
        losses.set_yscale("log")
        losses.set_title(f"loss of a tagger with d = {WIDTH}, by epoch", fontsize="small")
        losses.set_xlabel("epoch")
        at = np.arange(len(self.trained))
        bars = ends.bar(at - 0.2, [found.f1 for found in self.trained.values()], 0.38, color=colours)
        ends.bar_label(bars, fmt="%.3f", fontsize="x-small")
        entropies = [found.after for found in self.trained.values()]
        bars = ends.bar(at + 0.2, entropies, 0.38, color=colours, alpha=0.35)
        ends.bar_label(bars, fmt="%.3f", fontsize="x-small")
        ends.set_xticks(at, [f"scale {scale}" for scale in self.trained], fontsize="small")
        ends.set_ylim(0, 1.15)
        ends.set_title("its F1, and pale the entropy of its weights / log n", fontsize="small")

    def _draw_scores(self, ax: Axes, until: int) -> None:
        found = self.scores[:until]
        d = [one.d for one in found]
        blue, orange = _plot.cluster_colours(2)
        ax.plot(DIMENSIONS, DIMENSIONS, color=_plot.NOISE_COLOUR, linewidth=0.8)
        errors = [ERRORS * one.variance_error for one in found]
        style: dict[str, Any] = {"fmt": "o", "markersize": 3, "capsize": 2}
        ax.errorbar(d, [one.variance for one in found], errors, color=blue, label="variance", **style)
        errors = [ERRORS * one.mean_error for one in found]
        ax.errorbar(d, [one.mean for one in found], errors, color=orange, label="mean", **style)
        ax.set_yscale("symlog", linthresh=1)
        ax.set_title("q · k, with four standard errors; the line is d", fontsize="small")
        ax.legend(fontsize="small", frameon=False, loc="upper left")
