"""A fitted DBSCAN as arrays and a header, and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

import diptych
from diptych.estimators.dbscan import DBSCAN

_SPARSE_PARTS = ("data", "indices", "indptr")


def to_archive(model: DBSCAN) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header and the arrays that describe a fitted model."""
    params = model.get_params()
    if callable(model.metric):
        raise ValueError(
            f"metric={model.metric!r}: a function cannot be saved without pickle; save labels_ with "
            "np.save, or the whole model with pickle."
        )
    arrays = {"labels": model.labels_, "core_sample_indices": model.core_sample_indices_}
    params["metric_params"] = _plain_metric_params(params["metric_params"], "metric_params", arrays)
    effective = _plain_metric_params(model.effective_metric_params_, "effective_metric_params", arrays)
    if issparse(model.components_):
        arrays |= {f"components_{part}": getattr(model.components_, part) for part in _SPARSE_PARTS}
    else:
        arrays["components"] = model.components_
    names = getattr(model, "feature_names_in_", None)
    header = {
        "class": "DBSCAN",
        "diptych": diptych.__version__,
        "effective_metric_params": effective,
        "params": {name: _plain_number(value) for name, value in params.items()},
        "n_samples": len(model.labels_),
        "n_features_in": model.n_features_in_,
        "feature_names_in": None if names is None else list(names),
    }
    return header, arrays


def from_archive(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> DBSCAN:
    """Return the model; ValueError when the parts do not fit together."""
    params = dict(header["params"])
    params["metric_params"] = _metric_params(params["metric_params"], "metric_params", arrays)
    model = DBSCAN(**params)
    labels, core = arrays["labels"], arrays["core_sample_indices"]
    columns = header["n_features_in"]
    _check_clusters(labels, core, header["n_samples"])
    if not isinstance(columns, int) or columns < 1:
        raise ValueError(f"n_features_in={columns!r}")
    components = _components(arrays, len(core), columns)
    if components.shape != (len(core), columns):
        raise ValueError(f"components have shape {components.shape}, not {(len(core), columns)}")
    model.labels_ = labels.astype(np.intp, copy=False)
    model.core_sample_indices_ = core.astype(np.intp, copy=False)
    model.components_, model.n_features_in_ = components, columns
    effective = header["effective_metric_params"]
    model.effective_metric_params_ = _metric_params(effective, "effective_metric_params", arrays) or {}
    names = header["feature_names_in"]
    if names is not None:
        if len(names) != columns or not all(isinstance(name, str) for name in names):
            raise ValueError(f"{columns} names of features are needed")
        model.feature_names_in_ = np.array(names, dtype=object)
    return model


def _plain_number(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _plain_metric_params(
    params: dict[str, Any] | None, prefix: str, arrays: dict[str, NDArray[Any]]
) -> dict[str, Any] | None:
    """Move arrays out of the parameters, leaving None in their place."""
    plain: dict[str, Any] = {}
    for name, given in (params or {}).items():
        value = _plain_number(given)
        if isinstance(value, np.ndarray | list | tuple):
            arrays[f"{prefix}_{name}"] = np.asarray(value, dtype=np.float64)
            value = None
        elif not isinstance(value, int | float | str):
            raise ValueError(
                f"metric_params[{name!r}]={value!r}: only numbers, words and arrays can be saved."
            )
        plain[name] = value
    return None if params is None else plain


def _metric_params(
    plain: dict[str, Any] | None, prefix: str, arrays: dict[str, NDArray[Any]]
) -> dict[str, Any] | None:
    """Put the arrays back."""
    if plain is None:
        return None
    return {name: arrays[f"{prefix}_{name}"] if value is None else value for name, value in plain.items()}


def _check_clusters(labels: NDArray[Any], core: NDArray[Any], n: Any) -> None:
    if labels.ndim != 1 or core.ndim != 1 or labels.dtype.kind != "i" or core.dtype.kind != "i":
        raise ValueError("labels and core_sample_indices must be rows of integers")
    if len(labels) != n:
        raise ValueError(f"{len(labels)} labels, not {n}")
    if core.size and not (core[0] >= 0 and core[-1] < len(labels) and (np.diff(core) > 0).all()):
        raise ValueError("core_sample_indices must be ascending row numbers")
    clusters = int(labels.max(initial=-1)) + 1
    if (
        clusters > len(core)
        or (labels < -1).any()
        or not np.array_equal(np.unique(labels[core]), np.arange(clusters))
    ):
        raise ValueError("each cluster must have a core point, and no core point may be noise")


def _components(arrays: dict[str, NDArray[Any]], rows: int, columns: int) -> Any:
    if "components" in arrays:
        return arrays["components"]
    graph = csr_array(tuple(arrays[f"components_{part}"] for part in _SPARSE_PARTS), shape=(rows, columns))
    graph.check_format(full_check=True)
    return graph
