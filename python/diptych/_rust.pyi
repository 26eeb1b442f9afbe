# The extension module. Arguments are positional, n_threads >= 1; arrays are C-contiguous, aligned and native.
from collections.abc import Callable
from typing import Final, Self, TypeAlias, final, overload

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "InternalError",
    "MetapathIndex",
    "RecurrentCell",
    "alias_table",
    "attention_backward",
    "attention_forward",
    "dbscan",
    "dbscan_csr",
    "dbscan_dense",
    "dbscan_predict",
    "dbscan_predict_csr",
    "dbscan_predict_dense",
    "debug_build",
    "k_distances",
    "k_distances_csr",
    "k_distances_dense",
    "metapath_chain",
    "metapath_index",
    "metapath_pairs",
    "metapath_pathsim",
    "metapath_top_k",
    "random_walks",
    "recurrent_backward_both",
    "recurrent_lstm",
    "recurrent_lstm_backward",
    "recurrent_lstm_jacobian_norms",
    "recurrent_lstm_memory_terms",
    "recurrent_lstm_step",
    "recurrent_rnn",
    "recurrent_rnn_backward",
    "recurrent_rnn_jacobian_norms",
    "recurrent_rnn_memory_terms",
    "recurrent_rnn_step",
    "recurrent_run_both",
    "recurrent_sigmoid",
    "recurrent_tanh",
    "sample_alias",
    "simd_path",
    "skipgram_embed",
    "skipgram_noise",
    "skipgram_sgns_gradients",
    "skipgram_sgns_loss",
    "skipgram_train",
    "skipgram_window_pairs",
    "splitmix64",
    "version",
]

_Floats: TypeAlias = NDArray[np.float64] | NDArray[np.float32]
_Indices: TypeAlias = NDArray[np.int64] | NDArray[np.int32]
_Progress: TypeAlias = Callable[[int, int], None] | None
# y, h, c, gates, cells
_Ran: TypeAlias = tuple[_Floats, _Floats, _Floats | None, _Floats | None, _Floats | None]
# x, h0, c0, y, gates, cells, w_ih, w_hh, reverse, dy, dh, dc
_Way: TypeAlias = tuple[
    _Floats, _Floats, _Floats | None, _Floats, _Floats | None, _Floats | None,
    _Floats, _Floats, bool, _Floats, _Floats | None, _Floats | None,
]  # fmt: skip
# by x, h0, c0, w_ih, w_hh and either bias
_Back: TypeAlias = tuple[_Floats, _Floats, _Floats | None, _Floats, _Floats, _Floats]
_Tables: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32]]
# dimensions, window, negative, exponent, shrink, epochs, learning_rate, min_learning_rate, key,
# (batch, visits, share, pool)
_Training: TypeAlias = tuple[int, int, int, float, bool, int, float, float, int, tuple[int, int, int, int]]
# indptr, indices, data, number of columns; canonical, entries positive and finite
_Integers: TypeAlias = NDArray[np.int32] | NDArray[np.int64]
_Matrix: TypeAlias = tuple[_Integers, _Integers, NDArray[np.int64] | NDArray[np.float64], int]

version: Final[str]
debug_build: Final[bool]

class InternalError(RuntimeError): ...

def simd_path() -> str: ...
def dbscan(
    x: _Floats,
    eps: float,
    min_samples: int,
    metric: str,
    p: float,
    sample_weight: NDArray[np.float64] | None,
    n_threads: int,
    progress: _Progress,
    /,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]: ...
def dbscan_dense(
    d: _Floats,
    eps: float,
    min_samples: int,
    sample_weight: NDArray[np.float64] | None,
    n_threads: int,
    progress: _Progress,
    /,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]: ...
