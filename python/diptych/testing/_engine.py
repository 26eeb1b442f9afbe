"""How a law is tried: cases, calls with a time limit, the smallest failing input, the report.

Nothing here knows an algorithm. A law is a function of (subject, case) that raises `LawBroken`; a case is a
dictionary of arguments. Cases come from a seeded generator, so a report depends on the seed alone.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any

from diptych.testing._call import LawBroken, NotOffered, call, watched
from diptych.testing._print import show_call, show_value
from diptych.testing._report import Failure, LawResult, Report

Case = dict[str, Any]
_SHRINKING_STEPS = 1500


class Subject:
    """A function under test: what it accepts, and calls of it that do no harm to the case.

    Parameters
    ----------
    function : callable
        The implementation.
    family : Family
        Says which arguments are passed by position and which by name.
    """

    def __init__(self, function: Callable[..., Any], family: Family) -> None:
        self.function = function
        self.family = family
        self.name = getattr(function, "__name__", type(function).__name__)
        self.law: Law | None = None  # on trial, with
        self.case: Case = {}  # this case, on which the function gave
        self.answer: Any = None  # this answer
        self.asked: Case = {}  # what it is asked right now,
        self.since: float | None = None  # since when
        try:
            self._parameters = dict(inspect.signature(function).parameters)
        except (TypeError, ValueError):  # builtins may have no signature: take the full one for granted
            self._parameters = {}

    def accepts(self, parameter: str) -> bool:
        """Whether `parameter` can be passed by name."""
        if not self._parameters:
            return True
        if any(p.kind is p.VAR_KEYWORD for p in self._parameters.values()):
            return True
        found = self._parameters.get(parameter)
        return found is not None and found.kind is not found.POSITIONAL_ONLY

    def split(self, case: Case) -> tuple[list[Any], Case]:
        """Sort arguments into those by position and those by name.

        A required name that the function spells differently goes by position; "_names" are the law's own.
        """
        positional = [case[name] for name in self.family.positional]
        named = {k: v for k, v in case.items() if k not in self.family.positional and not k.startswith("_")}
        renamed = [name for name in self.family.required if name in named and not self.accepts(name)]
        positional.extend(named.pop(name) for name in renamed)
        return positional, named

    def __call__(self, case: Case) -> Any:
        """Call the function on a copy of `case`."""
        answer = self.on({key: copied(value) for key, value in case.items()}, case)
        if case is self.case:
            self.answer = answer
        return answer

    def on(self, case: Case, shown: Case | None = None) -> Any:
        """Call the function on `case` itself, which it may spoil; reports show `shown`."""
        positional, named = self.split(case)
        self.asked, self.since = shown or case, time.monotonic()
        try:
            return call(self.function, positional, named)
        finally:
            self.since = None


@dataclass(frozen=True)
class Law:
    """A statement that every right implementation obeys.

    Calling a law with an implementation and a case returns None or raises `LawBroken` with the reason.
    """

    name: str
    statement: str
    family: Family
    holds: Callable[[Subject, Case], None]
    cases: Callable[[Random], Iterator[Case]]
    admits: Callable[[Case], bool]
    needs: tuple[str, ...]
    strict: bool
    shrinks: bool

    def __call__(self, function: Callable[..., Any], case: Case) -> None:
        """Try this law on one case."""
        self.holds(Subject(function, self.family), case)


class Family:
    """The laws of one function, and how its arguments hang together.

    Parameters
    ----------
    name : str
        "stem.function".
    positional : tuple of str
        Arguments passed by position.
    required : tuple of str
        Arguments passed by name that every implementation has to take.
    smaller : callable
        Yields cases simpler than the one given, the greatest simplification first.
    """

    def __init__(
        self,
        name: str,
        *,
        positional: tuple[str, ...],
        required: tuple[str, ...],
        smaller: Callable[[Case], Iterator[Case]],
    ) -> None:
        self.name = name
        self.positional = positional
        self.required = required
        self.smaller = smaller
        self.laws: list[Law] = []

    def law(
        self,
        cases: Callable[[Random], Iterator[Case]],
        *,
        admits: Callable[[Case], bool] = lambda case: True,
        needs: tuple[str, ...] = (),
        strict: bool = False,
        shrinks: bool = True,
    ) -> Callable[[Callable[[Subject, Case], None]], Law]:
        """Enter a function among the laws: its name is the law's name, its docstring the statement."""

        def enter(holds: Callable[[Subject, Case], None]) -> Law:
            entered = Law(
                name=getattr(holds, "__name__", "law").replace("_", " "),
                statement=" ".join((holds.__doc__ or "").split()),
                family=self,
                holds=holds,
                cases=cases,
                admits=admits,
                needs=needs,
                strict=strict,
                shrinks=shrinks,
            )
            self.laws.append(entered)
            return entered

        return enter


