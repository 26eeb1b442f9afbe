"""Studies: one question each, answered by a run.

A study is a function without required arguments. It returns a `StudyResult`: the question, numbers, the law
they show, and a display. ``diptych study`` lists them, ``diptych study NAME -o picture.png`` runs one.
"""

from collections.abc import Callable

from diptych.studies._result import Display, StudyResult
from diptych.studies.contribution import contribution
from diptych.studies.dbscan_steps import dbscan_steps
from diptych.studies.gates import gates
from diptych.studies.lstm_or_transformer import lstm_or_transformer
from diptych.studies.negative_sampling import negative_sampling
from diptych.studies.nonlinearity import nonlinearity
from diptych.studies.order import order
from diptych.studies.pathsim_or_walks import pathsim_or_walks
from diptych.studies.scaling import scaling

__all__ = [
    "STUDIES",
    "Display",
    "StudyResult",
    "contribution",
    "dbscan_steps",
    "gates",
    "lstm_or_transformer",
    "negative_sampling",
    "nonlinearity",
    "order",
    "pathsim_or_walks",
    "scaling",
]

STUDIES: dict[str, Callable[..., StudyResult]] = {
    "contribution": contribution,
    "dbscan_steps": dbscan_steps,
    "gates": gates,
    "lstm_or_transformer": lstm_or_transformer,
    "negative_sampling": negative_sampling,
    "nonlinearity": nonlinearity,
    "order": order,
    "pathsim_or_walks": pathsim_or_walks,
    "scaling": scaling,
}
