"""The laws of skip-gram: pairs, noise, negatives, loss and gradients, and those of training beside it.

Laws do not say which random words are drawn, only how draws are distributed.
"""

# ruff: noqa: D401 -- the docstring of a law is what the law says

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np

from diptych.testing import _skipgram_definition as definition
from diptych.testing._call import LawBroken
from diptych.testing._engine import Case, Family, Subject, examples
from diptych.testing._shrink import simpler_cases
from diptych.testing._skipgram_training import TRAIN

__all__ = [
    "NEGATIVE_SAMPLES",
    "NOISE_DISTRIBUTION",
    "SGNS_GRADIENTS",
    "SGNS_LOSS",
    "TRAIN",
    "WINDOW_PAIRS",
]

_DEVIATIONS = 6.0  # a mean that far from its expectation happens once in 10**9 tries


# window_pairs -------------------------------------------------------------------------------------

WINDOW_PAIRS = Family(
    "skipgram.window_pairs",
    positional=("walks",),
    required=("window",),
    smaller=simpler_cases(lambda case: {"walks": ("walk", "position")}, ("window",), lambda case: set()),
)


def _walkable(case: Case) -> bool:
    walks = case["walks"]
    resumed = (walks[:, :-1] < 0) & (walks[:, 1:] >= 0)
    return case["window"] >= 1 and walks.min(initial=0) >= -1 and not resumed.any()


def _walks(random: Random) -> Iterator[Case]:
    while True:
        length, nodes = random.randint(1, 9), random.randint(1, 12)
        rows = []
        for _ in range(random.randint(1, 5)):
            held = random.choice((length, random.randint(0, length)))
            rows.append([random.randrange(nodes) for _ in range(held)] + [-1] * (length - held))
        yield {"walks": np.array(rows, dtype=np.int32), "window": random.randint(1, 5)}


def _fixed(random: Random) -> Iterator[Case]:
    for case in _walks(random):
        yield case | {"shrink": False}


def _pairs(subject: Subject, case: Case) -> list[tuple[int, int]]:
    try:
        centers, contexts = (np.asarray(part) for part in subject(case))
    except (TypeError, ValueError):
        raise LawBroken("expected two arrays, centers and contexts") from None
    if (
        centers.ndim != 1
        or centers.shape != contexts.shape
        or {centers.dtype.kind, contexts.dtype.kind} - {*"iu"}
    ):
        raise LawBroken(
            f"expected two rows of integers of one length, got {centers.dtype} of shape {centers.shape} and "
            f"{contexts.dtype} of shape {contexts.shape}"
        )
    return list(zip(centers.tolist(), contexts.tolist(), strict=True))


def _obey_window(subject: Subject, case: Case) -> None:
    got, radius = _pairs(subject, case), case["window"]
    length = case["walks"].shape[1]
    expected = [pair for walk in case["walks"] for pair in definition.pairs(walk, [radius] * length)]
    if got != expected:
        kind = "in another order " if sorted(got) == sorted(expected) else ""
        raise LawBroken(f"expected the pairs {expected}, got {kind}{got}")


@WINDOW_PAIRS.law(examples({"walks": np.array([[3, 1, 4, 5]]), "window": 1}), admits=_walkable)
def neighbours_make_pairs_both_ways(subject: Subject, case: Case) -> None:
    """Two nodes side by side are each the context of the other."""
    _obey_window(subject, case)


@WINDOW_PAIRS.law(
    examples(
        {"walks": np.array([[3, 1, -1, -1], [2, -1, -1, -1], [0, 4, 2, -1]]), "window": 2, "shrink": False}
    ),
    admits=_walkable,
    needs=("shrink",),
)
def nothing_pairs_with_the_padding(subject: Subject, case: Case) -> None:
    """-1 is no node, and a walk of one node makes no pair."""
    _obey_window(subject, case)


@WINDOW_PAIRS.law(_fixed, admits=_walkable, needs=("shrink",))
def pairs_are_those_within_the_radius(subject: Subject, case: Case) -> None:
    """Walk by walk, position by position, from left to right: each other position at most `window` away."""
    _obey_window(subject, case)


@WINDOW_PAIRS.law(_fixed, admits=_walkable, needs=("shrink",))
def every_pair_comes_both_ways(subject: Subject, case: Case) -> None:
    """Without shrinking, (a, b) is there as often as (b, a)."""
    got = _pairs(subject, case)
    turned = [(b, a) for a, b in got]
    if sorted(got) != sorted(turned):
        raise LawBroken(f"not the same pairs when turned round: {got}")


def _distinct(random: Random) -> Iterator[Case]:
    while True:
        walk = random.sample(range(40), random.randint(1, 30))
        yield {
            "walks": np.array([walk], dtype=np.int32),
            "window": random.randint(1, 6),
            "rng": random.getrandbits(32),
        }


