"""Run by an interpreter that has PyTorch: modules with random weights, what they say, and the way back.

    python torch_child.py cases.json inputs.npz answers.npz

A case is {"name", "kind", "options", "call", "dtype"}; its arrays are "name/argument" in inputs.npz. The
answers are "name/weights/…", "name/output…" and "name/gradients/…" of the loss Σ output · d_output. The kind
"scaled_dot_product_attention" is the function, called with the options; a PyTorch that has it not answers
"name/too_old", its version.
"""

import json
import sys

import numpy as np
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

SINCE = {"scale": (2, 1), "enable_gqa": (2, 5)}  # releases that have an argument
MASKS = ("key_padding_mask", "attn_mask", "src_mask", "src_key_padding_mask")


def main(cases, inputs, answers):
    with open(cases) as file:
        cases = json.load(file)
    given = np.load(inputs)
    found = {}
    for number, case in enumerate(cases):
        name = case["name"]
        own = {k[len(name) + 1 :]: given[k] for k in given.files if k.startswith(name + "/")}
        for key, array in answer(number, case, own).items():
            found[name + "/" + key] = array.detach().numpy() if isinstance(array, torch.Tensor) else array
    np.savez(answers, **found)


def answer(number, case, given):
    if case["kind"] == "scaled_dot_product_attention":
        return attended(case["options"], given)
    torch.manual_seed(number)
    module = getattr(torch.nn, case["kind"])(**case["options"]).to(getattr(torch, case["dtype"]))
    for parameter in module.parameters():
        parameter.data = torch.randn_like(parameter) * 0.4  # biases and norms too, which begin at 0 and 1
    tensors = {k: torch.from_numpy(given[k]) for k in given if k not in ("d_output", "lengths")}
    for k, tensor in tensors.items():
        if k not in MASKS:
            tensor.requires_grad_()
    if case["kind"] == "MultiheadAttention":
        said = module(tensors["query"], tensors["key"], tensors["value"], **case["call"], **masks(tensors))
        outputs = {"output": said[0], "output_weights": said[1]}
    elif case["kind"] == "TransformerEncoderLayer":
        outputs = {"output": module(tensors["src"], **masks(tensors))}
    else:
        outputs = packed(module, tensors["x"], torch.from_numpy(given["lengths"]))
    (outputs["output"] * torch.from_numpy(given["d_output"])).sum().backward()
    by = {"gradients/" + k: t.grad for k, t in tensors.items() if t.requires_grad}
    by.update({"gradients/" + k: p.grad for k, p in module.named_parameters()})
    by.update({"weights/" + k: array for k, array in module.state_dict().items()})
    by.update({k: array for k, array in outputs.items() if array is not None})
    return by


def attended(options, given):
    has = tuple(map(int, torch.__version__.split(".")[:2]))
    if has < max([(2, 0), *(since for name, since in SINCE.items() if name in options)]):
        return {"too_old": np.array(torch.__version__)}
    tensors = {k: torch.from_numpy(given[k]) for k in given if k != "d_output"}
    mask = tensors.pop("attn_mask", None)
    for tensor in tensors.values():
        tensor.requires_grad_()
    output = torch.nn.functional.scaled_dot_product_attention(**tensors, attn_mask=mask, **options)
    (output * torch.from_numpy(given["d_output"])).sum().backward()
    return {"output": output, **{"gradients/" + k: tensor.grad for k, tensor in tensors.items()}}


def masks(tensors):
    return {k: tensor for k, tensor in tensors.items() if k in MASKS}


def packed(module, x, lengths):
    rows = pack_padded_sequence(x, lengths, batch_first=module.batch_first, enforce_sorted=False)
    output, state = module(rows)
    total = x.shape[1 if module.batch_first else 0]
    output, _ = pad_packed_sequence(output, batch_first=module.batch_first, total_length=total)
    state = state if isinstance(state, tuple) else (state,)
    return {"output": output, **{"output_" + k: part for k, part in zip("hc", state, strict=False)}}


main(*sys.argv[1:])
