"""gensim's Word2Vec: skip-gram with negative sampling, no subsampling, on given walks."""

from __future__ import annotations

import importlib.util

import numpy as np

from benches.timing import timed

DIMENSIONS, WINDOW, NEGATIVE = 128, 10, 5  # of everybody


def gensim_installed() -> bool:
    """Say whether gensim can be imported here."""
    return importlib.util.find_spec("gensim") is not None


def gensim_name(threads: int) -> str:
    """Return what the tables call it."""
    import gensim

    return f"gensim {gensim.__version__} Word2Vec, workers={threads}"


def sentences(walks: np.ndarray, n_nodes: int) -> list[list[str]]:
    """Return walks as gensim wants them, in random order, for it takes them as they come."""
    names = [str(node) for node in range(n_nodes)]
    order = np.random.default_rng(0).permutation(len(walks))
    return [[names[node] for node in walk if node >= 0] for walk in walks[order].tolist()]


def word2vec(corpus: list[list[str]], n_nodes: int, threads: int, *, seed: int) -> tuple[float, np.ndarray]:
    """Return the seconds of training alone, without those of its vocabulary, and the vectors by node.

    Every node must occur: each starts a walk.
    """
    from gensim.models import Word2Vec

    model = Word2Vec(
        vector_size=DIMENSIONS,
        window=WINDOW,
        negative=NEGATIVE,
        sg=1,
        hs=0,
        sample=0,
        min_count=0,
        workers=threads,
        seed=seed,
    )
    model.build_vocab(corpus)
    seconds, _ = timed(lambda: model.train(corpus, total_examples=model.corpus_count, epochs=1))
    return seconds, np.stack([model.wv[str(node)] for node in range(n_nodes)])
