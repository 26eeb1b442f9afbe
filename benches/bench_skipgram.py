"""pytest-benchmark groups of skip-gram training: ours beside gensim's Word2Vec on the same walks.

Run ``python -m pytest benches/bench_skipgram.py``; gensim, whose vocabulary is in its time here, is left out
where it is not installed. The table with bars and goals comes from ``python -m benches --section training``.
"""

import os

import numpy as np
import pytest

from benches import machine
from benches.embedding import peers, training

THREADS = 2
PER_NODE = training.PER_NODE_QUICK


@pytest.fixture(scope="session", autouse=True)
def _release_build():
    machine.refuse_debug_build()


@pytest.fixture(scope="module")
def corpus():
    name, graph, _ = training.corpus()
    return name, graph, training.walks_of(graph, PER_NODE, THREADS)


def measured(benchmark, corpus, run):
    name, _, walks = corpus
    benchmark.group = f"skip-gram, {name}, {PER_NODE} × {training.LENGTH}"
    benchmark.pedantic(run, rounds=3, warmup_rounds=0)
    tokens = int(np.count_nonzero(walks >= 0))
    benchmark.extra_info.update(machine.facts(THREADS), load=os.getloadavg()[0], tokens=tokens)
    benchmark.extra_info["tokens_per_second"] = tokens / benchmark.stats.stats.median


@pytest.mark.parametrize("threads", [1, THREADS])
def test_diptych(benchmark, corpus, threads):
    measured(benchmark, corpus, lambda: training.ours(corpus[1], PER_NODE, threads))


@pytest.mark.skipif(not peers.gensim_installed(), reason="gensim is not installed")
def test_gensim(benchmark, corpus):
    _, graph, walks = corpus
    measured(benchmark, corpus, training.gensim(walks, graph.shape[0], THREADS))
