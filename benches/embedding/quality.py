"""How good the vectors are: ours, gensim's on the same walks, and our own pair by pair.

The protocols are those of diptych.evaluation; figures are means over seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from unittest import mock

import numpy as np
from joblib import Parallel, delayed, parallel_config
from scipy.sparse import csr_array

from benches import data
from benches.data import DataMissing
from benches.embedding import peers, rows
from benches.section import Settings

SEEDS = (1, 2, 3)  # of trainings
SHUFFLES = 8  # of the nodes, for each training: one alone leaves half a point to chance
SHARES = (0.1, 0.5, 0.9)
OURS, GENSIM, PAIRWISE = "diptych", "gensim", "batch one"
F1_SLACK, AUC_SLACK = 0.003, 0.01
CORA_LEAST = 0.71
HIDDEN = 0.5  # share of the edges that link prediction hides

# github.com/phanein/deepwalk, README.rst: hierarchical softmax, 80 × 40, window 10, 128 dimensions.
AUTHORS = {
    ("micro", 0.1): 0.3586,
    ("micro", 0.5): 0.4151,
    ("micro", 0.9): 0.4240,
    ("macro", 0.1): 0.2108,
    ("macro", 0.5): 0.2768,
    ("macro", 0.9): 0.2821,
}


@dataclass(frozen=True)
class Corpus:
    """Walks on a graph: how many from each node, and of how many nodes."""

    graph: csr_array
    per_node: int
    length: int
    pairwise: bool = False

    @property
    def trainers(self) -> list[str]:
        """Who trains, the slowest first."""
        there = {PAIRWISE: self.pairwise, GENSIM: peers.gensim_installed(), OURS: True}
        return [who for who, trains in there.items() if trains]

    def vectors(self, who: str, seed: int) -> np.ndarray:
        """Return what a trainer makes of the walks of a seed, with one thread: nobody is timed here."""
        from diptych.kernels import _training
        from diptych.kernels.skipgram import train
        from diptych.kernels.walks import random_walks

        n = self.graph.shape[0]
        walks = random_walks(
            self.graph, walk_length=self.length, walks_per_node=self.per_node, rng=seed, n_jobs=1
        )
        if who == GENSIM:
            return peers.word2vec(peers.sentences(walks, n), n, 1, seed=seed)[1]
        batch = {"BATCH": 1, "SHARE": 1, "POOL": 2**20} if who == PAIRWISE else {}
        with mock.patch.multiple(_training, **batch) if batch else nullcontext():
            return train(
                walks,
                n_nodes=n,
                dimensions=peers.DIMENSIONS,
                window=peers.WINDOW,
                negative=peers.NEGATIVE,
                rng=seed,
                n_jobs=1,
            ).vectors


Score = Callable[[np.ndarray, int], dict[Any, float]]  # of vectors and a seed


def measures(
    corpus: Corpus, seeds: Sequence[int], score: Score, settings: Settings
) -> dict[str, dict[Any, float]]:
    """Return for each trainer the mean of each measure over the seeds; each training has one core."""

    def run(who: str, seed: int) -> tuple[str, int, dict[Any, float]]:
        return who, seed, score(corpus.vectors(who, seed), seed)

    tasks = [delayed(run)(who, seed) for who in corpus.trainers for seed in seeds]
    found: dict[str, dict[int, dict[Any, float]]] = {who: {} for who in reversed(corpus.trainers)}
    with parallel_config("loky", n_jobs=settings.threads, inner_max_num_threads=1):
        for who, seed, scores in Parallel(return_as="generator_unordered")(tasks):
            settings.say(f"  {who}, seed {seed}")
            found[who][seed] = scores
    return {
        who: {key: float(np.mean([runs[seed][key] for seed in seeds])) for key in runs[seeds[0]]}
        for who, runs in found.items()
    }


def _f1(vectors: np.ndarray, labels: Any, share: float, repeats: int, seed: int) -> dict:
    from diptych.evaluation import node_classification

    options = {"train_share": share, "n_repeats": repeats, "random_state": seed}
    micro, macro = node_classification(vectors, labels, **options)
    return {("micro", share): micro, ("macro", share): macro}


def _links(vectors: np.ndarray, split: Any, seed: int) -> dict:
    """Score a split with the Hadamard product: the area by diptych.evaluation, F1 by the same model."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from diptych.evaluation import link_prediction_auc

    pairs = np.concatenate([split.positives, split.negatives])
    truth = np.repeat([1, 0], [len(split.positives), len(split.negatives)])
    features = (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).astype(np.float64)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, solver="newton-cholesky"))
    halves = StratifiedKFold(2, shuffle=True, random_state=seed)
    predicted = cross_val_predict(model, features, truth, cv=halves)
    area = link_prediction_auc(vectors, split.positives, split.negatives, random_state=seed)
    return {"AUC": area, "F1": float(f1_score(truth, predicted))}


