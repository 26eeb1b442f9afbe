"""Attention: each query takes the mean of values, weighted by how well their keys fit it.

Vaswani et al. (2017), "Attention is all you need", section 3.2.1, for scaled dot products; the way back is
the chain rule. A vector is a row; `…` are any axes before, such as batch and head.

    L queries, S keys and values, d features of a query and of a key, v of a value
    Q (…, L, d),  K (…, S, d),  V (…, S, v),  M (…, L, S) the mask,  γ the scale, 1/√d if nothing is said

    Z = γ Q Kᵀ + M                     (…, L, S)   how well key j fits query i
    W = softmax(Z) over the keys       (…, L, S)   w_ij = exp(z_ij − m_i) / l_i,   m_i = max_j z_ij,
                                                   l_i = Σ_j exp(z_ij − m_i)
    O = W V                            (…, L, v)

    back from dO:   dV = Wᵀ dO
                    dW = dO Vᵀ
                    dZ = W ∘ (dW − δ)              δ_i = Σ_j w_ij dw_ij = Σ_c do_ic o_ic
                    dQ = γ dZ K,   dK = γ dZᵀ Q

A query sees key j unless z_ij = −∞: a boolean mask that is False there, a mask of −∞, or with `is_causal` a
key after it, j > i. What is not seen counts for nothing, whatever it holds; a query that sees no key gets
zeros. With grouped heads a head of keys serves several of queries in a row.

Three tokens, two features. The third token may look at all, the first at itself alone:

>>> from diptych.reference import attention
>>> def show(name, axes, tensor):
...     print(f"{name} ({', '.join(axes)})", np.array2string(tensor, precision=3), sep=chr(10))
>>> Q = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
>>> K = np.array([[2.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
>>> V = np.array([[1.0, 0.0], [0.0, 1.0], [4.0, 4.0]])
>>> for name, tensor in {"queries Q": Q, "keys K": K, "values V": V}.items():
...     show(name, ("token", "feature"), tensor)
queries Q (token, feature)
[[1. 0.]
 [0. 1.]
 [1. 1.]]
keys K (token, feature)
[[2. 0.]
 [0. 2.]
 [1. 1.]]
values V (token, feature)
[[1. 0.]
 [0. 1.]
 [4. 4.]]
>>> γ = 1 / np.sqrt(2)
>>> Z = attention.scores(Q, K, None, True, γ)
>>> show("scores Z", ("query", "key"), Z)
scores Z (query, key)
[[1.414  -inf  -inf]
 [0.    1.414  -inf]
 [1.414 1.414 1.414]]
>>> W, m, l = attention.softmax(Z)
>>> show("greatest score m", ("query",), m)
greatest score m (query)
[1.414 1.414 1.414]
>>> show("sum l", ("query",), l)
sum l (query)
[1.    1.243 3.   ]
>>> show("weights W", ("query", "key"), W)
weights W (query, key)
[[1.    0.    0.   ]
 [0.196 0.804 0.   ]
 [0.333 0.333 0.333]]
>>> O, tape = attention.scaled_dot_product_attention(Q, K, V, is_causal=True, return_tape=True)
>>> show("output O", ("query", "feature of a value"), O)
output O (query, feature of a value)
[[1.    0.   ]
 [0.196 0.804]
 [1.667 1.667]]
>>> dO = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]])  # the loss is the third token's first feature
>>> show("d output O", ("query", "feature of a value"), dO)
d output O (query, feature of a value)
[[0. 0.]
 [0. 0.]
 [1. 0.]]
>>> dW, δ = dO @ V.T, (dO * O).sum(axis=1)
>>> show("d weights W", ("query", "key"), dW)
d weights W (query, key)
[[0. 0. 0.]
 [0. 0. 0.]
 [1. 0. 4.]]
>>> show("mean slope δ", ("query",), δ)
mean slope δ (query)
[0.    0.    1.667]
>>> show("d scores Z", ("query", "key"), W * (dW - δ[:, None]))
d scores Z (query, key)
[[ 0.     0.     0.   ]
 [ 0.     0.     0.   ]
 [-0.222 -0.556  0.778]]
>>> for name, tensor in attention.scaled_dot_product_attention_backward(tape, dO)._asdict().items():
...     show(f"d {name}", ("token", "feature"), tensor)
d query (token, feature)
[[ 0.     0.   ]
 [ 0.     0.   ]
 [ 0.236 -0.236]]
d key (token, feature)
[[-0.157 -0.157]
 [-0.393 -0.393]
 [ 0.55   0.55 ]]
d value (token, feature)
[[0.333 0.   ]
 [0.333 0.   ]
 [0.333 0.   ]]
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "AttentionGradients",
    "AttentionTape",
    "scaled_dot_product_attention",
    "scaled_dot_product_attention_backward",
]

Floats = NDArray[Any]  # float32 or float64


class AttentionTape(NamedTuple):
    """What the way back needs: the arguments, the output, and what makes weights of scores."""

    query: Floats  # (…, L, d)
    key: Floats  # (…, S, d)
    value: Floats  # (…, S, v)
    attn_mask: NDArray[Any] | None  # broadcasts to (…, L, S)
    is_causal: bool
    scale: float
    output: Floats  # (…, L, v)
    maximum: Floats  # (…, L), 0 where no key is seen
    total: Floats  # (…, L), 0 where no key is seen


class AttentionGradients(NamedTuple):
    """Derivatives by the arguments."""

    query: Floats
    key: Floats
    value: Floats


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    *,
    attn_mask: Any = None,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_weights: bool = False,
    return_tape: bool = False,
    n_jobs: int | None = None,
) -> Any:
    """Attend; see :func:`diptych.kernels.attention.scaled_dot_product_attention`."""
    Q, K, V = np.asarray(query), np.asarray(key), np.asarray(value)
    M = None if attn_mask is None else np.asarray(attn_mask)
    refuse_empty(query=Q, key=K, value=V)
    γ = 1 / math.sqrt(Q.shape[-1]) if scale is None else float(scale)
    Z = scores(Q, for_each_head(K, Q), M, is_causal, γ)
    W, m, l = softmax(Z)  # noqa: E741
    O = product(W, for_each_head(V, Q), seen=~np.isneginf(Z))  # noqa: E741
    found: list[Any] = [O, W][: 1 + return_weights]
    found += [AttentionTape(Q, K, V, M, is_causal, γ, O, m, l)][:return_tape]
    return tuple(found) if len(found) > 1 else O


def scaled_dot_product_attention_backward(
    tape: AttentionTape, d_output: Any, *, n_jobs: int | None = None
) -> AttentionGradients:
    """Go back; see :func:`diptych.kernels.attention.scaled_dot_product_attention_backward`."""
    Q, K, V, γ = tape.query, tape.key, tape.value, tape.scale
    keys, values, dO = for_each_head(K, Q), for_each_head(V, Q), np.asarray(d_output)
    Z = scores(Q, keys, tape.attn_mask, tape.is_causal, γ)
    seen = ~np.isneginf(Z)
    W, _, _ = softmax(Z)
    dV = product(W.mT, dO, seen.mT)
    dW = dO @ values.mT
    δ = (dO * tape.output).sum(axis=-1, keepdims=True)
    dZ = np.where(seen, W * (dW - δ), 0)
    dQ = γ * product(dZ, keys, seen)
    dK = γ * product(dZ.mT, Q, seen.mT)
    return AttentionGradients(dQ, summed_over_heads(dK, K), summed_over_heads(dV, V))


# What the equations above are made of ---------------------------------------------------------------


def scores(Q: Floats, K: Floats, M: Floats | None, is_causal: bool, γ: float) -> Floats:
    """Z, −∞ where a key is not seen."""
    Z = (γ * Q) @ K.mT  # (…, L, S)
    if M is not None and M.dtype == bool:
        Z = np.where(M, Z, -np.inf)
    elif M is not None:
        Z = np.where(np.isneginf(M), -np.inf, Z + M)
    if is_causal:
        i, j = np.indices(Z.shape[-2:])
        Z = np.where(j <= i, Z, -np.inf)
    return Z.astype(Q.dtype)


def softmax(Z: Floats) -> tuple[Floats, Floats, Floats]:
    """W, and the m and l that make it."""
    seen = ~np.isneginf(Z)
    m = np.where(seen.any(axis=-1), Z.max(axis=-1), 0)  # (…, L)
    E = np.where(seen, np.exp(Z - m[..., None]), 0)  # (…, L, S), no exponent above 0
    l = E.sum(axis=-1)  # noqa: E741                            (…, L)
    return np.where(seen, E / np.where(l == 0, 1, l)[..., None], 0), m, l  # 0 also where l is NaN


def product(A: Floats, X: Floats, seen: NDArray[np.bool]) -> Floats:
    """Multiply A by X, where 0 times NaN is 0 where it is not seen."""
    strange = ~np.isfinite(X)
    C = A @ np.where(strange, 0, X)
    for j in np.unique(np.nonzero(strange)[-2]):  # terms of what is not finite, one by one
        counts = seen[..., j, None] & strange[..., j, None, :]
        C += np.where(counts, A[..., j, None] * X[..., j, None, :], 0)
    return C


def refuse_empty(**arrays: Floats) -> None:
    """Raise where there is nothing to take a mean of, or no feature to multiply."""
    for name, X in arrays.items():
        if 0 in X.shape:
            raise ValueError(f"{name} has shape {X.shape}: no axis may be empty.")


def for_each_head(X: Floats, Q: Floats) -> Floats:
    """Keys or values of each head of queries; a head serves as many in a row as there are more of those."""
    if X.ndim == 2 or X.shape[-3] == Q.shape[-3]:
        return X
    return np.repeat(X, Q.shape[-3] // X.shape[-3], axis=-3)


def summed_over_heads(dX: Floats, X: Floats) -> Floats:
    """Add up the derivatives by X of the heads that it served."""
    if dX.shape == X.shape:
        return dX
    *lead, heads, S, n = X.shape
    summed: Floats = dX.reshape(*lead, heads, -1, S, n).sum(axis=-3)
    return summed
