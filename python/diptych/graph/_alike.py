"""Names that are written alike, for messages that ask "did you mean"."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

_MOST = 20_000  # names that are compared in full; it takes some 10 µs each


def refuse_misspelt(kinds: Iterable[Any], known: Iterable[str], title: str) -> None:
    """Refuse types that are none of those known, if one of these is written like them."""
    known = list(known)
    for kind in kinds:
        hint = "" if kind in known else did_you_mean(kind, known)
        if hint:
            raise ValueError(f"{title} has the type {kind!r}, and no relation has{hint}.")


def _few(written: str, choices: Iterable[str]) -> list[str]:
    """Return the choices, or of too many some that begin alike, for as few letters as will do."""
    few, n = list(choices), 0
    while len(few) > _MOST and n < len(written):
        n += 1
        alike = [choice for choice in few if choice.startswith(written[:n])]
        if not alike:
            break
        few = alike
    return few[:_MOST]


def did_you_mean(name: Any, choices: Iterable[Any]) -> str:
    """Return " (did you mean …?)" with up to three choices written like a name, or an empty string."""
    written = str(name)
    listed = [choice for choice in choices if isinstance(choice, str)]
    by_lower = {choice.lower(): choice for choice in reversed(listed)}
    close = [
        by_lower[lower] for lower in get_close_matches(written.lower(), _few(written.lower(), by_lower), n=3)
    ]
    return f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""
