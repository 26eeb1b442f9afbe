"""LSTM and attention of JAX, for a Child: ``-m benches.frameworks.jax_child FOLDER THREADS``.

Everything is compiled, with all products in single precision; weights and inputs are where JAX wants them,
and a call ends when its results are there. XLA takes as many threads as there are cores, so the process is
kept to as many.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

if hasattr(os, "sched_setaffinity"):  # before JAX is loaded, which counts them
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(sys.argv[2])])

import jax
import jax.numpy as jnp
import numpy as np

from benches.frameworks.serving import Way, serve

UNROLLED = (1, 5, 25)  # steps of a loop written out; more compile for minutes

jax.config.update("jax_default_matmul_precision", "highest")


def ready(function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    """Return a compiled call that waits for its results."""
    compiled = jax.jit(function)
    return lambda: jax.block_until_ready(compiled(*arguments))


def lstm(unroll: int, weights: Any, x: Any, h: Any, c: Any, there: Any = None) -> Any:
    """Return y, h and c; the product with x stands outside the loop. ``there`` is false after an end."""
    w_ih, w_hh, bias = weights

    def step(state: Any, given: Any) -> Any:
        h, c = state
        sums, on = given
        i, f, g, o = jnp.split(sums + h @ w_hh, 4, axis=-1)
        new_c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        new_h = jax.nn.sigmoid(o) * jnp.tanh(new_c)
        if on is None:
            return (new_h, new_c), new_h
        return (jnp.where(on, new_h, h), jnp.where(on, new_c, c)), jnp.where(on, new_h, 0)

    (h, c), y = jax.lax.scan(step, (h, c), (x @ w_ih + bias, there), unroll=unroll)
    return y, h, c


def make_lstm(
    *,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any,
    b_hh: Any,
    x: Any,
    h: Any,
    c: Any,
    lengths: Any = None,
    dy: Any = None,
) -> dict[str, Way]:
    """There, and back where ``dy`` is given, by x, the weights and the first states."""
    weights = tuple(map(jnp.asarray, (w_ih.T.copy(), w_hh.T.copy(), b_ih + b_hh)))
    x, h, c = map(jnp.asarray, (x, h, c))
    there = None if lengths is None else jnp.asarray((np.arange(len(x))[:, None] < lengths)[:, :, None])

    def forward(unroll: int) -> Way:
        call = ready(partial(lstm, unroll), weights, x, h, c, there)
        return Way(call, lambda found: dict(zip(("y", "h", "c"), found, strict=True)))

    def back(unroll: int) -> Way:
        def both(weights: Any, x: Any, h: Any, c: Any, dy: Any) -> Any:
            y, pull = jax.vjp(lambda *given: lstm(unroll, *given, there)[0], weights, x, h, c)
            return y, pull(dy)

        def named(found: Any) -> dict[str, Any]:
            y, (by, dx, dh, dc) = found
            d_ih, d_hh, d_bias = by
            return {"y": y, "x": dx, "w_ih": d_ih.T, "w_hh": d_hh.T, "bias": d_bias, "h": dh, "c": dc}

        return Way(ready(both, weights, x, h, c, jnp.asarray(dy)), named)

    made = forward if dy is None else back
    return {f"lax.scan, unroll {unroll}": made(unroll) for unroll in UNROLLED if len(x) % unroll == 0}


def plain(q: Any, k: Any, v: Any, *, is_causal: bool) -> Any:
    """Attention by its formula, the heads before the positions."""
    scores = jnp.einsum("bhld,bhsd->bhls", q * q.shape[-1] ** -0.5, k)
    if is_causal:
        scores = jnp.where(jnp.tril(jnp.ones(scores.shape[-2:], bool)), scores, -jnp.inf)
    return jnp.einsum("bhls,bhsd->bhld", jax.nn.softmax(scores, axis=-1), v)


def make_attention(*, q: Any, k: Any, v: Any, causal: bool, d_output: Any = None) -> dict[str, Way]:
    """There, and back where ``d_output`` is given; each way has its arrays in the order that it takes."""
    # JAX's own has the heads behind the positions
    orders = {"dot_product_attention": (jax.nn.dot_product_attention, True), "einsum": (plain, False)}

    def way(function: Callable[..., Any], turned: bool) -> Way:
        def order(array: Any) -> Any:
            return np.ascontiguousarray(array.swapaxes(1, 2)) if turned else array

        def both(q: Any, k: Any, v: Any, d: Any) -> Any:
            output, pull = jax.vjp(partial(function, is_causal=causal), q, k, v)
            return output, *pull(d)

        given = [jnp.asarray(order(array)) for array in (q, k, v)]
        if d_output is None:
            call = ready(partial(function, is_causal=causal), *given)
            return Way(call, lambda found: {"output": order(np.asarray(found))})
        names = "output", "q", "k", "v"
        call = ready(both, *given, jnp.asarray(order(d_output)))
        return Way(
            call,
            lambda found: {name: order(np.asarray(x)) for name, x in zip(names, found, strict=True)},
        )

    return {name: way(*kind) for name, kind in orders.items()}


serve(f"JAX {jax.__version__}", {"lstm": make_lstm, "attention": make_attention})
