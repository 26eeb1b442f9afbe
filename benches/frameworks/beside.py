"""Ours and the frameworks in turns, after their answers were compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from benches.frameworks.elsewhere import Arrays, Framework
from benches.section import Settings, Target
from benches.timing import turn

CLOSE = 1e-5  # of the largest number of each array
FEWEST = 5


def apart(ours: Arrays, theirs: Arrays) -> float:
    """Return by how much two answers differ, each array beside the largest number in it."""
    shapes = [{name: np.shape(array) for name, array in answer.items()} for answer in (ours, theirs)]
    if shapes[0] != shapes[1]:
        raise ValueError(f"answers of shapes {shapes[0]} and {shapes[1]} cannot be compared")
    # NaN stays NaN, and is not close
    return float(
        np.max([np.abs(ours[name] - theirs[name]).max() / np.abs(ours[name]).max() for name in ours])
    )


def furthest(ours: Arrays, answers: Mapping[str, Arrays]) -> float:
    """Return by how much the worst of all ways differs from ours."""
    return float(np.max([apart(ours, answer) for answer in answers.values()]))


def turns(
    ours: Callable[[], Any],
    named: Callable[[Any], Arrays],
    frameworks: Sequence[Framework],
    job: str,
    arrays: Arrays,
    settings: Settings,
    **options: Any,
) -> list[dict]:
    """Return what each framework makes of a job beside us: times, and how far answers are apart.

    All ways that a framework has of it must agree with us; the one that is quickest in a first turn goes on.
    """
    expected = named(ours())
    found = []
    for framework in frameworks:
        answers = framework.make(job, arrays, **options)
        first = {way: framework.turn(way)["seconds"] for way in answers}
        way = min(first, key=first.__getitem__)
        said = ", ".join(f"{name} {seconds * 1e3:.3g} ms" for name, seconds in first.items())
        settings.say(f"  {framework.version}: {said}")
        found.append((framework, way, furthest(expected, answers)))
    mine: list[float] = []
    theirs: list[list[dict[str, float]]] = [[] for _ in found]
    end = time.perf_counter() + settings.budget
    while found and (time.perf_counter() < end or len(mine) < FEWEST):
        mine.append(turn(ours))
        for (framework, way, _), times in zip(found, theirs, strict=True):
            times.append(framework.turn(way))
    for (framework, way, _), times in zip(found, theirs, strict=True):
        cores = statistics.median(turn["cores"] for turn in times)
        settings.say(f"  {framework.version}: {way}, kept {cores:.2f} cores busy")
    return [
        {
            "peer": f"{framework.version}: {way}",
            "ours": {"median": statistics.median(mine), "turns": mine},
            "theirs": {
                "median": statistics.median(turn["seconds"] for turn in times),
                "turns": [turn["seconds"] for turn in times],
            },
            "cores": statistics.median(turn["cores"] for turn in times),
            "apart": difference,
            "ok": difference <= CLOSE,
        }
        for (framework, way, difference), times in zip(found, theirs, strict=True)
    ]


def judged(result: dict, target: Target) -> dict:
    """Return a result with its ratio beside what that must be."""
    ratio = result["theirs"]["median"] / result["ours"]["median"]
    held = None if target.bar is None else ratio >= target.bar
    return result | {"ratio": ratio, "bar": target.bar, "goal": target.goal, "held": held}
