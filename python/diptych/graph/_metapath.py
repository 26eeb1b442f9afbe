"""Meta-paths: the ways in which a user writes them, and the one form that the rest of the package reads."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

from diptych._validate import DtypeError
from diptych.graph._alike import did_you_mean

Relation: TypeAlias = tuple[str, str, str]

_JOINTS = re.compile(r"([-–><])")
_NO_JOINTS = (r"[-–=]+>|<[-–=]+|→|←", r"[,;/|]", r"\s")  # what others join by; blanks may be in names


class Step(NamedTuple):
    """One relation of a meta-path, and whether the path goes against its direction."""

    relation: Relation
    reversed: bool = False

    @property
    def source(self) -> str:
        """The type that the step leaves."""
        return self.relation[2 if self.reversed else 0]

    @property
    def target(self) -> str:
        """The type that the step reaches."""
        return self.relation[0 if self.reversed else 2]

    @property
    def inverse(self) -> "Step":
        """The same relation, walked the other way."""
        return Step(self.relation, not self.reversed)

    @property
    def name(self) -> str:
        """The name of the relation, after a "~" if it is walked against its direction."""
        return f"~{self.relation[1]}" if self.reversed else self.relation[1]

    def __str__(self) -> str:
        return str((self.source, self.name, self.target))


@dataclass(frozen=True)
class MetaPath:
    """A path through the types of a graph, along relations or against them.

    Made by :meth:`diptych.HeteroGraph.metapath`.

    Attributes
    ----------
    steps : tuple of Step
        The relations, each a (relation, reversed) of a (source type, name, target type) and a bool.
    types : tuple of str
        The types it passes, one more than it has steps.
    is_round_trip : bool
        Whether its second half is the first half walked back.
    half : MetaPath
        The first half of a round trip; asking any other path for it is a ValueError that says where its
        halves differ.
    """

    steps: tuple[Step, ...]
    _spelt_out: bool = field(default=False, compare=False, repr=False)  # printed with its relations

    def __post_init__(self) -> None:
        if not self.steps:
            raise ValueError("a meta-path has at least one relation.")
        for i in range(1, len(self.steps)):
            if self.steps[i].source != self.steps[i - 1].target:
                raise ValueError(
                    f"relation {i} (from 0) of the meta-path leaves {self.steps[i].source!r}, and the one "
                    f"before it reaches {self.steps[i - 1].target!r}."
                )

    @property
    def types(self) -> tuple[str, ...]:
        """The types that the path passes."""
        return (self.steps[0].source, *(step.target for step in self.steps))

    @property
    def inverse(self) -> "MetaPath":
        """The path walked back."""
        return replace(self, steps=tuple(step.inverse for step in reversed(self.steps)))

    @property
    def is_round_trip(self) -> bool:
        """Whether the second half is the first half walked back."""
        return len(self.steps) % 2 == 0 and self == self.inverse

    @property
    def half(self) -> "MetaPath":
        """The first half of a round trip."""
        fault = self._fault()
        if fault:
            raise ValueError(
                f"{self} is no round trip: {fault}; PathSim compares nodes of one type by a path and the "
                f"same path back, such as {replace(self, steps=self.steps + self.inverse.steps)}."
            )
        return replace(self, steps=self.steps[: len(self.steps) // 2])

    def _fault(self) -> str | None:
        """Say where the second half is not the first half walked back."""
        types, n = self.types, len(self.steps)
        for i in range((n + 1) // 2):
            if types[i] != types[n - i]:
                return (
                    f"position {n - i} (from 0) is {types[n - i]!r} and would have to mirror position {i}, "
                    f"{types[i]!r}"
                )
        if n % 2:
            return f"it has {n} relation{'s' if n > 1 else ''}, an odd number, so that no type is its middle"
        for i in range(n // 2):
            if self.steps[n - 1 - i] != self.steps[i].inverse:
                return (
                    f"from position {n - 1 - i} (from 0) it goes by {self.steps[n - 1 - i]} and would have "
                    f"to go by {self.steps[i].inverse}, the inverse of what leaves position {i}"
                )
        return None

    def __str__(self) -> str:
        """Return the types, with a direction within one type, and relations where types do not suffice."""
        joints = [_spelt_out(step) if self._spelt_out else _joint(step) for step in self.steps]
        return self.types[0] + "".join(f"{joint}{t}" for joint, t in zip(joints, self.types[1:], strict=True))


def _joint(step: Step) -> str:
    return "-" if step.source != step.target else "<" if step.reversed else ">"


def _spelt_out(step: Step) -> str:
    return f" <--{step.relation[1]}-- " if step.reversed else f" --{step.relation[1]}--> "


class PathReader:
    """Reads what a user wrote as a path through given types and relations.

    Parameters
    ----------
    types : collection of str
        The types of the nodes.
    relations : collection of (source type, name, target type)
        The relations; the inverse of each can be walked too.
    """

    def __init__(self, types: Collection[str], relations: Collection[Relation]) -> None:
        self.types, self.relations = types, relations
        self.given: Any = None

    def read(self, given: Any) -> MetaPath:
        """Return the path; ValueError naming the position and the choices if it is not exactly one."""
        path = self._read(given)
        types_suffice = all(len(self._between(s.source, s.target, _joint(s))[1]) == 1 for s in path.steps)
        return replace(path, _spelt_out=not types_suffice)

    def _read(self, given: Any) -> MetaPath:
        self.given = given
        if isinstance(given, MetaPath):
            for i, step in enumerate(given.steps):
                if step.relation not in self.relations:
                    raise self._refusal(
                        i, f"the graph has no relation {step.relation!r}", self._all_relations()
                    )
            return given
        if isinstance(given, str):
            return self._from_text(given)
        if not isinstance(given, Sequence) or not all(isinstance(item, str | Sequence) for item in given):
            raise DtypeError(
                f"metapath={given!r}: must be a str such as 'APA' or 'author-paper-author', a list of types, "
                "or a list of relations."
            )
        if not given:
            raise ValueError("metapath is empty: at least one relation is needed.")
        if self._holds_types(given):
            return self._through(
                [self._type(i, word) for i, word in enumerate(given)], "-" * (len(given) - 1)
            )
        return self._along(given)

    # ---- types ----

    def _from_text(self, text: str) -> MetaPath:
        """Read types that are joined by "-" or, where a direction is meant, ">" or "<", or initials."""
        if text.strip() in self.types:
            return self._through([text.strip()], "")
        self._refuse_other_joints(text.strip())
        *parts, last = _JOINTS.split(text)
        words, joints = [], ""
        spelt_out = "-" in text or "–" in text
        for word, joint in zip([*parts[::2], last], [*parts[1::2], ""], strict=True):
            name = word.strip()
            letters = [name] if spelt_out or name in self.types else list(name) or [""]
            words += letters
            joints += "-" * (len(letters) - 1) + joint.replace("–", "-")
        return self._through([self._type(i, word) for i, word in enumerate(words)], joints)

    def _refuse_other_joints(self, text: str) -> None:
        for place, pattern in enumerate(_NO_JOINTS):
            if not re.search(pattern, text) or (place and _JOINTS.search(text)):
                continue
            words = [word.strip() for word in re.split(pattern, text) if word.strip()]
            known = all(word in self.types or len(word) == 1 for word in words)
            raise ValueError(
                f"metapath={text!r}: types are joined by '-'"
                + (f"; write {'-'.join(words)!r}." if known else ", as in 'author-paper-author'.")
            )

    def _type(self, position: int, word: str) -> str:
        """Return the type that is meant by its name or its initial."""
        if word in self.types:
            return word
        if not word:
            raise self._refusal(position, "a type is missing there", self._all_types())
        meant = [name for name in self.types if len(word) == 1 and name[:1].lower() == word.lower()]
        if len(meant) > 1:
            raise self._refusal(
                position,
                f"{word!r} may be {' or '.join(map(repr, meant))}",
                "write the types out, joined by '-'",
            )
        if not meant:
            if len(word) == 1:
                raise self._refusal(position, f"no type begins with {word!r}", self._all_types())
            names = [] if isinstance(self.given, str) else [relation[1] for relation in self.relations]
            if word.removeprefix("~") in names:
                raise self._refusal(position, f"{word!r} is a relation, and others of the list are types")
            hint = did_you_mean(word, [*self.types, *names])
            raise self._refusal(position, f"there is no type {word!r}{hint}", self._all_types())
        return meant[0]

    def _through(self, types: list[str], joints: str) -> MetaPath:
        if len(types) < 2:
            raise ValueError(f"metapath={self.given!r} passes one type: at least one relation is needed.")
        return MetaPath(tuple(self._join(i, types[i], types[i + 1], joint) for i, joint in enumerate(joints)))

    def _join(self, position: int, source: str, target: str, joint: str) -> Step:
        """Return the one step between two types."""
        joining, steps = self._between(source, target, joint)
        if not joining:
            both = [Step(relation, back) for relation in self.relations for back in (False, True)]
            leaving = [f"{step.source}-{step.target} by {step}" for step in both if step.source == source]
            raise self._refusal(
                position + 1,
                f"no relation joins {source!r} and {target!r}",
                f"from {source!r} lead {', '.join(leaving)}" if leaving else f"none leads from {source!r}",
            )
        if not steps:
            raise self._refusal(
                position + 1,
                f"{source}{joint}{target} goes against the direction of {joining[0].relation!r}",
                f"write {source}-{target}",
            )
        if len(steps) == 1:
            return steps[0]
        if source == target and len(steps) == 2:
            raise self._refusal(
                position + 1,
                f"{steps[0].relation[1]!r} joins {source!r} with itself, and has a direction",
                f"write {source}>{target} along it or {source}<{target} against it, or in Python a list "
                f"of relations, with {steps[0].relation[1]!r} or '~{steps[0].relation[1]}'",
            )
        raise self._refusal(
            position + 1,
            f"{len(steps)} relations lead from {source!r} to {target!r}",
            f"in Python pass a list of relations, in which it is {_list_of(steps)}",
        )

    def _between(self, source: str, target: str, joint: str) -> tuple[list[Step], list[Step]]:
        """Return the steps between two types, and those that a joint may mean."""
        both = [Step(relation, back) for relation in self.relations for back in (False, True)]
        joining = [step for step in both if (step.source, step.target) == (source, target)]
        return joining, [step for step in joining if joint == "-" or step.reversed == (joint == "<")]

    # ---- relations ----

    def _holds_types(self, items: Sequence[Any]) -> bool:
        """Tell a list of types from a list of relations."""
        names = {relation[1] for relation in self.relations}
        are_types = [item in self.types for item in items if isinstance(item, str)]
        are_names = [item.removeprefix("~") in names for item in items if isinstance(item, str)]
        if len(are_types) == len(items) and all(are_types) and all(are_names):
            raise ValueError(
                f"metapath={self.given!r}: these are names of types and of relations as well; write the "
                "types as one str, joined by '-', or the relations as (source, relation, target)."
            )
        return len(are_types) == len(items) and sum(are_types) >= sum(are_names)

    def _along(self, items: Sequence[Any]) -> MetaPath:
        steps: list[Step] = []
        for i, item in enumerate(items):
            fitting = self._steps_called(i, item)
            here = steps[-1].target if steps else None
            leaving = [step for step in fitting if here in (None, step.source)]
            if not leaving:
                back = [step.inverse for step in fitting if step.inverse.source == here]
                hint = f" (did you mean {_list_of(back)}?)" if back else ""
                raise self._refusal(
                    i, f"the path has reached {here!r}, which {_list_of(fitting)} does not leave{hint}"
                )
            if len(leaving) > 1:
                raise self._refusal(i, f"{item!r} may be {_list_of(leaving)}", "pass it as one of these")
            steps.append(leaving[0])
        return MetaPath(tuple(steps))

    def _steps_called(self, position: int, item: Any) -> list[Step]:
        """Return the steps that a name, "~name" or a triple stands for."""
        both = [Step(relation, back) for back in (False, True) for relation in self.relations]
        if isinstance(item, str):
            called = [step for step in both if item == step.name]
            hint = did_you_mean(item, [step.name for step in both])
        else:
            triple = tuple(item)
            called = [s for s in both if triple == (s.source, s.name, s.target)]
            inverse = [s for s in both if s.reversed and triple == (s.source, s.relation[1], s.target)]
            hint = f" (did you mean {_list_of(inverse)}?)" if inverse else ""
        if called:
            return called
        if item in self.types:
            raise self._refusal(position, f"{item!r} is a type, and others of the list are relations")
        raise self._refusal(position, f"there is no relation {item!r}{hint}", self._all_relations())

    # ---- words ----

    def _all_types(self) -> str:
        return f"the types are {', '.join(map(repr, self.types))}" if self.types else "the graph has no types"

    def _all_relations(self) -> str:
        if not self.relations:
            return "the graph has no relations"
        return (
            f"the relations are {', '.join(map(repr, self.relations))}, and '~' before a name turns it round"
        )

    def _refusal(self, position: int, fault: str, choices: str = "") -> ValueError:
        said = f"{fault}; {choices}" if choices else fault
        return ValueError(f"metapath={self.given!r}, position {position} (from 0): {said}.")


def _list_of(steps: list[Step]) -> str:
    return " or ".join(map(str, steps))
