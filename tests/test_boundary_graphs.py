"""What walks and skip-gram refuse, and what they survive: the kernels behind their contracts."""

import threading
import time

import numpy as np
import pytest
from scipy.sparse import csc_array, csr_array, csr_matrix

from diptych import _rust
from diptych._progress import reporting
from diptych.kernels._training import embed
from diptych.kernels.skipgram import (
    negative_samples,
    noise_distribution,
    sgns_gradients,
    sgns_loss,
    train,
    window_pairs,
)
from diptych.kernels.walks import alias_table, random_walks

RING = csr_array(np.roll(np.eye(5), 1, axis=1) + np.roll(np.eye(5), -1, axis=1))
WALKS = random_walks(RING, walk_length=6, walks_per_node=2, rng=0)
nan, inf = float("nan"), float("inf")


def weighing(value):
    graph = RING.copy()
    graph.data[3] = value
    return graph


def lying(**parts):
    graph = RING.copy()
    for name, values in parts.items():
        setattr(graph, name, np.array(values, dtype=np.int32))
    return graph


GRAPHS = {
    "NaN weight": (weighing(nan), "nan"),
    "infinite weight": (weighing(inf), "inf"),
    "negative weight": (weighing(-2.0), r"-2\.0"),
    "not square": (csr_array(np.ones((2, 3))), "(?s)2.*3"),
    "index out of range": (lying(indices=[1, 4, 0, 2, 1, 3, 2, 4, 0, 7]), r"indices\[9\]=7"),
    "negative index": (lying(indices=[1, 4, 0, 2, 1, 3, 2, 4, 0, -1]), r"indices\[9\]=-1"),
    "indptr falls": (lying(indptr=[0, 4, 2, 6, 8, 10]), r"indptr\[2\]=2"),
    "indptr ends late": (lying(indptr=[0, 2, 4, 6, 8, 11]), r"indptr\[-1\]=11"),
    "dense": (RING.toarray(), "(?i)csr"),
    "another format": (csc_array(RING), r"tocsr\(\)"),
    "complex": (csr_array(RING.toarray() * 1j), "complex"),
}


@pytest.mark.parametrize("bad", GRAPHS)
@pytest.mark.parametrize("call", [random_walks, embed])
def test_bad_graphs_are_refused_by_name(call, bad):
    graph, says = GRAPHS[bad]
    with pytest.raises(ValueError, match=says):
        call(graph)


@pytest.mark.parametrize("call", [random_walks, embed])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("p", 0.0),
        ("p", -1.0),
        ("p", nan),
        ("q", 0.0),
        ("q", nan),
        ("q", inf),
        ("walk_length", 0),
        ("walks_per_node", 0),
    ],
)
def test_bad_parameters_of_walks(call, name, value):
    with pytest.raises(ValueError, match=f"{name}={value}"):
        call(RING, **{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dimensions", 0),
        ("window", 0),
        ("negative", -1),
        ("epochs", -1),
        ("exponent", nan),
        ("learning_rate", 0.0),
        ("learning_rate", nan),
        ("learning_rate", 1e39),
        ("min_learning_rate", 1e-46),
        ("min_learning_rate", 1.0),
        ("window", 2.5),
    ],
)
def test_bad_parameters_of_training(name, value):
    with pytest.raises(ValueError, match=name):
        train(WALKS, n_nodes=5, **{name: value})
    with pytest.raises(ValueError, match=name):
        embed(RING, **{name: value})


@pytest.mark.parametrize("starts", [[5], [-1], [0, 1, 9]])
def test_starts_are_nodes(starts):
    with pytest.raises(ValueError, match=rf"start_nodes\[{len(starts) - 1}\]={starts[-1]}"):
        random_walks(RING, start_nodes=starts)


def test_walks_hold_nodes_and_then_nothing():
    with pytest.raises(ValueError, match=r"5"):
        train([[0, 1, 5]], n_nodes=5)
    with pytest.raises(ValueError, match=r"-2"):
        train([[0, -2, 1]], n_nodes=5)
    with pytest.raises(ValueError, match=r"-1"):
        train([[0, -1, 1]], n_nodes=5)
    with pytest.raises(TypeError):
        train([[0.0, 1.0]], n_nodes=5)


