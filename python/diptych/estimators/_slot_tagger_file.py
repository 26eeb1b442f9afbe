"""A fitted SlotTagger as arrays and a header, and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import diptych
from diptych import _validate_tags
from diptych.estimators._names_file import check_shapes, plain, section, weights_with
from diptych.estimators._tagging_known import Known
from diptych.estimators.slot_tagger import SlotTagger

_PREFIX = "weight:"
_NETWORK = ("encoder", "bidirectional", "embedding_dim", "hidden_size")


def to_archive(model: SlotTagger) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header and the arrays that describe a fitted model."""
    params: dict[str, Any] = {name: plain(value) for name, value in model.get_params().items()}
    if not isinstance(params["random_state"], int):
        params["random_state"] = None
    sizes = model._fitted_network.sizes
    header = {
        "class": "SlotTagger",
        "diptych": diptych.__version__,
        "params": params,
        "network": {name: getattr(sizes, name) for name in _NETWORK},
        "best_epoch": model.best_epoch_,
        **model._known.as_header(),
    }
    arrays = {_PREFIX + name: weight for name, weight in model._fitted_network.state_dict().items()}
    return header, arrays | {"losses": model.losses_, "validation_scores": model.validation_scores_}


def from_archive(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> SlotTagger:
    """Return the model; ValueError when the parts do not fit together."""
    params, options = section(header, "params"), section(header, "network")
    model = SlotTagger(**params)
    model._check_parameters()
    words, tags, intents = (header[name] for name in ("words", "tags", "intents"))
    for name, names in (("words", words), ("tags", tags), ("intents", intents)):
        if not _are_names(names) and not (name == "intents" and names is None):
            raise ValueError(f"{name} is no list of different strings")
    _validate_tags.check_shape([tags], "tags")
    known = Known(words, tags, intents)
    if set(options) != set(_NETWORK):
        raise ValueError(f"network has {', '.join(options)}: {', '.join(_NETWORK)} are needed")
    fitted = SlotTagger(**params | options)  # what it was when it was fitted
    fitted._check_parameters()
    weights = weights_with(arrays, _PREFIX)
    check_shapes(weights, _shapes(fitted, known))
    network = fitted._network(known, 0)
    unknown = set(weights) - set(network.state_dict())
    if unknown:
        raise ValueError(f"{min(unknown)} is no weight of this network")
    network.load_state_dict(weights)
    model._keep(known, network)
    model.losses_, model.validation_scores_ = (_row(arrays, name) for name in ("losses", "validation_scores"))
    best = header["best_epoch"]
    if type(best) is not int or not 0 <= best < len(model.losses_):
        raise ValueError(f"best_epoch={best!r} of {len(model.losses_)} epochs")
    model.best_epoch_ = best
    return model


def _shapes(model: SlotTagger, known: Known) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the large weights; those of the others are no larger."""
    E, H = model.embedding_dim, model.hidden_size
    shapes: dict[str, tuple[int, ...]] = {"words.weight": (len(known.vocabulary), E)}
    width = E
    if model.encoder == "transformer":
        shapes |= {"encoder.layers.0.self_attn.in_proj_weight": (3 * E, E)}
        shapes |= {"encoder.layers.0.linear1.weight": (H, E)}
    elif model.encoder != "none":
        rows = H * (4 if model.encoder == "lstm" else 1)
        shapes |= {"encoder.weight_ih_l0": (rows, E), "encoder.weight_hh_l0": (rows, H)}
        width = H * (1 + model.bidirectional)
    shapes["tags.weight"] = (len(known.tags), width)
    if known.intents is not None:
        shapes["intents.weight"] = (len(known.intents), width + E)
    return shapes


def _are_names(names: Any) -> bool:
    listed = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return listed and len(set(names)) == len(names)


def _row(arrays: dict[str, NDArray[Any]], name: str) -> NDArray[np.float64]:
    row = arrays[name]
    if row.ndim != 1 or row.dtype != np.float64:
        raise ValueError(f"{name} is {row.dtype} of shape {row.shape}")
    return row
