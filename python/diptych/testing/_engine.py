"""How a law is tried: cases, calls with a time limit, the smallest failing input, the report.

Nothing here knows an algorithm. A law is a function of (subject, case) that raises `LawBroken`; a case is a
dictionary of arguments. Cases come from a seeded generator, so a report depends on the seed alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any

from diptych.testing._call import Hang, LawBroken, NotOffered, call_with_limit
from diptych.testing._print import show_call, show_value
from diptych.testing._report import Failure, LawResult, Report

Case = dict[str, Any]
_SHRINKING_STEPS = 1500


class Subject:
    """A function under test: what it accepts, and calls of it that neither hang nor harm the case.

    Parameters
    ----------
    function : callable
        The implementation.
    family : Family
        Says which arguments are passed by position and which by name.
    timeout : float
        Seconds one call may take.
    """

    def __init__(self, function: Callable[..., Any], family: Family, timeout: float) -> None:
        self.function = function
        self.family = family
        self.timeout = timeout
        self.name = getattr(function, "__name__", type(function).__name__)
        self.last: Any = None
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
        return self.on(
            {key: value.copy() if hasattr(value, "copy") else value for key, value in case.items()}
        )

    def on(self, case: Case) -> Any:
        """Call the function on `case` itself, which it may spoil."""
        self.last = None
        positional, named = self.split(case)
        self.last = call_with_limit(self.function, positional, named, self.timeout)
        return self.last


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

    def __call__(self, function: Callable[..., Any], case: Case, timeout: float = 60.0) -> None:
        """Try this law on one case."""
        self.holds(Subject(function, self.family, timeout), case)


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


def examples(*cases: Case) -> Callable[[Random], Iterator[Case]]:
    """Make a few worked cases, the same for every seed."""
    return lambda random: iter(cases)


def broken(law: Law, subject: Subject, case: Case) -> LawBroken | None:
    """Say how `law` breaks on `case`; None when it holds."""
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
        return LawResult(law.name, law.statement, "not tried", f"no {missing[0]} parameter", 0, None)
    if law.strict and not strict:
        return LawResult(
            law.name, law.statement, "not tried", "it fixes rounding: strict=True tries it", 0, None
        )
    tried = 0
    # The law's name takes part, so that leaving out one law does not change the cases of the next.
    for case in islice(law.cases(Random(f"{seed} {law.name}")), count):
        if not law.admits(case):
            continue
        try:
            reason = broken(law, subject, case)
        except NotOffered as refusal:
            if law.needs:
                return LawResult(law.name, law.statement, "not tried", str(refusal), tried, None)
            reason = LawBroken(str(refusal))
        tried += 1
        if reason is not None:
            return _failed(law, subject, case, reason, tried, small)
    return LawResult(law.name, law.statement, "holds", "", tried, None)


def _failed(law: Law, subject: Subject, case: Case, reason: LawBroken, tried: int, small: bool) -> LawResult:
    if small and law.shrinks and not isinstance(reason, Hang):
        try:
            case = shrink(law, subject, case)
            reason = broken(law, subject, case) or reason
        except NotOffered:  # the function answered before and refuses now: report what was seen
            pass
    positional, named = subject.split(case)
    failure = Failure(
        law=law.name,
        statement=law.statement,
        explanation=str(reason),
        case=case,
        code=show_call(subject.name, subject.family.positional, positional, named),
        returned="" if subject.last is None else show_value(subject.last),
        hang=isinstance(reason, Hang),
    )
    return LawResult(law.name, law.statement, "broken", str(reason), tried, failure)


def try_laws(
    family: Family, function: Callable[..., Any], *, seed: int, count: int, timeout: float, strict: bool
) -> Report:
    """Try all laws of a family in order."""
    subject = Subject(function, family, timeout)
    results: list[LawResult] = []
    for law in family.laws:
        hung = next((r for r in results if r.failure is not None and r.failure.hang), None)
        if hung is not None:  # the lost call may still hold a processor: stop here
            results.append(
                LawResult(law.name, law.statement, "not tried", "an earlier call did not return", 0, None)
            )
        else:
            first = all(
                result.failure is None for result in results
            )  # only the first is shown with its input
            results.append(try_law(law, subject, seed=seed, count=count, strict=strict, small=first))
    return Report(family.name, subject.name, tuple(results))
