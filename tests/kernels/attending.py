"""Inputs of attention for tests."""

import numpy as np

MASKS = ("none", "boolean", "additive")


def draw(*shapes, dtype=np.float64, seed=0):
    """Draw query, key and value of these shapes."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def heads(lead, L, S, d, v, *, key_heads=None, dtype=np.float64, seed=0):
    """Draw query (*lead, L, d), key and value; with `key_heads` on the last axis of theirs."""
    theirs = lead if key_heads is None else (*lead[:-1], key_heads)
    return draw((*lead, L, d), (*theirs, S, d), (*theirs, S, v), dtype=dtype, seed=seed)


def mask(kind, *shape, dtype=np.float64, seed=0, share=0.7):
    """Draw a mask: about so many take part, at least one key in each row."""
    if kind == "none":
        return None
    rng = np.random.default_rng((seed, 1))
    part = rng.random(shape) < share
    part[..., 0] |= ~part.any(axis=-1)
    if kind == "boolean":
        return part
    return np.where(part, rng.normal(size=shape), -np.inf).astype(dtype)


def widened(arguments):
    """The same in float64."""
    return [a.astype(np.float64) for a in arguments]


def attend(panel, given, **options):
    """Call a panel."""
    return panel.attention.scaled_dot_product_attention(*given, **options)


def back(panel, tape, d_output, **options):
    """Go back in a panel."""
    return panel.attention.scaled_dot_product_attention_backward(tape, d_output, **options)


def there_and_back(panel, given, d_output, *, n_jobs=None, **options):
    """Output and tape, gradients."""
    output, tape = attend(panel, given, return_tape=True, n_jobs=n_jobs, **options)
    return output, back(panel, tape, d_output, n_jobs=n_jobs)
