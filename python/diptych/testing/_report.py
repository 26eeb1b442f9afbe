"""What a check found."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Failure:
    """A law that broke, and the smallest input found that shows it.

    Attributes
    ----------
    law, statement : str
        The law's name, and what it says.
    explanation : str
        What was wrong with the answer.
    case : dict
        The arguments.
    code : str
        The same arguments as Python text that can be pasted into a session.
    returned : str
        What the function returned, empty where it raised or hung.
    hang : bool
        Whether the function did not return in time.
    """

    law: str
    statement: str
    explanation: str
    case: dict[str, Any]
    code: str
    returned: str
    hang: bool

    def __str__(self) -> str:
        parts = [f"broken: {self.law}", _indent(self.statement), _indent(self.explanation), "input:"]
        parts.append(textwrap.indent(self.code, "    "))
        if self.returned:
            parts += ["returned:", _indent(self.returned)]
        return "\n".join(parts)


@dataclass(frozen=True)
class LawResult:
    """One law's outcome.

    Attributes
    ----------
    name, statement : str
        The law's name, and what it says.
    status : {"holds", "broken", "not tried"}
        The outcome.
    detail : str
        How it broke, or why it was not tried.
    tried : int
        Number of inputs tried.
    failure : Failure or None
        The smallest failing input found.
    """

    name: str
    statement: str
    status: Literal["holds", "broken", "not tried"]
    detail: str
    tried: int
    failure: Failure | None


@dataclass(frozen=True)
class Report:
    """Which laws hold for a function.

    Attributes
    ----------
    name : str
        What was checked against, as "clustering.dbscan".
    function : str
        The name of the function that was checked.
    laws : tuple of LawResult
        One entry per law, in the order tried: worked examples first.
    """

    name: str
    function: str
    laws: tuple[LawResult, ...]

    @property
    def passed(self) -> bool:
        """Whether at least one law was tried and none broke."""
        statuses = [law.status for law in self.laws]
        return "holds" in statuses and "broken" not in statuses

    @property
    def first_failure(self) -> Failure | None:
        """The first law that broke, with its input; None when none did."""
        return next((law.failure for law in self.laws if law.failure is not None), None)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values, ready for JSON."""
        first = self.first_failure
        return {
            "name": self.name,
            "function": self.function,
            "passed": self.passed,
            "laws": [
                {"name": law.name, "status": law.status, "detail": law.detail, "tried": law.tried}
                for law in self.laws
            ],
            "first_failure": None
            if first is None
            else {
                "law": first.law,
                "explanation": first.explanation,
                "code": first.code,
                "returned": first.returned,
            },
        }

    def __str__(self) -> str:
        count = {
            status: sum(law.status == status for law in self.laws)
            for status in ("holds", "broken", "not tried")
        }
        verdict = "obeys the laws" if self.passed else "breaks a law" if count["broken"] else "was not tried"
        counts = ", ".join(f"{number} {status.replace('holds', 'hold')}" for status, number in count.items())
        parts = [f"{self.function} {verdict} of {self.name}: {counts}"]
        if self.first_failure is not None:
            parts += ["", str(self.first_failure)]
        parts.append("")
        for law in self.laws:
            if law.status != "not tried":
                note = f"({law.tried} inputs)" if law.status == "holds" else law.detail
                parts.append(_cut(f"{law.status:9}  {law.name}  {note}"))
        for reason in dict.fromkeys(law.detail for law in self.laws if law.status == "not tried"):
            skipped = [law.name for law in self.laws if law.status == "not tried" and law.detail == reason]
            many = "law" if len(skipped) == 1 else "laws"
            parts.append(_cut(f"not tried  {len(skipped)} {many} ({reason}): {', '.join(skipped)}"))
        return "\n".join(parts)


def _cut(line: str) -> str:
    return line if len(line) <= 110 else f"{line[:108]} …"


def _indent(text: str) -> str:
    return textwrap.fill(text, 106, initial_indent="    ", subsequent_indent="    ", break_long_words=False)
