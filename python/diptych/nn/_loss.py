"""The loss of a choice among classes."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diptych import _validate_nn as _check
from diptych._validate import DtypeError, FloatArray, _floats, _real_array


def softmax_cross_entropy(
    logits: ArrayLike,
    targets: ArrayLike,
    *,
    ignore_index: int | None = -100,
    mask: ArrayLike | None = None,
) -> tuple[float, FloatArray]:
    """Return the mean of −log softmax(logits)[target], and its gradient.

    Parameters
    ----------
    logits : array-like of shape (…, C), real
        What a network gives each of C classes.
    targets : array-like of shape (…), integer
        The right class of each row.
    ignore_index : int or None, default=-100
        Rows with this target do not count.
    mask : array-like of shape (…), bool, or None, default=None
        True where a row counts; None where all do. It joins `ignore_index`: a row counts if both let it.

    Returns
    -------
    loss : float
        In nats, over the rows that count; 0.0 where none does.
    d_logits : ndarray of shape (…, C)
        Derivatives of the loss by the logits, in their dtype: (softmax − one-hot) / rows that count, and 0 in
        the others, be they NaN.

    Raises
    ------
    ValueError
        If shapes do not fit each other, or a target that counts is no class.
    TypeError
        If `targets` are no integers, or `mask` no truths. (The error is a ValueError as well.)

    Notes
    -----
    The largest logit of a row is taken off first, so that no exponential overflows, however large logits are.
    NaN or plus infinity in a row that counts makes the loss NaN, and so does a row of nothing but minus
    infinity.

    Examples
    --------
    >>> from diptych import nn
    >>> loss, by = nn.softmax_cross_entropy([[0.0, 0.0], [1e4, -1e4]], [0, 0])
    >>> round(loss, 6)  # log(2) / 2
    0.346574
    >>> by
    array([[-0.25,  0.25],
           [ 0.  ,  0.  ]])
    """
    scores = _floats(_real_array(logits, "logits"))
    if scores.ndim == 0 or scores.shape[-1] == 0:
        raise ValueError(f"logits has shape {scores.shape}: a last axis of classes is needed.")
    classes = scores.shape[-1]
    wanted = np.asarray(targets)
    _check_rows(wanted.shape, "targets", scores.shape)
    counts = np.ones(wanted.shape, np.bool_) if mask is None else _mask(mask, scores.shape)
    if ignore_index is not None:
        counts = counts & (wanted != ignore_index)
    wanted = _check.numbers_below(wanted, "targets", classes, unless=~counts).ravel()
    rows, there = scores.reshape(-1, classes), np.flatnonzero(counts)
    n = len(there)
    if n == 0:
        return 0.0, np.zeros_like(scores)
    if 2 * n < len(rows):  # a copy of them costs less than the others
        by = np.zeros_like(rows)
        loss, by[there] = _of_rows(rows[there], np.arange(n), wanted[there])
    else:
        loss, by = _of_rows(rows, there, wanted[there])
        by[~counts.ravel()] = 0
    return loss, by.reshape(scores.shape)


def _of_rows(rows: Any, there: Any, wanted: Any) -> tuple[float, Any]:
    """Return the loss of the rows that are there, and its gradient, which means nothing in the others."""
    # Infinity less infinity: NaN, as promised. A difference beyond the dtype: probability 0, as it is.
    with np.errstate(invalid="ignore", over="ignore"):
        shifted = rows - rows.max(axis=1, keepdims=True)
        right = shifted[there, wanted]
        p = np.exp(shifted, out=shifted)
        total = p.sum(axis=1, keepdims=True)
        p /= total * len(there)
    loss = float(np.mean(np.log(total[there, 0]).astype(np.float64) - right))
    p[there, wanted] -= p.dtype.type(1 / len(there))
    return loss, p


def _check_rows(shape: tuple[int, ...], name: str, logits: tuple[int, ...]) -> None:
    if shape != logits[:-1]:
        raise ValueError(
            f"{name} has shape {shape}: {logits[:-1]} is needed, an entry for each row of logits {logits}."
        )


def _mask(mask: Any, logits: tuple[int, ...]) -> Any:
    found = np.asarray(mask)
    if found.dtype != np.bool_:
        raise DtypeError(f"mask has dtype {found.dtype}: truths are needed, True where a row counts.")
    _check_rows(found.shape, "mask", logits)
    return found