def dbscan_csr(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int64],
    data: NDArray[np.float64],
    n_columns: int,
    eps: float,
    min_samples: int,
    sample_weight: NDArray[np.float64] | None,
    n_threads: int,
    progress: _Progress,
    /,
) -> tuple[NDArray[np.intp], NDArray[np.intp]]: ...
def dbscan_predict(
    x_new: _Floats,
    core_points: _Floats,
    core_labels: NDArray[np.int64],
    eps: float,
    metric: str,
    p: float,
    n_threads: int,
    progress: _Progress,
    /,
) -> NDArray[np.intp]: ...
def dbscan_predict_dense(
    d: _Floats,
    core_labels: NDArray[np.int64],
    eps: float,
    n_threads: int,
    progress: _Progress,
    /,
) -> NDArray[np.intp]: ...
def dbscan_predict_csr(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int64],
    data: NDArray[np.float64],
    n_columns: int,
    core_labels: NDArray[np.int64],
    eps: float,
    n_threads: int,
    progress: _Progress,
    /,
) -> NDArray[np.intp]: ...
def k_distances(
    x: _Floats,
    k: int,
    metric: str,
    p: float,
    n_threads: int,
    progress: _Progress,
    /,
) -> NDArray[np.float64]: ...
def k_distances_dense(
    d: _Floats,
    k: int,
    n_threads: int,
    progress: _Progress,
    /,
) -> NDArray[np.float64]: ...
def k_distances_csr(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int64],
    data: NDArray[np.float64],
    n_columns: int,
    k: int,
    n_threads: int,
    progress: _Progress,
    /,
) -> NDArray[np.float64]: ...
def splitmix64(seed: int, stream: int, start: int, count: int, /) -> NDArray[np.uint64]: ...
def alias_table(
    weights: NDArray[np.float64], progress: _Progress, /
) -> tuple[NDArray[np.float64], NDArray[np.int64]]: ...
def sample_alias(
    threshold: NDArray[np.float64],
    alias: NDArray[np.int64],
    size: int,
    key: int,
    n_threads: int,
    progress: _Progress,
    /,
) -> NDArray[np.int64]: ...
def random_walks(
    indptr: _Indices,
    indices: _Indices,
    data: NDArray[np.float64],
    n_columns: int,
    start_nodes: NDArray[np.int64] | None,
    walk_length: int,
    walks_per_node: int,
    p: float,
    q: float,
    key: int,
    n_threads: int,
    progress: _Progress,
    /,
) -> NDArray[np.int32]: ...
def skipgram_window_pairs(
    walks: NDArray[np.int32], window: int, shrink: bool, key: int, n_threads: int, progress: _Progress, /
) -> tuple[NDArray[np.int64], NDArray[np.int64]]: ...
def skipgram_noise(counts: NDArray[np.float64], exponent: float, /) -> NDArray[np.float64]: ...
def skipgram_sgns_loss(
    center: NDArray[np.float64], positive: NDArray[np.float64], negatives: NDArray[np.float64], /
) -> float: ...
def skipgram_sgns_gradients(
    center: NDArray[np.float64], positive: NDArray[np.float64], negatives: NDArray[np.float64], /
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]: ...
def skipgram_train(
    walks: NDArray[np.int32],
    n_nodes: int,
    training: _Training,
    initial: _Tables | None,
    n_threads: int,
    progress: _Progress,
    /,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]: ...
def skipgram_embed(
    indptr: _Indices,
    indices: _Indices,
    data: NDArray[np.float64],
    n_columns: int,
    steps: tuple[int, int, float, float],
    training: _Training,
    initial: _Tables | None,
    n_threads: int,
    progress: _Progress,
    /,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]: ...