def test_masked_walks_are_refused():
    masked = np.ma.masked_array([[0, 1, 2]], mask=[[False, False, True]])
    for call in (window_pairs, lambda walks: train(walks, n_nodes=3, dimensions=2)):
        with pytest.raises(ValueError, match="walks has masked entries"):
            call(masked)
    assert len(window_pairs(np.ma.masked_array([[0, 1, 2]], mask=False), window=1)[0]) == 4


def test_the_kernel_refuses_walks_that_leave_the_tables():
    how = (4, 2, 1, 0.75, True, 1, 0.1, 0.01, 7, (8, 16, 32, 100))
    for walks in ([[0, 3]], [[0, -2]], [[-1, 0]]):
        with pytest.raises(ValueError, match="walks"):
            _rust.skipgram_train(np.array(walks, np.int32), 3, how, None, 1, None)
    batches = [(9, (0, 16, 32, 100)), (9, (17, 16, 32, 100)), (9, (8, 16, 0, 100)), (9, (8, 16, 33, 100))]
    for at, value in ((0, 0), (1, 0), *batches):
        wrong = (*how[:at], value, *how[at + 1 :])
        with pytest.raises(ValueError, match=r"=0|=17|=33"):
            _rust.skipgram_train(np.zeros((1, 2), np.int32), 3, wrong, None, 1, None)


def test_sizes_that_no_memory_holds():
    with pytest.raises((MemoryError, ValueError)):
        random_walks(RING, walk_length=2**31, walks_per_node=2**40)
    with pytest.raises(MemoryError):
        train([[0, 1]], n_nodes=2**31 - 1, dimensions=2**40)


def test_graphs_with_next_to_nothing_in_them():
    empty, alone, isolated = csr_array((0, 0)), csr_array((1, 1)), csr_array((3, 3))
    assert random_walks(empty, walk_length=4).shape == (0, 4)
    assert embed(empty, dimensions=3).vectors.shape == (0, 3)
    np.testing.assert_array_equal(random_walks(alone, walk_length=3, walks_per_node=1), [[0, -1, -1]])
    for graph in (alone, isolated):
        model = embed(graph, dimensions=3, rng=1)
        assert np.isfinite(model.vectors).all()
        assert model.losses == [0.0]


def test_a_vocabulary_of_one_finds_no_negative_and_ends():
    model = train([[0, 0, 0, 0]], n_nodes=1, dimensions=3, rng=1)
    assert np.isfinite(model.vectors).all()


def test_walks_of_nothing():
    for walks in (np.zeros((0, 5), int), np.full((2, 5), -1)):
        model = train(walks, n_nodes=4, dimensions=3, rng=1)
        assert model.losses == [0.0]
        assert not model.contexts.any()


@pytest.mark.parametrize("rate", [0.4, 1.0, 10.0])
def test_a_descent_that_freezes_far_up_is_no_result(rate):
    # The rate falls to next to nothing, so numbers may stay finite however far up they are.
    star = csr_array(np.pad(np.ones((1, 50)), ((0, 50), (1, 0))))
    walks = random_walks(star + star.T, walk_length=80, walks_per_node=10, rng=0)
    try:
        losses = train(walks, n_nodes=51, dimensions=32, learning_rate=rate, rng=0).losses
    except FloatingPointError:
        return
    assert losses[0] < 10 * 6 * np.log(2)


def test_a_star_is_learnt_at_any_usual_rate():
    star = csr_array(np.pad(np.ones((1, 50)), ((0, 50), (1, 0))))
    walks = random_walks(star + star.T, walk_length=80, walks_per_node=10, rng=0)
    for rate in (0.025, 0.05, 0.1):
        losses = train(walks, n_nodes=51, dimensions=32, learning_rate=rate, epochs=3, rng=0).losses
        assert losses.max() < 0.7 * 6 * np.log(2)  # of vectors that know nothing


@pytest.mark.parametrize("nothing", [[], ()])
def test_an_empty_list_is_no_walks(nothing):
    model = train(nothing, n_nodes=2, dimensions=3, rng=1)
    expected = train(np.zeros((0, 5), int), n_nodes=2, dimensions=3, rng=1)
    np.testing.assert_array_equal(model.vectors, expected.vectors)
    assert model.vectors.shape == (2, 3)
    assert model.losses == [0.0]
    assert train(nothing, n_nodes=0, dimensions=3).vectors.shape == (0, 3)


