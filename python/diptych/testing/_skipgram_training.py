"""The laws of skip-gram training.

Their corpora are such that neither the order of walks and pairs, nor how many of them take a step together,
nor which random words are drawn, can be seen: pairs that share no nodes, noise that can only be one node, or
so small steps that their order is of no account.
"""

# ruff: noqa: D401 -- the docstring of a law is what the law says

from __future__ import annotations

import math
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

import numpy as np

from diptych.testing import _skipgram_definition as definition
from diptych.testing._call import LawBroken
from diptych.testing._engine import Case, Family, Subject
from diptych.testing._shrink import simpler_cases

_TOLERANCE = 2e-5  # float32 will do
_DEVIATIONS = 6.0
_ONE_NODE = 400.0  # an exponent that leaves the noise to the node visited most

TRAIN = Family(
    "skipgram.train",
    positional=("walks",),
    required=("n_nodes", "dimensions", "window", "negative", "epochs"),
    smaller=simpler_cases(lambda case: {}, ("epochs", "negative"), lambda case: set()),
)


class _Model(NamedTuple):
    vectors: np.ndarray[Any, Any]
    contexts: np.ndarray[Any, Any]
    losses: np.ndarray[Any, Any]


def _train(subject: Subject, case: Case) -> _Model:
    try:
        model = _Model(*(np.asarray(part, dtype=np.float64) for part in subject(case)))
    except (TypeError, ValueError):
        raise LawBroken("expected vectors, contexts and losses") from None
    shapes, table = [part.shape for part in model], (case["n_nodes"], case["dimensions"])
    if shapes != [table, table, (case["epochs"],)]:
        raise LawBroken(f"expected the shapes {[table, table, (case['epochs'],)]}, got {shapes}")
    if not all(np.isfinite(part).all() for part in model):
        raise LawBroken("some values are not finite")
    return model


