"""The product of two relations beside scipy's and GraphBLAS's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from operator import matmul
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from benches import data, timing
from benches.data import DataMissing
from benches.metapath import peers, rows
from benches.metapath.similar import beside, present, timed
from benches.section import Settings


def ours(relations: list[csr_array]) -> Callable[[], Any]:
    """Return the call of the kernel, which runs on diptych.get_num_threads(), as OMP_NUM_THREADS says."""
    from diptych.kernels.metapath import commuting_matrix

    return partial(commuting_matrix, relations)


def contender(peer: str, relations: list[csr_array]) -> Callable[[], Any]:
    """Return the call of a peer."""
    return peers.graphblas(relations) if peer == rows.GRAPHBLAS else partial(matmul, *relations)


def equal(ours: csr_array, theirs: csr_array) -> bool:
    """Say whether two matrices hold the same entries of the same type, in whatever order within a row."""
    theirs = theirs.sorted_indices()
    parts = ("indptr", "indices", "data")
    return (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype) and all(
        np.array_equal(getattr(ours, part), getattr(theirs, part)) for part in parts
    )


def product(settings: Settings) -> Iterator[dict]:
    """Multiply author × paper by paper × term; the peers' answers may leave the columns of a row unsorted."""
    if not settings.wanted(rows.AUTHOR_TERM):
        return
    try:
        relations = data.half_path("APTPA")
    except DataMissing as why:
        settings.say(f"{rows.AUTHOR_TERM}: skipped, {why}")
        return
    settings.say(f"{rows.AUTHOR_TERM} …")
    targets = present(rows.AUTHOR_TERM, rows.AUTHOR_TERM_TARGETS, settings)
    calls = {"diptych": ours(relations)} | {
        target.peer: contender(target.peer, relations) for target in targets
    }
    times = timing.interleave(
        {name: partial(timed, call) for name, call in calls.items()}, budget=settings.budget
    )
    answer = times["diptych"].first.result
    wrong = []
    for target in targets:
        theirs = times[target.peer].first.result
        if not equal(answer, peers.graphblas_answer(theirs) if target.peer == rows.GRAPHBLAS else theirs):
            wrong.append(target.peer)
    yield {
        "name": rows.AUTHOR_TERM,
        "input": f"author × paper, paper × term: {relations[0].nnz:,} and {relations[1].nnz:,} entries",
        "entries": answer.nnz,
        "answer": f"**differs** from {', '.join(wrong)}" if wrong else "= all peers",
        "ok": not wrong,
        "ours": times["diptych"].as_dict(),
        "peers": [beside(target, times) for target in targets],
    }
