"""Laws: statements that any right implementation obeys, to be tried on any implementation.

>>> from diptych import reference, testing
>>> testing.check(reference.clustering.dbscan, "clustering.dbscan").passed
True
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diptych.testing import attention, clustering, metapath, recurrent, rng, skipgram, walks
from diptych.testing._call import LawBroken
from diptych.testing._engine import Family, Law, try_laws
from diptych.testing._exercise import exercise_text
from diptych.testing._report import Failure, LawResult, Report

__all__ = ["Failure", "Law", "LawBroken", "LawResult", "Report", "check", "exercise", "laws", "names"]

_FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        clustering.DBSCAN,
        clustering.K_DISTANCES,
        clustering.DBSCAN_PREDICT,
        walks.ALIAS_TABLE,
        walks.SAMPLE_ALIAS,
        walks.RANDOM_WALKS,
        skipgram.WINDOW_PAIRS,
        skipgram.NOISE_DISTRIBUTION,
        skipgram.NEGATIVE_SAMPLES,
        skipgram.SGNS_LOSS,
        skipgram.SGNS_GRADIENTS,
        skipgram.TRAIN,
        metapath.COMMUTING_MATRIX,
        metapath.PATHSIM,
        metapath.PATHSIM_TOP_K,
        metapath.PATHSIM_PAIRS,
        recurrent.RNN_STEP,
        recurrent.LSTM_STEP,
        recurrent.RNN,
        recurrent.LSTM,
        recurrent.RNN_BACKWARD,
        recurrent.LSTM_BACKWARD,
        recurrent.LSTM_MEMORY_TERMS,
        recurrent.RNN_MEMORY_TERMS,
        recurrent.STATE_JACOBIAN_NORMS,
        attention.SCALED_DOT_PRODUCT_ATTENTION,
        attention.SCALED_DOT_PRODUCT_ATTENTION_BACKWARD,
        rng.SPLITMIX64,
    )
}


def names() -> list[str]:
    """Return what can be checked, as "stem.function"."""
    return list(_FAMILIES)


def laws(name: str) -> tuple[Law, ...]:
    """Return the laws of one function, in the order in which they are tried.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    tuple of Law
        Each can be called with an implementation and a case; it raises `LawBroken` when it does not hold.
    """
    return tuple(_family(name).laws)


def check(
    function: Callable[..., Any],
    name: str,
    *,
    seed: int = 0,
    examples: int = 40,
    timeout: float = 10.0,
    strict: bool = False,
) -> Report:
    """Try the laws on an implementation.

    Parameters
    ----------
    function : callable
        The implementation. It may leave out parameters: laws that need them are reported as not tried, and
        so are laws about metrics or weights for which it raises NotImplementedError. A DBSCAN may return
        labels alone.
    name : str
        Whose laws to try, one of `names`.
    seed : int, default=0
        Seed of the inputs. The same seed gives the same inputs everywhere.
    examples : int, default=40
        Inputs per law.
    timeout : float, default=10.0
        Seconds one call may take. A call that takes longer counts as broken and ends the check. (Compiled
        code that never lets go of the interpreter cannot be timed.)
    strict : bool, default=False
        Whether to try the laws that fix rounding to the last bit. A sound implementation may break these: a
        distance compared after its square root rounds differently from one compared before.

    Returns
    -------
    Report
        `passed`, `laws`, `first_failure`; as text, the first broken law with the smallest input found.

    Examples
    --------
    >>> import numpy as np
    >>> from diptych import testing
    >>> def everything_is_noise(X, eps, *, min_samples):
    ...     return np.full(len(X), -1)
    >>> report = testing.check(everything_is_noise, "clustering.dbscan")
    >>> report.passed
    False
    >>> print(report.first_failure.code)
    import numpy as np
    X = np.array([[0.0]])
    everything_is_noise(X, 1.0, min_samples=1)
    """
    return try_laws(_family(name), function, seed=seed, count=examples, timeout=timeout, strict=strict)


def exercise(name: str, file: str | None = None) -> str:
    """Return the text of a Python file to fill in: the task, hints as questions, and how to check the answer.

    Parameters
    ----------
    name : str
        One of `names`.
    file : str, optional
        The file it will be in, which its text names; ``my_<function>.py`` otherwise.
    """
    return exercise_text(_family(name).name, file)


def _family(name: str) -> Family:
    if name not in _FAMILIES:
        raise ValueError(f"name={name!r}: there are laws for {', '.join(_FAMILIES)}.")
    return _FAMILIES[name]
