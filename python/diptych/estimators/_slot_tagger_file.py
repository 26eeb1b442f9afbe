"""A fitted SlotTagger as arrays and a header, and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import diptych
from diptych import _validate_tags
from diptych.estimators._names_file import plain
from diptych.estimators._tagging_known import Known
from diptych.estimators.slot_tagger import SlotTagger

_PREFIX = "weight:"


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
        "network": {
            name: getattr(sizes, name)
            for name in ("encoder", "bidirectional", "embedding_dim", "hidden_size")
        },
        "best_epoch": model.best_epoch_,
        **model._known.as_header(),
    }
    arrays = {_PREFIX + name: weight for name, weight in model._fitted_network.state_dict().items()}
    return header, arrays | {"losses": model.losses_, "validation_scores": model.validation_scores_}


def from_archive(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> SlotTagger:
    """Return the model; ValueError when the parts do not fit together."""
    model = SlotTagger(**header["params"])
    model._check_parameters()
    words, tags, intents = (header[name] for name in ("words", "tags", "intents"))
    for name, names in (("words", words), ("tags", tags), ("intents", intents)):
        if names is not None and not _are_names(names):
            raise ValueError(f"{name} is no list of different strings")
    _validate_tags.check_shape([tags], "tags")
    known = Known(words, tags, intents)
    fitted = SlotTagger(**header["params"] | header["network"])  # what it was when it was fitted
    fitted._check_parameters()
    network = fitted._network(known, 0)
    weights = {
        name.removeprefix(_PREFIX): array for name, array in arrays.items() if name.startswith(_PREFIX)
    }
    unknown = set(weights) - set(network.state_dict())
    if unknown:
        raise ValueError(f"{min(unknown)} is no weight of this network")
    network.load_state_dict(weights)
    model._keep(known, network)
    model.losses_, model.validation_scores_ = (_row(arrays, name) for name in ("losses", "validation_scores"))
    best = header["best_epoch"]
    if not isinstance(best, int) or not 0 <= best < len(model.losses_):
        raise ValueError(f"best_epoch={best!r} of {len(model.losses_)} epochs")
    model.best_epoch_ = best
    return model


def _are_names(names: Any) -> bool:
    listed = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return listed and len(set(names)) == len(names)


def _row(arrays: dict[str, NDArray[Any]], name: str) -> NDArray[np.float64]:
    row = arrays[name]
    if row.ndim != 1 or row.dtype != np.float64:
        raise ValueError(f"{name} is {row.dtype} of shape {row.shape}")
    return row
