"""Names that are written alike, for messages that ask "did you mean"."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

_MOST = 20_000  # names that are compared in full; it takes some 10 µs each


def did_you_mean(name: Any, choices: Iterable[Any]) -> str:
    """Return " (did you mean …?)" with up to three choices written like a name, or an empty string."""
    written = str(name)
    listed = [choice for choice in choices if isinstance(choice, str)]
    if len(listed) > _MOST:
        listed = [choice for choice in listed if choice[:1].lower() == written[:1].lower()]
    by_lower = {choice.lower(): choice for choice in reversed(listed)}
    close = [by_lower[lower] for lower in get_close_matches(written.lower(), by_lower, n=3)]
    return f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""