def test_a_rate_that_diverges_is_named():
    with pytest.raises(FloatingPointError, match=r"epoch \d+.*rate.*lower learning_rate"):
        train(WALKS, n_nodes=5, dimensions=8, epochs=200, learning_rate=1e4, rng=0)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("value", [bool, np.uint8, np.int64, np.float32])
def test_types_of_graphs_do_not_matter(index, value):
    graph = csr_matrix(RING.astype(value))
    graph.indices, graph.indptr = graph.indices.astype(index), graph.indptr.astype(index)
    for part in (graph.data, graph.indices, graph.indptr):
        part.flags.writeable = False
    np.testing.assert_array_equal(random_walks(graph, rng=3), random_walks(RING, rng=3))


def test_room_at_the_end_of_a_matrix_is_no_edge():
    graph = csr_matrix(RING)
    wanted = random_walks(graph, rng=3)
    graph.indices, graph.data = np.append(graph.indices, [99]), np.append(graph.data, [np.nan])
    np.testing.assert_array_equal(random_walks(graph, rng=3), wanted)


@pytest.mark.parametrize(("weights", "p"), [([1e-320, 2e-320], 0.5), ([1e-30, 3e-30], 1e290)])
def test_weights_that_biases_would_erase_are_refused(weights, p):
    graph = csr_matrix((weights * 3, [1, 2, 0, 2, 0, 1], [0, 2, 4, 6]))
    assert random_walks(graph, rng=0).max() == 2
    with pytest.raises(ValueError, match=r"row 0 .* less than float64 can tell apart"):
        random_walks(graph, p=p, rng=0)


def test_layouts_of_walks_do_not_matter():
    wanted = train(WALKS, n_nodes=5, dimensions=4, rng=2).vectors
    wide = np.zeros((2 * len(WALKS), 2 * WALKS.shape[1]), WALKS.dtype)
    wide[::2, ::2] = WALKS
    frozen = WALKS.copy()
    frozen.flags.writeable = False
    for walks in (np.asfortranarray(WALKS), wide[::2, ::2], frozen, WALKS.astype(">i8"), WALKS.tolist()):
        np.testing.assert_array_equal(train(walks, n_nodes=5, dimensions=4, rng=2).vectors, wanted)


def test_counts_and_weights_that_make_no_distribution():
    for call in (noise_distribution, alias_table, lambda w: negative_samples(w, 3)):
        for wrong in ([], [0.0, 0.0], [1.0, -1.0], [1.0, nan], [inf]):
            with pytest.raises(ValueError, match=r"\S"):
                call(wrong)


def test_vectors_of_different_lengths():
    for call in (sgns_loss, sgns_gradients):
        with pytest.raises(ValueError, match="positive"):
            call([1.0, 2.0], [1.0], [[1.0, 2.0]])
        with pytest.raises(ValueError, match="negatives"):
            call([1.0], [1.0], [[1.0, 2.0]])


def test_pairs_of_windows_are_checked():
    with pytest.raises(ValueError, match="window=0"):
        window_pairs(WALKS, window=0)


def test_what_a_callback_raises_stops_training():
    def stop(done, total):
        raise KeyboardInterrupt

    many = np.tile(WALKS, (2000, 1))
    started = time.perf_counter()
    with pytest.raises(KeyboardInterrupt), reporting(stop):
        train(many, n_nodes=5, dimensions=256, epochs=1000, rng=0)
    assert time.perf_counter() - started < 5
    assert train(WALKS, n_nodes=5, dimensions=2, rng=0).vectors.shape == (5, 2)


def test_progress_of_training_rises_to_its_total():
    seen = []
    with reporting(lambda done, total: seen.append((done, total))):
        train(np.tile(WALKS, (500, 1)), n_nodes=5, dimensions=64, epochs=20, rng=0)
    done, totals = zip(*seen, strict=True)
    assert list(done) == sorted(done)
    assert max(done) <= max(totals)


def test_threads_train_side_by_side():
    wanted, found = train(WALKS, n_nodes=5, dimensions=8, epochs=20, rng=4, n_jobs=1), []

    def run():
        found.append(train(WALKS, n_nodes=5, dimensions=8, epochs=20, rng=4, n_jobs=2))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(threads)
    for model in found:
        np.testing.assert_array_equal(model.vectors, wanted.vectors)
