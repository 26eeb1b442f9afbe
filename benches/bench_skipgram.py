"""pytest-benchmark groups of skip-gram training: ours beside gensim's Word2Vec on the same walks.

Run ``python -m pytest benches/bench_skipgram.py``. The walks are of BlogCatalog where ``DIPTYCH_DATA`` names
a folder that has it, else of an R-MAT graph; gensim is left out where it is not installed (``pip install
gensim``).
"""

import os
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from benches import data, machine

THREADS = 2
TRAINING = {"dimensions": 128, "window": 10, "negative": 5}


@pytest.fixture(scope="session", autouse=True)
def _release_build():
    machine.refuse_debug_build()


@pytest.fixture(scope="module")
def corpus() -> tuple[str, np.ndarray, int]:
    from scipy.io import loadmat

    from diptych.kernels.walks import random_walks

    folder = os.environ.get("DIPTYCH_DATA")
    blogcatalog = Path(folder or "") / "graphs" / "blogcatalog.mat"
    if folder and blogcatalog.exists():
        name, graph = "BlogCatalog", csr_array(loadmat(blogcatalog)["network"], dtype=float)
    else:
        name, graph = "R-MAT 2^13", csr_array(data.rmat(13) != 0, dtype=float)
    walks = random_walks(graph, walk_length=80, walks_per_node=10, rng=0, n_jobs=THREADS)
    return name, walks[np.random.default_rng(0).permutation(len(walks))], graph.shape[0]


def measured(benchmark, corpus, train):
    name, walks, _ = corpus
    benchmark.group = f"skip-gram, {name}, 10 × 80"
    benchmark.pedantic(train, rounds=3, warmup_rounds=0)
    tokens = int(np.count_nonzero(walks >= 0))
    benchmark.extra_info.update(machine.facts(THREADS), load=os.getloadavg()[0], tokens=tokens)
    benchmark.extra_info["tokens_per_second"] = tokens / benchmark.stats.stats.median


@pytest.mark.parametrize("threads", [1, THREADS])
def test_diptych(benchmark, corpus, threads):
    from diptych.kernels.skipgram import train

    _, walks, n_nodes = corpus
    measured(benchmark, corpus, lambda: train(walks, n_nodes=n_nodes, rng=1, n_jobs=threads, **TRAINING))


def test_gensim(benchmark, corpus):
    models = pytest.importorskip("gensim.models")
    sentences = [[str(node) for node in walk if node >= 0] for walk in corpus[1]]
    model = models.Word2Vec(
        vector_size=128, window=10, negative=5, sg=1, hs=0, sample=0, min_count=0, workers=THREADS
    )
    model.build_vocab(sentences)
    epochs = {"total_examples": model.corpus_count, "epochs": 1}
    measured(benchmark, corpus, lambda: model.train(sentences, **epochs))