def metapath_chain(
    relations: list[_Matrix], n_threads: int, /
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64] | NDArray[np.float64]] | None: ...
def metapath_pathsim(
    half: _Matrix, threshold: float, n_threads: int, progress: _Progress, /
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]] | None: ...
def metapath_top_k(
    half: _Matrix,
    k: int,
    queries: NDArray[np.int64] | None,
    include_self: bool,
    n_threads: int,
    progress: _Progress,
    /,
) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None: ...
def metapath_pairs(
    half: _Matrix,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    n_threads: int,
    progress: _Progress,
    /,
) -> NDArray[np.float64] | None: ...
def metapath_index(half: _Matrix, /) -> MetapathIndex | None: ...
def recurrent_sigmoid(x: _Floats, /) -> _Floats: ...
def recurrent_tanh(x: _Floats, /) -> _Floats: ...
def recurrent_rnn_step(
    x: _Floats,
    h: _Floats,
    w_ih: _Floats,
    w_hh: _Floats,
    b_ih: _Floats | None,
    b_hh: _Floats | None,
    nonlinearity: str,
    /,
) -> _Floats: ...
def recurrent_lstm_step(
    x: _Floats,
    h: _Floats,
    c: _Floats,
    w_ih: _Floats,
    w_hh: _Floats,
    b_ih: _Floats | None,
    b_hh: _Floats | None,
    /,
) -> tuple[_Floats, _Floats]: ...
def recurrent_rnn(
    x: _Floats,
    h0: _Floats,
    w_ih: _Floats,
    w_hh: _Floats,
    b_ih: _Floats | None,
    b_hh: _Floats | None,
    nonlinearity: str,
    lengths: NDArray[np.int64] | None,
    reverse: bool,
    keep: bool,
    n_threads: int,
    progress: _Progress,
    /,
) -> tuple[_Floats, _Floats]: ...
def recurrent_lstm(
    x: _Floats,
    h0: _Floats,
    c0: _Floats,
    w_ih: _Floats,
    w_hh: _Floats,
    b_ih: _Floats | None,
    b_hh: _Floats | None,
    lengths: NDArray[np.int64] | None,
    reverse: bool,
    keep: bool,
    n_threads: int,
    progress: _Progress,
    /,
) -> tuple[_Floats, _Floats, _Floats, _Floats | None, _Floats | None]: ...
def recurrent_rnn_backward(
    x: _Floats,
    h0: _Floats,
    y: _Floats,
    w_ih: _Floats,
    w_hh: _Floats,
    nonlinearity: str,
    lengths: NDArray[np.int64] | None,
    reverse: bool,
    dy: _Floats,
    dh: _Floats | None,
    n_threads: int,
    progress: _Progress,
    /,
) -> tuple[_Floats, _Floats, _Floats, _Floats, _Floats]: ...
def recurrent_lstm_backward(
    x: _Floats,
    h0: _Floats,
    c0: _Floats,
    y: _Floats,
    gates: _Floats,
    cells: _Floats,
    w_ih: _Floats,
    w_hh: _Floats,
    lengths: NDArray[np.int64] | None,
    reverse: bool,
    dy: _Floats,
    dh: _Floats | None,
    dc: _Floats | None,
    n_threads: int,
    progress: _Progress,
    /,
) -> tuple[_Floats, _Floats, _Floats, _Floats, _Floats, _Floats]: ...
def recurrent_backward_both(
    kind: str,
    first: _Way,
    second: _Way,
    lengths: NDArray[np.int64] | None,
    n_threads: int,
    progress: _Progress,
    /,
) -> tuple[_Back, _Back]: ...
def recurrent_run_both(
    first: RecurrentCell,
    second: RecurrentCell,
    x: _Floats,
    states: tuple[tuple[_Floats, _Floats | None], tuple[_Floats, _Floats | None]],
    lengths: NDArray[np.int64] | None,
    keep: bool,
    n_threads: int,
    progress: _Progress,
    /,
) -> tuple[_Ran, _Ran]: ...
def recurrent_lstm_memory_terms(
    gates: _Floats, c0: _Floats, lengths: NDArray[np.int64] | None, reverse: bool, /
) -> _Floats: ...
def recurrent_rnn_memory_terms(
    x: _Floats,
    h0: _Floats,
    w_ih: _Floats,
    w_hh: _Floats,
    b_ih: _Floats | None,
    b_hh: _Floats | None,
    lengths: NDArray[np.int64] | None,
    reverse: bool,
    n_threads: int,
    progress: _Progress,
    /,
) -> _Floats: ...
def recurrent_rnn_jacobian_norms(
    y: _Floats,
    w_hh: _Floats,
    nonlinearity: str,
    lengths: NDArray[np.int64] | None,
    reverse: bool,
    n_threads: int,
    progress: _Progress,
    /,
) -> NDArray[np.float64]: ...
def recurrent_lstm_jacobian_norms(
    gates: _Floats,
    cells: _Floats,
    c0: _Floats,
    w_hh: _Floats,
    lengths: NDArray[np.int64] | None,
    reverse: bool,
    n_threads: int,
    progress: _Progress,
    /,
) -> NDArray[np.float64]: ...
def attention_forward(
    query: _Floats,
    key: _Floats,
    value: _Floats,
    mask: NDArray[np.bool] | _Floats | None,
    is_causal: bool,
    scale: float,
    with_weights: bool,
    keep: bool,
    n_threads: int,
    progress: _Progress,
    /,
) -> tuple[_Floats, _Floats | None, _Floats | None, _Floats | None]: ...
def attention_backward(
    query: _Floats,
    key: _Floats,
    value: _Floats,
    mask: NDArray[np.bool] | _Floats | None,
    is_causal: bool,
    scale: float,
    output: _Floats,
    maximum: _Floats,
    total: _Floats,
    d_output: _Floats,
    n_threads: int,
    progress: _Progress,
    /,
) -> tuple[_Floats, _Floats, _Floats]: ...

@final
class MetapathIndex:
    def top_k(
        self,
        k: int,
        queries: NDArray[np.int64] | None,
        include_self: bool,
        n_threads: int,
        progress: _Progress,
        /,
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]: ...
    def pairs(
        self, left: NDArray[np.int64], right: NDArray[np.int64], n_threads: int, progress: _Progress, /
    ) -> NDArray[np.float64]: ...

@final
class RecurrentCell:
    def __new__(
        cls, kind: str, w_ih: _Floats, w_hh: _Floats, b_ih: _Floats | None, b_hh: _Floats | None, /
    ) -> Self: ...
    @overload
    def step(self, x: _Floats, h: _Floats, c: None = None, /) -> _Floats: ...
    @overload
    def step(self, x: _Floats, h: _Floats, c: _Floats, /) -> tuple[_Floats, _Floats]: ...
    def stream(
        self, x: object, state: object, /
    ) -> tuple[_Floats, _Floats | tuple[_Floats, _Floats]] | None: ...
    def sequences(
        self, x: object, state: object, n_threads: int, /
    ) -> tuple[_Floats, _Floats | tuple[_Floats, _Floats]] | None: ...
    def run(
        self,
        x: _Floats,
        h0: _Floats,
        c0: _Floats | None,
        lengths: NDArray[np.int64] | None,
        reverse: bool,
        keep: bool,
        n_threads: int,
        progress: _Progress,
        /,
    ) -> tuple[_Floats, _Floats, _Floats | None, _Floats | None, _Floats | None]: ...
