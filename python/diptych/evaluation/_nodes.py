"""Node classification as the authors of DeepWalk measure it."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.preprocessing import MultiLabelBinarizer

from diptych import _validate

_UNLIKE = "labels are of types that cannot be compared: pass strings or integers."


class F1(NamedTuple):
    """F1 scores, each in [0, 1].

    Attributes
    ----------
    micro : float
        Over all decisions (node, class) together; for one label per node it is the accuracy.
    macro : float
        Mean over classes; a class that the test nodes lack, and nobody predicts, counts 0.
    """

    micro: float
    macro: float


def node_classification(
    embedding: ArrayLike,
    labels: Any,
    *,
    train_share: float,
    n_repeats: int = 10,
    random_state: int | np.random.SeedSequence | np.random.Generator | None = None,
) -> F1:
    """Predict labels of nodes from their vectors, and return the F1 scores.

    The protocol of the DeepWalk authors' ``scoring.py``: shuffle the nodes; train one logistic regression per
    class (L2, C = 1) on the first ``int(train_share * n)``; for each other node predict as many classes as it
    truly has, the most probable ones; take the F1 scores over all other nodes; repeat, and take the mean.
    Vectors are neither scaled nor normalised.

    Parameters
    ----------
    embedding : array-like of shape (n, d), float32 or float64
        A vector for each node.
    labels : array-like or sparse matrix of shape (n, n_classes), or array-like of shape (n,)
        An indicator matrix of zeros and ones; one label for each node, of shape (n,) or (n, 1); or a set of
        labels for each, in a list, an array of objects or a Series. A node without a label is a negative
        example of every class; leave such nodes out if nobody labelled them.
    train_share : float
        Share of the nodes to train on, between 0 and 1.
    n_repeats : int, default=10
        Number of shuffles.
    random_state : None, int, SeedSequence or Generator, default=None
        Where the shuffles come from: repeat r uses the r-th ``permutation(n)`` of NumPy's default generator,
        seeded with the 64-bit key of `random_state`.

    Returns
    -------
    F1
        ``micro`` and ``macro``, means over the repeats.

    Raises
    ------
    ValueError
        If `labels` has another length than `embedding`, fewer than two classes, missing values, or two
        columns and more that hold other numbers than 0 and 1, `train_share` leaves no node to train on, or a
        vector is not finite.

    Notes
    -----
    O(n_repeats · n_classes · n · d²) time by Newton's method, which converges in few steps. The fit is made
    in the dtype of `embedding`. Peak memory: a copy of the embedding and 32 B per (node, class).

    References
    ----------
    .. [1] Perozzi, Al-Rfou, Skiena (2014). DeepWalk: online learning of social representations. KDD, 701–710.
    .. [2] https://github.com/phanein/deepwalk, ``example_graphs/scoring.py``.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych.evaluation import node_classification
    >>> side = np.arange(40) % 2
    >>> node_classification(side[:, None] * [4.0, -4.0], side, train_share=0.5, random_state=0)
    F1(micro=1.0, macro=1.0)
    """
    X = _validate.points(embedding, "embedding")
    Y = _indicator(labels, len(X))
    n_train = int(_validate.share(train_share, "train_share") * len(X))
    if n_train == 0:
        raise ValueError(f"train_share={train_share} of {len(X)} nodes leaves none to train on.")
    generator = np.random.default_rng(_validate.seed_key(random_state, "random_state"))
    scores = []
    for _ in range(_validate.count(n_repeats, "n_repeats")):
        order = generator.permutation(len(X))
        train, test = order[:n_train], order[n_train:]
        predicted = _most_probable(_probabilities(X[train], Y[train], X[test]), Y[test].sum(axis=1))
        scores.append(
            [f1_score(Y[test], predicted, average=kind, zero_division=0) for kind in ("micro", "macro")]
        )
    micro, macro = np.mean(scores, axis=0)
    return F1(float(micro), float(macro))


def _probabilities(
    X_train: _validate.FloatArray, Y_train: NDArray[np.bool_], X_test: _validate.FloatArray
) -> NDArray[np.float64]:
    """Return the probability of each class for each test node, by one regression per class."""
    P = np.empty((len(X_test), Y_train.shape[1]))
    for c, y in enumerate(Y_train.T):
        if y.all() or not y.any():  # nothing to learn: what all training nodes say
            P[:, c] = y[0]
        else:
            model = LogisticRegression(C=1.0, solver="newton-cholesky").fit(X_train, y)
            P[:, c] = model.predict_proba(X_test)[:, 1]
    return P


def _most_probable(P: NDArray[np.float64], n_labels: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Return the indicator matrix of the n_labels[i] largest entries of each row i, the first of equals."""
    order = np.argsort(-P, axis=1, kind="stable")
    chosen = np.zeros(P.shape, dtype=bool)
    np.put_along_axis(chosen, order, np.arange(P.shape[1]) < n_labels[:, None], axis=1)
    return chosen