def copied(value: Any) -> Any:
    """Copy an argument, and the arrays of a list or of a named tuple of them."""
    if isinstance(value, list):
        return [copied(item) for item in value]
    if hasattr(value, "_fields"):
        return type(value)(*map(copied, value))
    return value.copy() if hasattr(value, "copy") else value


def examples(*cases: Case) -> Callable[[Random], Iterator[Case]]:
    """Make a few worked cases, the same for every seed."""
    return lambda random: iter(cases)


def broken(law: Law, subject: Subject, case: Case) -> LawBroken | None:
    """Say how `law` breaks on `case`; None when it holds."""
    subject.law, subject.case, subject.answer = law, case, None
    try:
        law.holds(subject, case)
    except LawBroken as reason:
        return reason
    return None


def shrink(law: Law, subject: Subject, case: Case) -> Case:
    """Search greedily for the simplest case on which the law still breaks."""
    left, improved = _SHRINKING_STEPS, True
    while improved:
        improved = False
        for candidate in law.family.smaller(case):
            if left == 0:
                return case
            left -= 1
            try:
                if law.admits(candidate) and broken(law, subject, candidate):
                    case, improved = candidate, True
                    break
            except NotOffered:
                continue
    return case


def try_law(law: Law, subject: Subject, *, seed: int, count: int, strict: bool, small: bool) -> LawResult:
    """Try one law on up to `count` cases; with `small`, look for the smallest that breaks it."""
    missing = [name for name in law.needs if not subject.accepts(name)]
    if missing:
        return _not_tried(law, f"no {missing[0]} parameter")
    if law.strict and not strict:
        return _not_tried(law, "it fixes rounding: strict=True tries it")
    tried = 0
    # The law's name takes part, so that leaving out one law does not change the cases of the next.
    for case in islice(law.cases(Random(f"{seed} {law.name}")), count):
        if not law.admits(case):
            continue
        try:
            reason = broken(law, subject, case)
        except NotOffered as refusal:
            if law.needs:
                return _not_tried(law, str(refusal))
            reason = LawBroken(str(refusal))
        tried += 1
        if reason is not None:
            if small and law.shrinks:
                case, reason = _smallest(law, subject, case, reason)
            return _failed(law, subject, case, str(reason), tried)
    return LawResult(law.name, law.statement, "holds", "", tried, None)


def _smallest(law: Law, subject: Subject, case: Case, reason: LawBroken) -> tuple[Case, LawBroken]:
    try:
        case = shrink(law, subject, case)
        return case, broken(law, subject, case) or reason
    except NotOffered:  # the function answered before and refuses now: report what was seen
        return case, reason


def _not_tried(law: Law, why: str) -> LawResult:
    return LawResult(law.name, law.statement, "not tried", why, 0, None)


def _failed(
    law: Law, subject: Subject, case: Case, explanation: str, tried: int, hang: bool = False
) -> LawResult:
    positional, named = subject.split(case)
    failure = Failure(
        law=law.name,
        statement=law.statement,
        explanation=explanation,
        case=case,
        code=show_call(subject.name, subject.family.positional, positional, named),
        returned="" if subject.answer is None else show_value(subject.answer),
        hang=hang,
    )
    return LawResult(law.name, law.statement, "broken", explanation, tried, failure)


def try_laws(
    family: Family, function: Callable[..., Any], *, seed: int, count: int, timeout: float, strict: bool
) -> Report:
    """Try all laws of a family in order, until a call takes longer than `timeout` seconds."""
    subject = Subject(function, family)
    results: list[LawResult] = []

    def work() -> None:
        for law in family.laws:
            first = all(
                result.failure is None for result in results
            )  # later ones are not shown with an input
            results.append(try_law(law, subject, seed=seed, count=count, strict=strict, small=first))

    def overdue() -> bool:
        since = subject.since
        return since is not None and time.monotonic() - since > timeout

    if watched(work, overdue) or subject.law is None:
        return Report(family.name, subject.name, tuple(results))
    hung = _failed(subject.law, subject, subject.asked, f"did not return within {timeout:g} s", 1, hang=True)
    done = results[: family.laws.index(subject.law)]
    rest = family.laws[len(done) + 1 :]
    skipped = [_not_tried(law, "an earlier call did not return") for law in rest]
    return Report(family.name, subject.name, (*done, hung, *skipped))