def _lines(
    name: str,
    shown: str,
    found: dict[str, dict[Any, float]],
    *,
    slack: float = 0.0,
    minimum: float | None = None,
    authors: Mapping[Any, float] = MappingProxyType({}),
) -> Iterator[dict]:
    """Yield a result for each measure; ours must reach ``minimum``, or the others less the slack."""
    for key in found[OURS]:
        values = {who: scores[key] for who, scores in found.items()}
        others = [value for who, value in values.items() if who != OURS]
        least = max(others) - slack if minimum is None and others else minimum
        yield {
            "name": name,
            "input": shown,
            "measure": _title(key),
            "values": values,
            "authors": authors.get(key),
            "minimum": least,
            "held": None if least is None else values[OURS] >= least,
        }


def _title(key: Any) -> str:
    return key if isinstance(key, str) else f"{key[0].capitalize()}-F1 at {100 * key[1]:.0f} %"


def blogcatalog(
    name: str, per_node: int, length: int, seeds: tuple[int, ...], settings: Settings
) -> Iterator:
    """Yield the F1 scores on BlogCatalog, a training for each seed, and the same shuffles for everybody."""
    graph, labels = data.real_graph("blogcatalog.mat"), data.blogcatalog_labels()
    corpus = Corpus(graph, per_node, length, pairwise=not settings.quick)

    def score(vectors: np.ndarray, seed: int) -> dict:
        shares = (_f1(vectors, labels, share, SHUFFLES, seed) for share in SHARES)
        return {key: value for scores in shares for key, value in scores.items()}

    found = measures(corpus, seeds, score, settings)
    shown = f"BlogCatalog, {per_node} × {length}; {len(seeds)} training{'s' * (len(seeds) > 1)}"
    authors = AUTHORS if length == 40 else {}
    yield from _lines(name, shown, found, slack=F1_SLACK, authors=authors)


def cora(settings: Settings) -> Iterator[dict]:
    """Yield the accuracy on Cora: one label for each node, so Micro-F1."""
    corpus, labels = Corpus(data.real_graph("cora_edgelist.txt"), 10, 80), data.cora_labels()

    def score(vectors: np.ndarray, seed: int) -> dict:
        return {"accuracy at 10 %": _f1(vectors, labels, 0.1, 10, seed)["micro", 0.1]}

    found = measures(corpus, SEEDS, score, settings)
    yield from _lines(rows.CORA, "Cora, 10 × 80; 3 trainings", found, minimum=CORA_LEAST)


def links(name: str, shown: str, graph: csr_array, settings: Settings) -> Iterator[dict]:
    """Yield link prediction on one split, with a training for each seed."""
    from diptych.evaluation import link_prediction_split

    split = link_prediction_split(graph, share=HIDDEN, random_state=0)
    corpus = Corpus(split.train.adjacency, 10, 80)
    found = measures(corpus, SEEDS, lambda vectors, seed: _links(vectors, split, seed), settings)
    yield from _lines(name, f"{shown}, 10 × 80; 3 trainings", found, slack=AUC_SLACK)


def quality(settings: Settings) -> Iterator[dict]:
    """Yield the scores of every row but the paper's; when quick, BlogCatalog once, and not pair by pair."""
    seeds = SEEDS[:1] if settings.quick else SEEDS
    sets: dict[str, Callable[[], Iterator[dict]]] = {
        rows.BLOGCATALOG_DEFAULT: lambda: blogcatalog(rows.BLOGCATALOG_DEFAULT, 10, 80, seeds, settings),
        rows.CORA: lambda: cora(settings),
        rows.CA_GRQC: lambda: links(rows.CA_GRQC, "CA-GrQc", data.real_graph("CA-GrQc.txt"), settings),
        rows.WIKIPEDIA: lambda: links(
            rows.WIKIPEDIA, "Wikipedia, weighted", data.real_graph("Wikipedia.edg"), settings
        ),
    }
    yield from _found(sets, settings)


def papers(settings: Settings) -> Iterator[dict]:
    """Yield the scores at the settings of DeepWalk's paper: 27 million nodes walked, pair by pair too."""
    if not settings.quick:
        name = rows.BLOGCATALOG_PAPER
        yield from _found({name: lambda: blogcatalog(name, 80, 40, SEEDS, settings)}, settings)


def _found(sets: dict[str, Callable[[], Iterator[dict]]], settings: Settings) -> Iterator[dict]:
    for name, results in sets.items():
        if settings.wanted(name):
            settings.say(f"{name} …")
            try:
                yield from results()
            except DataMissing as why:
                settings.say(f"{name}: skipped, {why}")
