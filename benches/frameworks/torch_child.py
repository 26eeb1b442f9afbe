"""LSTM, attention and a tagger of PyTorch, for a Child: ``-m benches.frameworks.torch_child FOLDER THREADS``.

Tensors share the memory of the arrays. A call forward keeps nothing for a way back; one there and back
returns the gradients instead of adding them to what is there.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch.nn import functional as F  # noqa: N812 (its usual name)
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benches.frameworks.serving import Way, serve
from benches.frameworks.torch_tagger import make_epoch, make_gradients

torch.set_num_threads(int(sys.argv[2]))

WEIGHTS = "w_ih", "w_hh", "b_ih", "b_hh"


def version() -> str:
    """Return the version; of an old one also from when it is."""
    number, _, build = torch.__version__.partition("+")
    said = f"PyTorch {number.split('a')[0]}" + (" of Debian" if build == "debian" else "")
    return f"{said} (an old release, of 2022)" if number.startswith("1.13") else said


def arrays(tensors: Any) -> list[Any]:
    """Return tensors as arrays."""
    return [tensor.detach().numpy() for tensor in tensors]


def make_lstm(
    *, x: Any, h: Any, c: Any, lengths: Any = None, dy: Any = None, **weights: Any
) -> dict[str, Way]:
    """There, and back where ``dy`` is given, by x, the weights and the first states.

    With lengths the sequences are packed, which is timed too, and so is the way back to a padded output.
    """
    net = torch.nn.LSTM(x.shape[2], h.shape[1])
    with torch.no_grad():
        for parameter, name in zip(net.parameters(), WEIGHTS, strict=True):
            parameter.copy_(torch.from_numpy(weights[name]))
    x, h, c = torch.from_numpy(x), torch.from_numpy(h)[None], torch.from_numpy(c)[None]

    @torch.inference_mode()
    def forward() -> Any:
        y, (last_h, last_c) = net(x, (h, c))
        return y, last_h[0], last_c[0]

    @torch.inference_mode()
    def packed() -> Any:
        rows = pack_padded_sequence(x, ends, enforce_sorted=False)
        y, (last_h, last_c) = net(rows, (h, c))
        return pad_packed_sequence(y, total_length=len(x))[0], last_h[0], last_c[0]

    def named(found: Any) -> dict[str, Any]:
        return dict(zip(("y", "h", "c"), arrays(found), strict=True))

    if lengths is not None:
        ends = torch.from_numpy(lengths)
        return {"packed": Way(packed, named)}
    if dy is None:
        return {"nn.LSTM": Way(forward, named)}
    wanted = [tensor.requires_grad_() for tensor in (x, h, c)] + list(net.parameters())
    d_output = torch.from_numpy(dy)

    def both() -> Any:
        y, _ = net(x, (h, c))
        return y, *torch.autograd.grad(y, wanted, d_output)

    def gradients(found: Any) -> dict[str, Any]:
        y, dx, dh, dc, w_ih, w_hh, bias, _ = arrays(found)
        return {"y": y, "x": dx, "w_ih": w_ih, "w_hh": w_hh, "bias": bias, "h": dh[0], "c": dc[0]}

    return {"nn.LSTM": Way(both, gradients)}


def make_attention(*, q: Any, k: Any, v: Any, causal: bool, d_output: Any = None) -> dict[str, Way]:
    """There, and back where ``d_output`` is given. Releases before 2 have no function for it."""
    given = [torch.from_numpy(array) for array in (q, k, v)]
    scale, (L, S) = q.shape[-1] ** -0.5, (q.shape[2], k.shape[2])
    mask = torch.full((L, S), -torch.inf).triu(1) if causal else None

    def formula(q: Any, k: Any, v: Any) -> Any:
        scores = (q * scale) @ k.transpose(-1, -2)
        if mask is not None:
            scores += mask
        return torch.softmax(scores, dim=-1) @ v

    def fused(q: Any, k: Any, v: Any) -> Any:
        shape, (a, b, c) = q.shape[:-1], (x.flatten(0, 1) for x in (q, k, v))
        into, beta = (torch.empty(1, 1, 1), 0) if mask is None else (mask, 1)
        scores = torch.baddbmm(into, a, b.transpose(-1, -2), beta=beta, alpha=scale)
        return torch.bmm(torch.softmax(scores, dim=-1), c).reshape(*shape, -1)

    kinds = {"softmax(q kᵀ / √d) v": formula, "by baddbmm": fused}
    if hasattr(F, "scaled_dot_product_attention"):
        kinds = {
            "scaled_dot_product_attention": lambda *x: F.scaled_dot_product_attention(*x, is_causal=causal)
        }

    def way(function: Any) -> Way:
        if d_output is None:
            return Way(torch.inference_mode()(lambda: function(*given)), lambda y: {"output": y.numpy()})
        wanted, by = [tensor.requires_grad_() for tensor in given], torch.from_numpy(d_output)

        def both() -> Any:
            output = function(*wanted)
            return output, *torch.autograd.grad(output, wanted, by)

        names = "output", "q", "k", "v"
        return Way(both, lambda found: dict(zip(names, arrays(found), strict=True)))

    return {name: way(function) for name, function in kinds.items()}


serve(
    version(),
    {"lstm": make_lstm, "attention": make_attention, "gradients": make_gradients, "epoch": make_epoch},
)