def _indicator(labels: Any, n: int) -> NDArray[np.bool_]:
    """Return labels in any form as (n, n_classes) Booleans."""
    if _validate.is_sparse(labels):
        Y = _zeros_and_ones(labels.toarray())
    else:
        array = _label_array(labels)
        if array.ndim == 2 and array.shape[1] > 1:
            Y = _zeros_and_ones(array)
        elif array.dtype == object and any(isinstance(label, set | frozenset) for label in array.flat):
            Y = _indicator_of_sets(array.ravel().tolist())
        else:
            Y = _indicator_of_classes(array.ravel())
    if len(Y) != n:
        raise ValueError(f"labels has {len(Y)} entries: one for each of the {n} rows of embedding is needed.")
    if Y.shape[1] < 2:
        raise ValueError(f"labels has {Y.shape[1]} classes: at least two are needed to tell them apart.")
    return Y


def _label_array(labels: Any) -> NDArray[Any]:
    """Return labels as an array, of objects unless they are numbers: among strings, NaN would be "nan"."""
    masked = isinstance(labels, np.ma.MaskedArray)
    numbers = isinstance(labels, np.ndarray) and not masked and labels.dtype.kind in "fiub"
    array = labels if numbers else np.array(labels, dtype=object)
    if masked:
        array[np.ma.getmaskarray(labels)] = None
    if array.ndim not in (1, 2):
        raise ValueError(
            f"labels has shape {array.shape}: (n,) or (n, n_classes) is needed, or a list of sets."
        )
    for i, label in enumerate([] if numbers else array.flat):
        if isinstance(label, list | tuple | np.ndarray):
            raise ValueError(f"labels[{i}]={label!r}: pass several labels of a node as a set.")
    return array


def _zeros_and_ones(table: NDArray[Any]) -> NDArray[np.bool_]:
    """Return an indicator matrix; other numbers are no answer to whether a node has a label."""
    values = _validate.points(table, "labels")
    other = np.argwhere((values != 0) & (values != 1))
    if other.size:
        i, j = other[0]
        raise ValueError(
            f"labels[{i}, {j}]={values[i, j]}: a matrix of labels holds 0 and 1, a column for each class; "
            "pass the ids of several classes as a set for each node, the id of one as an array of shape (n,)."
        )
    return np.asarray(values != 0)


def _indicator_of_sets(labels: list[Any]) -> NDArray[np.bool_]:
    for i, label in enumerate(labels):
        if not isinstance(label, set | frozenset):
            raise ValueError(
                f"labels[{i}]={label!r} stands among sets: pass a set for each node, set() for one without "
                "a label."
            )
    try:
        return np.asarray(MultiLabelBinarizer().fit_transform(labels), dtype=bool)
    except TypeError:
        raise _validate.DtypeError(_UNLIKE) from None


def _indicator_of_classes(labels: NDArray[Any]) -> NDArray[np.bool_]:
    missing = np.flatnonzero([_validate.is_missing(label) for label in labels.tolist()])
    if missing.size:
        raise ValueError(f"labels[{missing[0]}] is missing: leave out the nodes that are not labelled.")
    try:
        classes, codes = np.unique(labels, return_inverse=True)
    except TypeError:
        raise _validate.DtypeError(_UNLIKE) from None
    return np.asarray(codes[:, None] == np.arange(len(classes)))