def _tables(random: Random, n: int, d: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    tables = [[[random.gauss(0, 0.7) for _ in range(d)] for _ in range(n)] for _ in range(2)]
    vectors, contexts = (np.array(table, dtype=np.float32).reshape(n, d) for table in tables)
    return vectors, contexts


def _case(random: Random, walks: Any, n: int, **options: Any) -> Case:
    """Nodes, window, epochs and rates for given walks."""
    d, rate = random.randint(1, 4), random.choice((0.1, 0.3))
    usual: Case = {"dimensions": d, "window": 1, "negative": 0, "epochs": 1, "shrink": False}
    usual |= {"learning_rate": rate, "min_learning_rate": rate, "initial": _tables(random, n, d), "rng": 0}
    return {"walks": np.array(walks, dtype=np.int32), "n_nodes": n} | usual | options


def _obey_steps(subject: Subject, case: Case, epochs: list[list[tuple[int, int, list[int], float]]]) -> None:
    """Compare with plain steps, given for each epoch as (input, target, negatives, rate)."""
    V, C = ([[float(x) for x in row] for row in table] for table in case["initial"])
    losses = [definition.descend(V, C, steps) / len(steps) for steps in epochs]
    model = _train(subject, case)
    for name, expected, got in zip(model._fields, map(np.array, (V, C, losses)), model, strict=True):
        wrong = ~np.isclose(got, expected, rtol=_TOLERANCE, atol=_TOLERANCE)
        if wrong.any():
            place = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise LawBroken(f"{name}{list(place)} is {got[place]:.7g}, expected {expected[place]:.7g}")


def _both(a: int, b: int, drawn: list[int], rate: float) -> list[tuple[int, int, list[int], float]]:
    """Return the steps of the walk a, b: at a the input is b, and the other way round."""
    return [(b, a, drawn, rate), (a, b, drawn, rate)]


def _plain(random: Random) -> Iterator[Case]:
    while True:
        walks = np.array([[0, 1, 2], [2, 0, -1]])
        usual = {"n_nodes": random.randint(3, 5), "dimensions": random.randint(1, 4), "window": 2}
        yield {"walks": walks, "negative": random.randint(0, 3), "epochs": random.randint(0, 3)} | usual


@TRAIN.law(_plain)
def each_node_has_two_rows_and_each_epoch_a_loss(subject: Subject, case: Case) -> None:
    """Nodes never visited too; all entries are finite, and losses positive."""
    model = _train(subject, case)
    if not (model.losses > 0).all():
        raise LawBroken(f"losses {model.losses}")


# Which steps are taken ----------------------------------------------------------------------------


def _one_pair(random: Random) -> Iterator[Case]:
    while True:
        yield _case(random, [[0, 1]], 2)


@TRAIN.law(_one_pair, needs=("initial",))
def the_nodes_around_predict_the_middle(subject: Subject, case: Case) -> None:
    """Without negatives, a step adds rate · (1 − σ(v · c)) · c to v and as much of v, as it was, to c."""
    _obey_steps(subject, case, [_both(0, 1, [], case["learning_rate"])])


def _three_nodes(random: Random) -> Iterator[Case]:
    while True:
        walks = [[0, 1]] + [[2, -1]] * random.randint(2, 4)
        yield _case(random, walks, 3, negative=random.randint(1, 3), exponent=_ONE_NODE)


@TRAIN.law(_three_nodes, needs=("initial", "exponent"))
def negatives_are_pushed_away(subject: Subject, case: Case) -> None:
    """For each negative n, a step takes rate · σ(v · n) · n off v, and as much of v off n."""
    _obey_steps(subject, case, [_both(0, 1, [2] * case["negative"], case["learning_rate"])])


def _target_drawn(random: Random) -> Iterator[Case]:
    while True:
        walks = [[0, 1]] + [[0, -1]] * random.randint(2, 4)
        yield _case(random, walks, 2, negative=random.randint(1, 3), exponent=_ONE_NODE)


@TRAIN.law(_target_drawn, needs=("initial", "exponent"))
def a_negative_that_is_the_middle_is_dropped(subject: Subject, case: Case) -> None:
    """Where the node in the middle is its own negative, the draw changes nothing and adds no loss."""
    _obey_steps(subject, case, [_both(0, 1, [0] * case["negative"], case["learning_rate"])])


def _strangers(random: Random) -> Iterator[Case]:
    while True:
        pairs = random.randint(2, 12)
        yield _case(random, [[2 * i, 2 * i + 1] for i in range(pairs)], 2 * pairs)


@TRAIN.law(_strangers, needs=("initial",))
def walks_that_share_no_nodes_are_learnt_as_if_alone(subject: Subject, case: Case) -> None:
    """Steps are neither averaged nor left out, however many walks there are."""
    steps = [step for a, b in case["walks"].tolist() for step in _both(a, b, [], case["learning_rate"])]
    _obey_steps(subject, case, [steps])


def _several_epochs(random: Random) -> Iterator[Case]:
    while True:
        yield _case(
            random, [[0, 1]], 2, epochs=random.randint(2, 5), learning_rate=0.5, min_learning_rate=0.1
        )


@TRAIN.law(_several_epochs, needs=("initial", "min_learning_rate"))
def the_rate_falls_linearly(subject: Subject, case: Case) -> None:
    """From learning_rate, with the share of walks done, towards min_learning_rate."""
    epochs = case["epochs"]
    rates = [0.5 - (0.5 - 0.1) * e / epochs for e in range(epochs)]
    _obey_steps(subject, case, [_both(0, 1, [], rate) for rate in rates])


def _windows(random: Random) -> Iterator[Case]:
    while True:
        length, n = random.randint(2, 8), random.randint(2, 5)
        held = [random.randint(0, length) for _ in range(random.randint(1, 10))]
        walks = [[random.randrange(n) for _ in range(h)] + [-1] * (length - h) for h in held]
        rate = 2.0**-12
        yield _case(random, walks, n, window=random.randint(1, 4), learning_rate=rate, min_learning_rate=rate)


@TRAIN.law(_windows, needs=("initial", "shrink"))
def all_pairs_of_the_windows_are_learnt(subject: Subject, case: Case) -> None:
    """With steps too small for their order to matter, the change is rate times the sum over all pairs."""
    V, C = case["initial"]
    dV, dC = _sums_over_pairs(case)
    model, rate = _train(subject, case), case["learning_rate"]
    _expect_change("vectors", (model.vectors - V) / rate, dV)
    _expect_change("contexts", (model.contexts - C) / rate, dC)


def _sums_over_pairs(case: Case, u: int = 0) -> tuple[Any, Any]:
    """Sum what all pairs ask of the tables as they are; the negatives are node u, if there are any."""
    V, C = (table.astype(np.float64) for table in case["initial"])
    dV, dC, K = np.zeros_like(V), np.zeros_like(C), case["negative"]
    radii = [case["window"]] * case["walks"].shape[1]
    for walk in case["walks"]:
        for center, context in definition.pairs(walk, radii):
            pull = 1 - definition.sigma(float(V[context] @ C[center]))
            push = K * definition.sigma(float(V[context] @ C[u])) if center != u else 0.0
            dV[context] += pull * C[center] - push * C[u]
            dC[center] += pull * V[context]
            dC[u] -= push * V[context]
    return dV, dC


def _alike(random: Random) -> Iterator[Case]:
    """Walks in which nodes come twice, and no node has so many visits that pairs may not learn together.

    The last node comes three times, the others twice: it is all negatives.
    """
    n, length, rate = 121, 11, 2.0**-16
    while True:
        nodes = [*sorted(2 * [*range(n)]), n - 1]
        walks = [nodes[at : at + length] for at in range(0, len(nodes), length)]
        for walk in walks:
            random.shuffle(walk)
            walk += [-1] * (length - len(walk))
        usual = {"window": random.randint(2, 5), "negative": random.randint(1, 2), "exponent": _ONE_NODE}
        yield _case(random, walks, n, **usual, learning_rate=rate, min_learning_rate=rate)


@TRAIN.law(_alike, needs=("initial", "shrink", "exponent"), shrinks=False)
def every_pair_pulls_and_pushes(subject: Subject, case: Case) -> None:
    """With one node as all negatives: rate times the sum over all pairs, however many learn together."""
    (V, C), u = case["initial"], case["n_nodes"] - 1
    dV, dC = _sums_over_pairs(case, u)
    model, rate = _train(subject, case), case["learning_rate"]
    _expect_change("vectors", (model.vectors - V) / rate, dV)
    _expect_change("contexts", (model.contexts - C)[:u] / rate, dC[:u])
    _expect_change("contexts of the negative", (model.contexts - C)[u:] / rate, dC[u:])


def _expect_change(name: str, change: Any, expected: Any) -> None:
    wrong = ~np.isclose(change, expected, rtol=0.05, atol=0.05 + 0.02 * np.abs(expected).max())
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise LawBroken(
            f"{name}{list(place)} changed by {change[place]:.4g} × rate, expected {expected[place]:.4g}"
        )


# What is drawn ------------------------------------------------------------------------------------


def _counting(random: Random, n: int, walks: Any, seen_by: str, **options: Any) -> Case:
    """Entries of one table 0, of the other 1: scores stay near 0, and each pair moves a row by rate / 2."""
    zeros, ones = np.zeros((n, 1), np.float32), np.ones((n, 1), np.float32)
    tables = {"initial": (zeros, ones) if seen_by == "vectors" else (ones, zeros), "dimensions": 1}
    rates = {"learning_rate": 2.0**-16, "min_learning_rate": 2.0**-16}
    return _case(random, walks, n, rng=random.getrandbits(32), **tables, **rates, **options)


def _shrinking(random: Random) -> Iterator[Case]:
    for window in (2, 4, 6):
        yield _counting(random, 600, [range(600)], "vectors", window=window, shrink=True)


@TRAIN.law(_shrinking, needs=("initial", "shrink", "rng"), shrinks=False)
def windows_shrink_at_random(subject: Subject, case: Case) -> None:
    """With `shrink`, the radius at each position is drawn from 1 to `window`: (window + 1) / 2 on average."""
    window, length = case["window"], case["walks"].size
    made = float(_train(subject, case).vectors.sum()) / (case["learning_rate"] / 2)
    mean, spread = window + 1.0, 2 * math.sqrt((window**2 - 1) / 12 * length)
    cut = window * (window + 1)  # at both ends, at most
    if not abs(made - mean * length) <= _DEVIATIONS * spread + cut:
        raise LawBroken(f"{made:.0f} pairs were learnt, expected about {mean * length:.0f}")


def _frequencies(random: Random) -> Iterator[Case]:
    counts = (1, 16, 81)
    for exponent in (0.75, 0.0, 1.5):
        alone = [[u, -1] for u, count in enumerate(counts) for _ in range(count)]
        walks = [[3, 4]] * 20 + alone
        yield _counting(random, 5, walks, "contexts", negative=100, exponent=exponent)


@TRAIN.law(_frequencies, needs=("initial", "exponent", "rng"), shrinks=False)
def negatives_follow_the_noise(subject: Subject, case: Case) -> None:
    """Nodes are drawn as negatives in proportion to their visits ** exponent."""
    visits = np.bincount(case["walks"][case["walks"] >= 0], minlength=case["n_nodes"])
    shares = definition.noise(visits.tolist(), case["exponent"])
    drawn = -_train(subject, case).contexts[:, 0] / (case["learning_rate"] / 2)
    tries = 2 * 20 * case["negative"]  # two positions in each of twenty walks
    for u in range(3):
        spread = math.sqrt(tries * shares[u] * (1 - shares[u]))
        if not abs(drawn[u] - tries * shares[u]) <= _DEVIATIONS * spread + 0.02 * drawn[u] + 1:
            raise LawBroken(
                f"node {u} was drawn {drawn[u]:.0f} times in {tries}, expected {tries * shares[u]:.0f}"
            )


def _one_walk(random: Random) -> Iterator[Case]:
    for _ in range(3):
        walk = random.sample(range(80), 80)
        yield _counting(random, 80, [walk], "contexts", window=2, negative=1, exponent=0.0)


@TRAIN.law(_one_walk, needs=("initial", "shrink", "exponent", "rng"), shrinks=False)
def negatives_are_drawn_anew_along_a_walk(subject: Subject, case: Case) -> None:
    """A walk of 80 nodes does not push the same few away all the time."""
    gained = _train(subject, case).contexts[:, 0] / (case["learning_rate"] / 2)
    pulled, radii = np.zeros(80), [case["window"]] * 80
    for center, _ in definition.pairs(case["walks"][0], radii):
        pulled[center] += 1
    pushed = int((pulled - gained > 0.5).sum())
    if pushed < 10:
        raise LawBroken(f"negatives were {pushed} nodes of 80, all drawn as likely")


# What must hold anyway ----------------------------------------------------------------------------


def _nothing_to_learn(random: Random) -> Iterator[Case]:
    yield _case(random, np.zeros((0, 3), dtype=np.int32), 0, epochs=2)
    yield _case(random, np.zeros((0, 3), dtype=np.int32), 4, epochs=2, negative=2)
    yield _case(random, [[1, -1], [0, -1]], 3, epochs=2, negative=2)
    yield _case(random, [[-1, -1]], 2, epochs=1, negative=2)
    yield _case(random, [[0, 1]], 2, epochs=0, negative=2)


@TRAIN.law(_nothing_to_learn, needs=("initial",), shrinks=False)
def without_pairs_nothing_moves(subject: Subject, case: Case) -> None:
    """No walks, walks of one node, or no epochs: the tables stay as they were, and losses are 0."""
    model = _train(subject, case)
    if not all(np.array_equal(got, start) for got, start in zip(model[:2], case["initial"], strict=True)):
        raise LawBroken("the tables changed")
    if model.losses.any():
        raise LawBroken(f"losses {model.losses} of nothing")


def _communities(random: Random) -> Iterator[Case]:
    for _ in range(3):
        walks = [[5 * (r % 2) + random.randrange(5) for _ in range(12)] for r in range(8)]
        usual = {"walks": np.array(walks, dtype=np.int32), "n_nodes": 12, "dimensions": 6, "window": 2}
        yield usual | {"negative": 3, "epochs": 30, "learning_rate": 0.05, "rng": random.getrandbits(32)}


@TRAIN.law(_communities, needs=("rng",), shrinks=False)
def the_loss_falls(subject: Subject, case: Case) -> None:
    """From epoch to epoch nodes that meet are told from nodes that do not, at less loss."""
    losses = _train(subject, case).losses
    if not losses[-5:].mean() < 0.95 * losses[:2].mean():
        raise LawBroken(f"losses {losses.round(3).tolist()} do not fall")


@TRAIN.law(_communities, needs=("rng",), shrinks=False)
def nodes_that_meet_come_together(subject: Subject, case: Case) -> None:
    """Nodes of the same walks end with greater v · c than nodes that never meet."""
    model = _train(subject, case)
    scores = model.vectors @ model.contexts.T
    within = (scores[:5, :5].mean() + scores[5:10, 5:10].mean()) / 2
    across = (scores[:5, 5:10].mean() + scores[5:10, :5].mean()) / 2
    if not within > across:
        raise LawBroken(f"v · c is {within:.3f} within and {across:.3f} across")


@TRAIN.law(_communities, needs=("rng",), shrinks=False)
def training_follows_the_seed(subject: Subject, case: Case) -> None:
    """The same seed gives the same tables, another seed others."""
    first, again = (_train(subject, case | {"epochs": 2}) for _ in range(2))
    if not all(np.array_equal(a, b) for a, b in zip(first, again, strict=True)):
        raise LawBroken("two calls with the same seed gave different results")
    other = _train(subject, case | {"epochs": 2, "rng": case["rng"] + 1})
    if np.array_equal(first.vectors, other.vectors):
        raise LawBroken("another seed gave the same vectors")


@TRAIN.law(_communities, needs=("n_jobs", "rng"), shrinks=False)
def training_does_not_depend_on_threads(subject: Subject, case: Case) -> None:
    """Any n_jobs gives, bit for bit, the result of one thread."""
    one, three = (_train(subject, case | {"epochs": 2, "n_jobs": jobs}) for jobs in (1, 3))
    if not all(np.array_equal(a, b) for a, b in zip(one, three, strict=True)):
        raise LawBroken("the result for n_jobs=3 differs from that for n_jobs=1")


@TRAIN.law(_one_pair, needs=("initial",), shrinks=False)
def what_is_passed_is_not_changed(subject: Subject, case: Case) -> None:
    """Training leaves the tables it begins with alone."""
    start = tuple(table.copy() for table in case["initial"])
    subject.on(case | {"initial": start})
    if not all(np.array_equal(a, b) for a, b in zip(start, case["initial"], strict=True)):
        raise LawBroken("the arrays of `initial` changed")
