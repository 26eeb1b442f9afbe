"""Stubs to fill in for the functions of attention."""

from __future__ import annotations

_FILE = '''\
"""Exercise: {title}.

Check what you have written, as often as you like:

    diptych check attention.{name} \\
        {file}:{name}
"""

import numpy as np


def {signature}:
    """{text}
    """
    raise NotImplementedError("write me")
'''

_ATTENTION = """Let each query take the mean of the values, weighted by how well their keys fit it.

    The scores of a query are its products with the keys, divided by the root of the number of features.
    Their softmax, exp(score) over its sum, weighs the values.

    Parameters
    ----------
    query : ndarray of shape (…, L, d)
        L queries of d features. The axes before may be none, or batch and head.
    key : ndarray of shape (…, S, d)
    value : ndarray of shape (…, S, v)

    Returns
    -------
    output : ndarray of shape (…, L, v)

    Hints
    -----
    1. Which axis of the scores (…, L, S) is the softmax taken over? What must each row of weights sum to?
    2. What is exp(10000) in NumPy, and inf / inf? What may be taken off all scores of a query without
       changing its softmax?
    3. Products of d random features are spread like √d. What would the softmax of such scores look like for
       large d, and what of it would be left to learn from?
    4. Which of np.transpose, .T and .mT turns only the last two axes?

    Further: add attn_mask=None (boolean: True takes part; numbers are added), is_causal=False (query i sees
    keys j <= i), scale=None, enable_gqa=False or return_weights=False, and the laws about them are tried as
    well. A query that sees no key gets zeros, and what is hidden may be NaN: what is 0 times NaN?"""

_BACKWARD = """Go back: from the derivatives of a loss by the output to those by query, key and value.

    Parameters
    ----------
    tape : named tuple
        query (…, L, d), key (…, S, d), value (…, S, v), attn_mask (None or an array that broadcasts to (…,
        L, S)), is_causal, scale, output (…, L, v), and of each query the greatest score, maximum (…, L),
        and total (…, L), the sum of exp(score - maximum).
    d_output : ndarray of shape (…, L, v)

    Returns
    -------
    query, key, value : ndarrays
        Derivatives, each of the shape of the argument.

    Hints
    -----
    1. The weights W are not on the tape. How do maximum and total give them back without another softmax?
    2. output = W value. What is the derivative by value, what that by W?
    3. w_j = exp(z_j) / Σ exp(z). If only z_1 grows, which way do the other weights go? Why do the
       derivatives by the scores of a query sum to zero?
    4. Σ_j w_j dw_j is also a product of two things that are at hand. Of which?
    5. Key and value may have fewer heads than the query. Who adds to the derivative of a shared head?"""

_NAME = "scaled_dot_product_attention"
_STUBS = (
    (_NAME, "attention", "query, key, value", _ATTENTION),
    (f"{_NAME}_backward", "the way back of attention", "tape, d_output", _BACKWARD),
)

TEXTS = {
    f"attention.{name}": _FILE.format(
        title=title, name=name, file="{file}", signature=f"{name}({arguments})", text=text
    )
    for name, title, arguments, text in _STUBS
}