def _radii(subject: Subject, case: Case) -> list[int]:
    """Read the radius at each position of one walk of distinct nodes off the pairs."""
    walk, found = case["walks"][0].tolist(), []
    got = _pairs(subject, case)
    for i, node in enumerate(walk):
        around = [b for a, b in got if a == node]
        reach = max((abs(walk.index(b) - i) for b in around if b in walk), default=0)
        found.append(reach)
    if got != definition.pairs(walk, found) or max(found) > case["window"]:
        raise LawBroken(f"no radii from 1 to {case['window']} make the pairs {got}")
    if len(walk) > 1 and min(found) < 1:
        raise LawBroken(f"node {walk[found.index(0)]} has no pairs: the radius is 1 at least")
    return found


@WINDOW_PAIRS.law(_distinct, admits=_walkable, needs=("rng",))
def a_shrunk_window_is_a_smaller_window(subject: Subject, case: Case) -> None:
    """With a radius drawn for each position, its pairs are all those within that radius, on both sides."""
    _radii(subject, case)


def _long(random: Random) -> Iterator[Case]:
    for window in (2, 3, 5, 10):
        walk = np.arange(3000, dtype=np.int32)[None]
        yield {"walks": walk, "window": window, "rng": random.getrandbits(32)}


@WINDOW_PAIRS.law(_long, needs=("rng",), shrinks=False)
def each_radius_is_as_likely(subject: Subject, case: Case) -> None:
    """Radii are uniform from 1 to `window`."""
    window, length = case["window"], case["walks"].shape[1]
    inner = slice(window, length - window)  # where nothing cuts the window short
    got = np.array(_pairs(subject, case))[:, 0]
    radii = np.bincount(got, minlength=length)[inner] / 2
    for radius in range(1, window + 1):
        seen, share = int((radii == radius).sum()), 1 / window
        _expect_share(seen, len(radii), share, f"radius {radius}")


@WINDOW_PAIRS.law(_long, needs=("rng",), shrinks=False)
def pairs_follow_the_seed(subject: Subject, case: Case) -> None:
    """The same seed gives the same pairs, another seed others."""
    first = _pairs(subject, case)
    if first != _pairs(subject, case):
        raise LawBroken("two calls with the same seed gave different pairs")
    if first == _pairs(subject, case | {"rng": case["rng"] + 1}):
        raise LawBroken("another seed gave the same pairs")


def _expect_share(seen: int, of: int, share: float, what: str) -> None:
    if abs(seen - of * share) > _DEVIATIONS * math.sqrt(max(of * share * (1 - share), 1)):
        raise LawBroken(f"{what} came {seen} times in {of}, expected about {of * share:.1f}")


# noise_distribution -------------------------------------------------------------------------------

NOISE_DISTRIBUTION = Family(
    "skipgram.noise_distribution",
    positional=("counts",),
    required=(),
    smaller=simpler_cases(lambda case: {"counts": ("node",)}, ("exponent",), lambda case: set()),
)


def _seen(case: Case) -> bool:
    return bool(case["counts"].any() and case["counts"].min() >= 0)


def _counts(random: Random) -> Iterator[Case]:
    while True:
        counts = [
            float(random.choice((0, 1, 2, random.randint(1, 10**6)))) for _ in range(random.randint(1, 9))
        ]
        exponent = random.choice((0.75, 0.5, 1.0, 2.0))
        yield {"counts": np.array(counts), "exponent": exponent}


def _odd_counts(random: Random) -> Iterator[Case]:
    for case in _counts(random):
        yield case | {"exponent": random.choice((0.0, -0.5, -1.0))}


def _huge_counts(random: Random) -> Iterator[Case]:
    for case in _counts(random):
        yield {"counts": case["counts"] * 1e300, "exponent": random.choice((2.0, 3.0, -2.0))}


def _obey_noise(subject: Subject, case: Case) -> None:
    got = np.asarray(subject(case))
    expected = definition.noise(case["counts"].tolist(), case.get("exponent", 0.75))
    if got.shape != case["counts"].shape or got.dtype.kind != "f":
        raise LawBroken(f"expected {len(expected)} shares, got {got.dtype} of shape {got.shape}")
    for node, (a, b) in enumerate(zip(got.tolist(), expected, strict=True)):
        if not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-300):
            raise LawBroken(f"node {node} has the share {a!r}, expected {b!r}")
    if not math.isclose(math.fsum(got.tolist()), 1, rel_tol=1e-12):
        raise LawBroken(f"shares sum to {math.fsum(got.tolist())!r}")


