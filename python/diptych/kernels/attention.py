"""Attention: the mean of values, weighted by how well their keys fit a query; and its way back.

Names, shapes and the meaning of masks are those of ``torch.nn.functional.scaled_dot_product_attention``.
"""

from typing import Any, NamedTuple

from numpy.typing import ArrayLike, NDArray

from diptych import _progress, _rust
from diptych import _validate_attention as _check
from diptych._threads import resolve_n_jobs
from diptych._validate import FloatArray

__all__ = [
    "AttentionGradients",
    "AttentionTape",
    "scaled_dot_product_attention",
    "scaled_dot_product_attention_backward",
]


class AttentionTape(NamedTuple):
    """What :func:`scaled_dot_product_attention_backward` takes.

    It is what :func:`scaled_dot_product_attention` returns last with ``return_tape=True``. It holds the
    arrays themselves, not copies: change none of them before the way back.

    Attributes
    ----------
    query, key, value, attn_mask, is_causal, scale
        The arguments, as arrays of one dtype; `attn_mask` is None where it was, `scale` is a number.
    output : ndarray of shape (…, L, v)
        What was returned.
    maximum, total : ndarray of shape (…, L)
        The greatest score m of each query and ``l = Σ exp(score - m)``: a weight is ``exp(score - m) / l``,
        and the logarithm of the sum of exponentials ``m + log(l)``, which as one number would lose what
        large scores need. Both are 0 where no key is seen; where a score is NaN `total` is, and `maximum`
        may be anything.
    """

    query: FloatArray
    key: FloatArray
    value: FloatArray
    attn_mask: NDArray[Any] | None
    is_causal: bool
    scale: float
    output: FloatArray
    maximum: FloatArray
    total: FloatArray


class AttentionGradients(NamedTuple):
    """Derivatives by the arguments of the same names.

    Attributes
    ----------
    query, key, value : ndarray
        Each of the shape of the argument.
    """

    query: FloatArray
    key: FloatArray
    value: FloatArray


def scaled_dot_product_attention(
    query: ArrayLike,
    key: ArrayLike,
    value: ArrayLike,
    *,
    attn_mask: ArrayLike | None = None,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_weights: bool = False,
    return_tape: bool = False,
    n_jobs: int | None = None,
) -> Any:
    """Give each query the mean of the values, weighted by the softmax of its scores with the keys.

    Parameters
    ----------
    query : array-like of shape (…, L, d), float32 or float64
        L queries of d features, under any axes before, such as batch and head. A list is float64, as is an
        array of Python objects.
    key : array-like of shape (…, S, d)
        S keys, of the dtype of `query` and under the same axes.
    value : array-like of shape (…, S, v)
        A value for each key, of any width v.
    attn_mask : array-like that broadcasts to (…, L, S), bool or of the dtype of query, or None, default=None
        Boolean: a query sees the keys where it is True (the opposite of ``key_padding_mask`` of torch's
        layers). Numbers are added to the scores; -inf hides a key. It is never expanded, and an array of
        native byte order that is aligned is read where it lies, whatever its strides.
    is_causal : bool, default=False
        Whether query i sees the keys ``j <= i`` only. Both are counted from their first, also where L and S
        differ. Together with a mask, a key must be seen by both.
    scale : float or None, default=None
        What the products of query and key are multiplied by; None is ``1 / sqrt(d)``.
    enable_gqa : bool, default=False
        Whether `key` and `value` may have fewer heads than `query`, on axis -3: each then serves as many of
        the query's heads in a row as there are more of them.
    return_weights : bool, default=False
        Whether to return the weights too, which takes L · S numbers for each head.
    return_tape : bool, default=False
        Whether to return what :func:`scaled_dot_product_attention_backward` takes. The output that is
        returned is part of it: change it only after the way back.
    n_jobs : int or None, default=None
        Number of threads; None means :func:`diptych.get_num_threads`, -1 all cores the process may use. The
        result does not depend on it.

    Returns
    -------
    output : ndarray of shape (…, L, v)
        ``softmax(scale * query @ key.T + attn_mask) @ value``, in the dtype of `query`.
    weights : ndarray of shape (…, L, S)
        With ``return_weights=True`` only: the softmax, 0 where a key is not seen.
    tape : AttentionTape
        With ``return_tape=True`` only, last.

    Raises
    ------
    ValueError
        If shapes do not fit each other, or the mask not the scores; if an axis is empty; if the heads of
        `query` are not a multiple of those of `key`, or differ without `enable_gqa`; if `scale` is not
        finite; if it or a number of a list is beyond what the dtype of `query` holds; if a mask has masked
        entries, or more than 32 axes to broadcast to.
    TypeError
        If dtypes differ or are neither float32 nor float64 (integers are refused, too), if a mask is of
        another dtype than bool or that of `query`, or a flag is no bool. (The error is a ValueError as
        well.)
    MemoryError
        If the result does not fit; the message names its size.

    See Also
    --------
    scaled_dot_product_attention_backward : The way back.

    Notes
    -----
    A key that is not seen has no influence at all, whatever it and its value hold, be it NaN. A query that
    sees no key gets zeros. Numbers are not scanned: NaN in a query, or in a key it sees, makes its whole
    output NaN; NaN in a value it sees makes that column NaN. Scores may be as large as the dtype holds: no
    exponent is above 0. A score that overflows to +inf counts as NaN, one that overflows to -inf as not
    seen. An exponential that would be no normal number is 0, of which an infinite value makes NaN. Weighted
    values are added up before the sum is divided by that of the weights: S values near the largest number of
    the dtype may overflow to infinity, where the reference, which divides first, gives their mean.

    The keys are read in blocks, of which a query keeps the greatest score so far, the sum of the
    exponentials and the sum of the values they weight [2]_ [3]_. Scores are never all there at once. Blocks
    are cut by position alone, every score is one chain of fused multiply-adds, sums of weights are added in
    one order: so the output of a query is the same, bit for bit, alone and among others, for every number
    of threads and on every instruction set. The reference adds in another order and agrees up to rounding.

    Time is O(L · S · (d + v)) for each head, of which a causal mask saves about half. Memory at the peak is
    the result, packed copies of the keys and values of as many heads as fit in 4 MiB, or of one if it is
    larger (widths rounded up to 64 numbers at most), and for each thread some 256 · (d + v) + 16,384 numbers;
    nothing grows with L · S unless `return_weights` asks for it. Up to 64 queries of many keys split the keys
    over the threads; then no packed copy is kept, but sums of parts, 1 MiB or eight results of a head. Up to
    128 keys are one block, for which nothing runs along: the plain softmax. A call of some ten microseconds
    stays on the calling thread; one of some milliseconds is shared by it and threads that look out for more
    for 0.2 ms; a longer one goes to a pool, which can be interrupted.

    References
    ----------
    .. [1] A. Vaswani et al., "Attention is all you need", NeurIPS 2017.
    .. [2] M. Milakov and N. Gimelshein, "Online normalizer calculation for softmax", arXiv:1805.02867, 2018.
    .. [3] T. Dao et al., "FlashAttention: fast and memory-efficient exact attention with IO-awareness",
       NeurIPS 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych.kernels.attention import scaled_dot_product_attention
    >>> key = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> value = np.array([[1.0], [2.0], [6.0]])
    >>> scaled_dot_product_attention(np.zeros((3, 2)), key, value, is_causal=True)
    array([[1. ],
           [1.5],
           [3. ]])
    """
    known = _check.heads(query, key, value, _check.flag(enable_gqa, "enable_gqa"))
    mask, causal = _check.attn_mask(attn_mask, known), _check.flag(is_causal, "is_causal")
    factor = _check.scale(scale, known.query.shape[-1], known.query.dtype)
    with_weights, keep = (
        _check.flag(return_weights, "return_weights"),
        _check.flag(return_tape, "return_tape"),
    )
    threads = resolve_n_jobs(n_jobs)
    output, maximum, total, weights = _rust.attention_forward(
        *known, mask, causal, factor, with_weights, keep, threads, _progress.current()
    )
    found: list[Any] = [output, weights] if with_weights else [output]
    if maximum is not None and total is not None:  # both are asked for by `keep`
        found.append(AttentionTape(*known, mask, causal, factor, output, maximum, total))
    return tuple(found) if len(found) > 1 else output


