"""Attention beside whole frameworks, there, and there and back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benches.attention import heads, peers
from benches.attention.rows import FRAMEWORK_ROWS
from benches.frameworks.beside import judged, turns
from benches.frameworks.elsewhere import Arrays, there
from benches.section import Settings
from benches.timing import sgemm


def named(found: Any) -> Arrays:
    """Return our answer with names."""
    if isinstance(found, tuple):
        return dict(zip(("output", "q", "k", "v"), found, strict=True))
    return {"output": found}


def attention(settings: Settings) -> Iterator[dict]:
    """Time every row beside each framework."""
    rows = [row for row in FRAMEWORK_ROWS if settings.wanted(row.name)]
    if not rows:
        return
    with there(settings) as frameworks:
        for row in rows if frameworks else ():
            settings.say(f"{row.name} …")
            given = peers.draw(row)
            arrays = dict(zip("qkv", given, strict=True)) | ({"d_output": given[0]} if row.back else {})
            call = heads.ours(row, given, settings.threads)
            rate = sgemm()
            for result in turns(call, named, frameworks, "attention", arrays, settings, causal=row.causal):
                mine = row.operations() / result["ours"]["median"]
                about = {"row": row.name, "input": row.input, "rate": mine / 1e9, "of_sgemm": mine / rate}
                yield about | judged(result, row.target)