@NOISE_DISTRIBUTION.law(_counts, admits=_seen, needs=("exponent",))
def shares_follow_the_power_of_counts(subject: Subject, case: Case) -> None:
    """Share i is counts[i] ** exponent over the sum of all such powers."""
    _obey_noise(subject, case)


@NOISE_DISTRIBUTION.law(
    examples({"counts": np.array([16.0, 1, 1])}, {"counts": np.array([81.0, 16, 0])}), admits=_seen
)
def the_exponent_is_three_quarters(subject: Subject, case: Case) -> None:
    """Unless another is given."""
    _obey_noise(subject, case)


@NOISE_DISTRIBUTION.law(_odd_counts, admits=_seen, needs=("exponent",))
def what_was_never_seen_is_never_drawn(subject: Subject, case: Case) -> None:
    """A count of 0 has the share 0, with exponent 0 and negative exponents too."""
    _obey_noise(subject, case)


@NOISE_DISTRIBUTION.law(_huge_counts, admits=_seen, needs=("exponent",))
def no_power_overflows(subject: Subject, case: Case) -> None:
    """Counts may be so great that their powers are not."""
    _obey_noise(subject, case)


# negative_samples ---------------------------------------------------------------------------------

NEGATIVE_SAMPLES = Family(
    "skipgram.negative_samples",
    positional=("noise", "size"),
    required=("rng",),
    smaller=simpler_cases(lambda case: {"noise": ("node",)}, ("size",), lambda case: set()),
)


def _draw(subject: Subject, case: Case) -> np.ndarray[Any, Any]:
    got = np.asarray(subject(case))
    if got.shape != (case["size"],) or got.dtype.kind not in "iu":
        raise LawBroken(f"expected {case['size']} integers, got {got.dtype} of shape {got.shape}")
    if got.size and not 0 <= got.min() <= got.max() < len(case["noise"]):
        raise LawBroken(f"drew {got.min()} to {got.max()} of {len(case['noise'])} nodes")
    return got


def _noises(size: int) -> Any:
    def cases(random: Random) -> Iterator[Case]:
        while True:
            weights = np.array(
                [random.choice((0.0, random.random(), random.random() ** 4)) for _ in range(9)]
            )
            weights[random.randrange(9)] = 1.0
            yield {"noise": weights / weights.sum(), "size": size, "rng": random.getrandbits(32)}

    return cases


def _drawable(case: Case) -> bool:
    return bool(case["noise"].any()) and case["noise"].min() >= 0 and case["size"] >= 0


@NEGATIVE_SAMPLES.law(_noises(4000), admits=_drawable, shrinks=False)
def draws_follow_the_noise(subject: Subject, case: Case) -> None:
    """Each node is drawn in proportion to its noise, and never without any."""
    counts = np.bincount(_draw(subject, case), minlength=len(case["noise"]))
    for node, share in enumerate((case["noise"] / case["noise"].sum()).tolist()):
        _expect_share(int(counts[node]), case["size"], share, f"node {node}")
        if counts[node] and not share:
            raise LawBroken(f"drew node {node}, which has no noise")


@NEGATIVE_SAMPLES.law(_noises(200), admits=_drawable, shrinks=False)
def draws_follow_the_seed(subject: Subject, case: Case) -> None:
    """The same seed gives the same draws, another seed others."""
    case = case | {"noise": np.ones(9)}
    first = _draw(subject, case).tolist()
    if first != _draw(subject, case).tolist():
        raise LawBroken("two calls with the same seed gave different draws")
    if first == _draw(subject, case | {"rng": case["rng"] + 1}).tolist():
        raise LawBroken("another seed gave the same draws")


@NEGATIVE_SAMPLES.law(
    examples({"noise": np.array([0.5, 0.5]), "size": 0, "rng": 0}, {"noise": np.ones(1), "size": 3, "rng": 0})
)
def one_node_or_no_draws_are_fine(subject: Subject, case: Case) -> None:
    """size=0 gives an empty array of integers; of one node nothing else can be drawn."""
    _draw(subject, case)


# sgns_loss and sgns_gradients ---------------------------------------------------------------------

_VECTORS: dict[str, tuple[str, ...]] = {
    "center": ("dimension",),
    "positive": ("dimension",),
    "negatives": ("negative", "dimension"),
}
_PAIR = ("center", "positive", "negatives")

SGNS_LOSS = Family(
    "skipgram.sgns_loss",
    positional=_PAIR,
    required=(),
    smaller=simpler_cases(lambda case: _VECTORS, (), lambda case: set()),
)
SGNS_GRADIENTS = Family(
    "skipgram.sgns_gradients",
    positional=_PAIR,
    required=(),
    smaller=simpler_cases(lambda case: _VECTORS, (), lambda case: set()),
)


