"""One thread of BLAS for small nets: the same bits however many it would have."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from diptych._blas import one_thread
from processes import alone, with_fork

FIT = """
import hashlib, sys
import diptych
from diptych import datasets
encoder = sys.argv[1]
if encoder == "characters":
    model = diptych.CharacterModel(hidden_size=128, epochs=1, random_state=0, n_jobs=1)
    model.fit("sing, o muse " * 600)
    found = [model.embedding_, model.lstm_, model.linear_], [model.cross_entropy("sing")]
else:
    options = dict(encoder=encoder, epochs=1, random_state=0, n_jobs=1)
    words, tags, intents = datasets.make_travel_requests(200, rng=0)
    model = diptych.SlotTagger(**options).fit(words, tags, intents)
    found = model._fitted_network.layers.values(), [model.losses_[0]]
layers, numbers = found
digest = hashlib.sha256(repr(numbers).encode())
for layer in layers:
    for weight in layer.state_dict().values():
        digest.update(weight.tobytes())
print(digest.hexdigest())
"""


assert np.ones(2) @ np.ones(2) == 2  # BLAS is loaded


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.parametrize("kind", ["none", "lstm", "transformer", "characters"])
def test_threads_of_blas_change_no_bit(kind):
    def digest(threads):
        names = "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"
        return alone(FIT, kind, **dict.fromkeys(names, threads))

    assert digest("1") == digest("2") != ""


def test_the_last_to_leave_lifts_the_limit():
    with threadpool_limits(2, user_api="blas"):
        outer = blas_threads()
        began, may_end = threading.Event(), threading.Event()

        def other():
            with one_thread():
                began.set()
                may_end.wait()

        thread = threading.Thread(target=other)
        with one_thread():
            thread.start()
            began.wait()
        left = blas_threads()  # the other is still inside
        may_end.set()
        thread.join()
        assert (left, blas_threads(), outer) == ({1}, {2}, {2})


def test_an_error_lifts_the_limit():
    with threadpool_limits(2, user_api="blas"):
        outer = blas_threads()
        with pytest.raises(KeyError), one_thread(), one_thread():
            raise KeyError
        assert blas_threads() == outer


@with_fork
def test_a_forked_child_is_not_inside():
    with threadpool_limits(2, user_api="blas"):
        outer = blas_threads()
        with one_thread():
            child = os.fork()
            if child == 0:
                with one_thread():
                    inside = blas_threads() == {1}
                os._exit(0 if inside and blas_threads() == outer else 1)
            assert os.waitpid(child, 0)[1] == 0
            assert blas_threads() == {1}
