"""A fitted CharacterModel as arrays and a header, and back."""

import sys
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

import diptych
from diptych import nn
from diptych._threads import resolve_n_jobs
from diptych.estimators._character_training import Net
from diptych.estimators._names_file import check_shapes, plain, section, weights_with
from diptych.estimators.character import CharacterModel


def to_archive(model: CharacterModel) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header and the arrays that describe a fitted model."""
    params: dict[str, Any] = {name: plain(value) for name, value in model.get_params().items()}
    if not isinstance(params["random_state"], int):
        params["random_state"] = None
    header = {
        "class": "CharacterModel",
        "diptych": diptych.__version__,
        "params": params,
        "characters": [ord(character) for character in model.characters_],
    }
    arrays: dict[str, NDArray[Any]] = {"shares": model.shares_, "losses": model.losses_}
    for layer, known in model._net._asdict().items():
        arrays |= {f"{layer}.{name}": weight for name, weight in known.state_dict().items()}
    return header, arrays


def from_archive(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> CharacterModel:
    """Return the model; ValueError when the parts do not fit together."""
    model = CharacterModel(**section(header, "params"))
    model._check_parameters()
    resolve_n_jobs(model.n_jobs)
    characters = _text(header["characters"])
    weights = {layer: weights_with(arrays, f"{layer}.") for layer in Net._fields}
    options: dict[str, Any] = {"backend": model.backend, "n_jobs": model.n_jobs}
    for name in arrays:
        if name.partition(".")[0] not in (*Net._fields, "shares", "losses"):
            raise ValueError(f"{name} is no part of a model")
    lstm = nn.LSTM.from_state_dict(weights["lstm"], dropout=0.0, **options)
    if lstm.bidirectional:
        raise ValueError("lstm reads in both directions: what comes next would be known")
    n = len(characters)
    sizes: dict[str, tuple[int, ...]] = {
        "embedding.weight": (n, lstm.input_size),
        "linear.weight": (n, lstm.hidden_size),
    }
    check_shapes(arrays, sizes)
    net = Net(nn.Embedding(n, lstm.input_size, rng=0), lstm, nn.Linear(lstm.hidden_size, n, rng=0))
    net.embedding.load_state_dict(weights["embedding"])
    net.linear.load_state_dict(weights["linear"])
    shares, losses = arrays["shares"], arrays["losses"]
    if shares.shape != (n,) or shares.dtype != np.float64 or not (shares > 0).all():
        raise ValueError(f"shares is {shares.dtype} of shape {shares.shape} for {n} characters")
    if not abs(shares.sum() - 1) <= 1e-9:
        raise ValueError(f"shares add up to {shares.sum()}, not to 1")
    if losses.ndim != 1 or losses.dtype != np.float64 or not np.isfinite(losses).all():
        raise ValueError(f"losses is {losses.dtype} of shape {losses.shape}")
    model._take(characters, shares, net, losses)
    return model


def _text(points: Any) -> str:
    """Return the characters of a list of code points in ascending order."""
    if not isinstance(points, list) or not points:
        raise ValueError("characters is no list of code points")
    for point in points:
        if type(point) is not int or not 0 <= point <= sys.maxunicode:
            raise ValueError(f"characters has {point!r}, which is no code point")
    if any(left >= right for left, right in pairwise(points)):
        raise ValueError("characters are not sorted, or some are there twice")
    return "".join(map(chr, points))
