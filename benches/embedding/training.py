"""Training: ours from the graph, walks included, beside gensim's training alone on the same walks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from benches import data, timing
from benches.child import PeerMissing
from benches.data import DataMissing
from benches.embedding import elsewhere, peers, rows
from benches.section import Settings

LENGTH = 80
PER_NODE, PER_NODE_QUICK = 10, 2
TRAIN_SHARE, SHUFFLES = 0.5, 8  # of the F1 beside the speed
SEED = 1


@dataclass(frozen=True)
class Run(timing.Run):
    """One training and its vectors."""

    vectors: np.ndarray


def ours(graph: csr_array, per_node: int, threads: int) -> Run:
    """Time DeepWalk, end to end."""
    import diptych

    model = diptych.DeepWalk(
        peers.DIMENSIONS,
        walk_length=LENGTH,
        walks_per_node=per_node,
        window=peers.WINDOW,
        negative=peers.NEGATIVE,
        random_state=SEED,
        n_jobs=threads,
    )
    seconds, vectors = timing.timed(lambda: model.fit_transform(graph))
    return Run(seconds, vectors)


def walks_of(graph: csr_array, per_node: int, threads: int) -> np.ndarray:
    """Return the walks that ours trains on."""
    from diptych.kernels.walks import random_walks

    return random_walks(graph, walk_length=LENGTH, walks_per_node=per_node, rng=SEED, n_jobs=threads)


def gensim(walks: np.ndarray, n_nodes: int, threads: int) -> Callable[[], Run]:
    """Return the call that trains gensim."""
    corpus = peers.sentences(walks, n_nodes)
    return lambda: Run(*peers.word2vec(corpus, n_nodes, threads, seed=SEED))


def grape(peer: elsewhere.Elsewhere) -> Run:
    """Time GRAPE's SkipGram from the graph; its learning rate is its default, its epochs are not (30)."""
    options = {
        "embedding_size": peers.DIMENSIONS,
        "window_size": peers.WINDOW,
        "number_of_negative_samples": peers.NEGATIVE,
        "walk_length": LENGTH,
        "iterations": PER_NODE,
        "epochs": 1,
    }
    seconds = peer.ask({"skipgram": options})["seconds"]
    return Run(seconds, np.load(peer.path / "vectors.npy"))


def corpus() -> tuple[str, csr_array, csr_array | None]:
    """Return BlogCatalog and its labels, or an R-MAT graph without any where it is missing."""
    try:
        return "BlogCatalog", data.real_graph("blogcatalog.mat"), data.blogcatalog_labels()
    except DataMissing:
        return "R-MAT 2^13", csr_array((data.rmat(13) != 0).astype(np.float64)), None


def training(settings: Settings) -> Iterator[dict]:
    """Time everybody on one graph; when quick, fewer walks and not GRAPE."""
    from diptych.evaluation import node_classification

    if not settings.wanted(rows.TRAINING):
        return
    name, graph, labels = corpus()
    settings.say(f"training, {name} …")
    n, threads = graph.shape[0], settings.threads
    per_node = PER_NODE_QUICK if settings.quick else PER_NODE
    walks = walks_of(graph, per_node, threads)
    tokens = int(np.count_nonzero(walks >= 0))
    many, one = "diptych", "diptych, one thread"
    contenders = {many: lambda: ours(graph, per_node, threads), one: lambda: ours(graph, per_node, 1)}
    bars = {one: (1.7, 1.9)}
    if peers.gensim_installed():
        gensim_name = f"{peers.gensim_name(threads)}, training alone"
        contenders[gensim_name] = gensim(walks, n, threads)
        bars[gensim_name] = (5.0, 8.0)
    else:
        settings.say("gensim is not installed")
    peer = None
    try:
        if not settings.quick:
            peer = elsewhere.grape(graph, threads)
            contenders[f"{rows.GRAPE_SKIPGRAM}; {peer.version}"] = lambda: grape(peer)
    except PeerMissing as why:
        settings.say(f"training: without {rows.GRAPE_SKIPGRAM}, {why}")
    try:
        times = timing.interleave(contenders, budget=settings.budget)
    finally:
        if peer:
            peer.close()
    same = bool(np.array_equal(times[many].first.vectors, times[one].first.vectors))
    for who, timed in times.items():
        bar, goal = bars.get(who, (None, None))
        ratio = None if who == many else timed.median / times[many].median
        scores = None
        if labels is not None and who != one:  # one thread makes the same vectors, or ok is False
            vectors = timed.first.vectors
            settings.say(f"{who}: F1 …")
            scores = node_classification(
                vectors, labels, train_share=TRAIN_SHARE, n_repeats=SHUFFLES, random_state=SEED
            )._asdict()
        yield {
            "name": rows.TRAINING,
            "input": f"{name}, {per_node} × {LENGTH}",
            "who": who,
            "tokens": tokens,
            "rate": tokens / timed.median,
            "ratio": ratio,
            "bar": bar,
            "goal": goal,
            "held": None if bar is None else ratio >= bar,
            "same_bits": same if who == one else None,
            "ok": same,
            "f1": scores,
            "times": timed.as_dict(),
        }