def _vectors(scale: float) -> Any:
    def cases(random: Random) -> Iterator[Case]:
        while True:
            d, K = random.randint(1, 5), random.randint(1, 4)
            rows = np.array([[round(random.gauss(0, scale), 3) for _ in range(d)] for _ in range(K + 2)])
            yield {"center": rows[0], "positive": rows[1], "negatives": rows[2:]}

    return cases


def _extremes(random: Random) -> Iterator[Case]:
    while True:
        d, K = random.randint(1, 5), random.randint(1, 4)
        rows = np.array([[random.choice((-100.0, 100.0, 99.0)) for _ in range(d)] for _ in range(K + 2)])
        yield {"center": rows[0], "positive": rows[1], "negatives": rows[2:]}


_ZEROS = {"center": np.zeros(2), "positive": np.array([1.0, 2.0]), "negatives": np.ones((3, 2))}
_ALONE = {"center": np.array([0.5, 1.0]), "positive": np.array([1.0, 2.0]), "negatives": np.zeros((0, 2))}


def _obey_loss(subject: Subject, case: Case) -> None:
    got = np.asarray(subject(case))
    expected = float(definition.loss(*(case[name].tolist() for name in _PAIR)))
    if got.shape != () or not math.isclose(float(got), expected, rel_tol=1e-9, abs_tol=1e-300):
        raise LawBroken(f"loss {got!r}, expected {expected!r}")


@SGNS_LOSS.law(examples(_ZEROS), shrinks=False)
def who_knows_nothing_loses_log_2(subject: Subject, case: Case) -> None:
    """A score of 0 says "as likely as not": log 2 for the pair and for each negative."""
    _obey_loss(subject, case)


@SGNS_LOSS.law(_vectors(1.0))
def the_loss_follows_its_formula(subject: Subject, case: Case) -> None:
    """−log σ(center · positive) − Σ log σ(−center · negative)."""
    _obey_loss(subject, case)


@SGNS_LOSS.law(_extremes)
def the_loss_is_finite_far_out(subject: Subject, case: Case) -> None:
    """With entries of ±100 it is what the formula says, not infinite; and not 0, where that is small."""
    _obey_loss(subject, case)


@SGNS_LOSS.law(examples(_ALONE), shrinks=False)
def a_loss_without_negatives(subject: Subject, case: Case) -> None:
    """Negatives of shape (0, d) add nothing."""
    _obey_loss(subject, case)


def _gradients(subject: Subject, case: Case) -> dict[str, np.ndarray[Any, Any]]:
    try:
        parts = [np.asarray(part, dtype=np.float64) for part in subject(case)]
    except (TypeError, ValueError):
        raise LawBroken("expected three arrays: by center, positive and negatives") from None
    if [part.shape for part in parts] != [case[name].shape for name in _PAIR]:
        raise LawBroken(f"expected the shapes of the arguments, got {[part.shape for part in parts]}")
    return dict(zip(_PAIR, parts, strict=True))


def _obey_gradients(subject: Subject, case: Case) -> None:
    for name, got in _gradients(subject, case).items():
        for place, value in np.ndenumerate(got):
            expected = definition.derivative(case, name, *place)
            if not math.isclose(value, expected, rel_tol=1e-8, abs_tol=1e-15):
                raise LawBroken(f"derivative by {name}{list(place)} is {value!r}, expected {expected!r}")


@SGNS_GRADIENTS.law(_vectors(1.0))
def gradients_are_derivatives_of_the_loss(subject: Subject, case: Case) -> None:
    """Each entry is the change of the loss per change of that entry alone."""
    _obey_gradients(subject, case)


@SGNS_GRADIENTS.law(_extremes)
def gradients_are_finite_far_out(subject: Subject, case: Case) -> None:
    """With entries of ±100 they are what the formula says, neither infinite nor NaN."""
    _obey_gradients(subject, case)


@SGNS_GRADIENTS.law(_vectors(1.0), admits=lambda case: bool(case["center"].any()))
def a_small_step_attracts_and_repels(subject: Subject, case: Case) -> None:
    """A step of the contexts against their gradients raises σ(s · p) and lowers each σ(s · n)."""
    steps, s = _gradients(subject, case), case["center"]
    rate = 1e-3
    if not (case["positive"] - rate * steps["positive"]) @ s > case["positive"] @ s:
        raise LawBroken("σ(s · p) does not rise")
    for k, (row, step) in enumerate(zip(case["negatives"], steps["negatives"], strict=True)):
        if not (row - rate * step) @ s < row @ s:
            raise LawBroken(f"σ(s · n) of negative {k} does not fall")


@SGNS_GRADIENTS.law(examples(_ALONE), shrinks=False)
def gradients_without_negatives(subject: Subject, case: Case) -> None:
    """Negatives of shape (0, d) have gradients of that shape."""
    _obey_gradients(subject, case)