def scaled_dot_product_attention_backward(
    tape: AttentionTape, d_output: ArrayLike, *, n_jobs: int | None = None
) -> AttentionGradients:
    """Return the derivatives of a loss by query, key and value, given those by the output.

    Parameters
    ----------
    tape : AttentionTape
        What :func:`scaled_dot_product_attention` returned last with ``return_tape=True``; neither it nor the
        arguments may have changed since.
    d_output : array-like of shape (…, L, v)
        Derivatives of the loss by each entry of the output.
    n_jobs : int or None, default=None
        Number of threads, as there. The result does not depend on it.

    Returns
    -------
    AttentionGradients
        Derivatives by `query`, `key` and `value`, in their shapes. A head of keys that served several heads
        of queries gets the sum over these. The mask and returned weights have no part in it.

    Raises
    ------
    ValueError
        If `d_output` has not the shape of the output.
    TypeError
        If `tape` is none, or `d_output` is of another dtype. (The error is a ValueError as well.)
    MemoryError
        If the result does not fit; the message names its size.

    See Also
    --------
    scaled_dot_product_attention : The way there.

    Notes
    -----
    With W the weights, which are made again from the tape block by block::

        dV = Wᵀ dO;    dW = dO Vᵀ;    dZ = W ∘ (dW - Σ_c dO ∘ O)
        dQ = scale · dZ K;    dK = scale · dZᵀ Q

    A key that is not seen gets, from the queries that do not see it, the derivative 0, and gives them
    nothing, whatever it, its value, the query or `d_output` hold. NaN that is seen makes NaN.

    Every entry is a sum over queries or over keys in their order, the same bits for every number of threads
    and on every instruction set. Time is O(L · S · (d + v)) for each head. Memory at the peak is the result
    and for each thread some 512 · (d + v) + 32,768 numbers.

    References
    ----------
    .. [1] T. Dao et al., "FlashAttention: fast and memory-efficient exact attention with IO-awareness",
       NeurIPS 2022, appendix B.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych.kernels.attention import (
    ...     scaled_dot_product_attention,
    ...     scaled_dot_product_attention_backward,
    ... )
    >>> key, value = np.eye(2), np.array([[1.0], [3.0]])
    >>> output, tape = scaled_dot_product_attention(np.zeros((1, 2)), key, value, scale=1, return_tape=True)
    >>> scaled_dot_product_attention_backward(tape, [[1.0]]).query  # towards the key of the greater value
    array([[-0.5,  0.5]])
    """
    known = _check.tape(tape)
    gradients = _rust.attention_backward(
        *known.heads, known.mask, known.is_causal, known.scale, known.output, known.maximum, known.total,
        _check.gradient(d_output, known.heads), resolve_n_jobs(n_jobs), _progress.current(),
    )  # fmt: skip
    return AttentionGradients(*gradients)
