"""Attention by its definition: one query at a time, over the keys it sees.

Everything here takes complex numbers too. A step of 1e-30 along the imaginary axis gives derivatives to the
last digits: f(x + iε) = f(x) + iε f′(x), and nothing cancels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]
Case = dict[str, Any]

_STEP = 1e-30
ARGUMENTS = ("query", "key", "value")


class AttentionTape(NamedTuple):
    """What `scaled_dot_product_attention_backward` is handed."""

    query: Array  # (…, L, d)
    key: Array  # (…, S, d)
    value: Array  # (…, S, v)
    attn_mask: Array | None  # broadcasts to (…, L, S)
    is_causal: bool
    scale: float
    output: Array  # (…, L, v)
    maximum: Array  # (…, L): the greatest score, 0 where no key is seen
    total: Array  # (…, L): the sum of exp(score - maximum)


def scale_of(case: Case) -> float:
    """Return what products are multiplied by."""
    given = case.get("scale")
    return float(case["query"].shape[-1] ** -0.5) if given is None else float(given)


def places(case: Case) -> list[tuple[tuple[int, ...], tuple[int, ...], int]]:
    """Return for each query where it stands: its head, the head of keys that serves it, and its position."""
    *lead, L, _ = case["query"].shape
    times = lead[-1] // case["key"].shape[-3] if lead else 1
    return [
        (head, (*head[:-1], head[-1] // times) if lead else (), i)
        for head in np.ndindex(*lead)
        for i in range(L)
    ]


def seen(case: Case, head: tuple[int, ...], i: int) -> tuple[Array, Array]:
    """Return the keys a query sees, and what is added to its scores."""
    *lead, L, _ = case["query"].shape
    S = case["key"].shape[-2]
    mask = case.get("attn_mask")
    row = np.ones(S, bool) if mask is None else np.broadcast_to(mask, (*lead, L, S))[(*head, i)]
    part = row if row.dtype == bool else row > -np.inf
    if case.get("is_causal"):
        part = part & (np.arange(S) <= i)
    keys = np.flatnonzero(part)
    return keys, np.zeros(len(keys)) if row.dtype == bool else row[keys]


def attend(case: Case) -> dict[str, Array]:
    """Return output, weights, maximum and total."""
    Q, K, V = (case[name] for name in ARGUMENTS)
    *lead, L, _ = Q.shape
    kind = np.result_type(Q, K, V)
    found = {
        "output": np.zeros((*lead, L, V.shape[-1]), kind),
        "weights": np.zeros((*lead, L, K.shape[-2]), kind),
        "maximum": np.zeros((*lead, L)),
        "total": np.zeros((*lead, L)),
    }
    for head, served, i in places(case):
        keys, added = seen(case, head, i)
        if len(keys) == 0:
            continue
        z = scale_of(case) * (K[served][keys] @ Q[head][i]) + added
        m = z.real.max()
        e = np.exp(z - m)
        w = e / e.sum()
        found["weights"][(*head, i)][keys] = w
        found["output"][(*head, i)] = w @ V[served][keys]
        found["maximum"][(*head, i)], found["total"][(*head, i)] = m, e.sum().real
    return found


def tape(case: Case) -> AttentionTape:
    """Return what the way there leaves."""
    found = attend(case)
    mask, causal = case.get("attn_mask"), bool(case.get("is_causal"))
    query, key, value = (case[name] for name in ARGUMENTS)
    output, maximum, total = found["output"], found["maximum"], found["total"]
    return AttentionTape(query, key, value, mask, causal, scale_of(case), output, maximum, total)


def gradients(of: AttentionTape, d_output: Array) -> dict[str, Array]:
    """Return the derivatives of Σ d_output · output by query, key and value."""
    case: Case = of._asdict()
    found = {}
    for name in ARGUMENTS:
        found[name] = np.zeros(case[name].shape)
        for place in np.ndindex(*case[name].shape):
            moved = case[name].astype(complex)
            moved[place] += 1j * _STEP
            output = attend(case | {name: moved})["output"]
            found[name][place] = (d_output * output.imag).sum() / _STEP
    return found
