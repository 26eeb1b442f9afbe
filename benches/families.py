"""The families and their sections, in the order of a run.

A family is a package here: ``tables.SECTIONS`` names what is measured and how it is shown, ``rows.names()``
lists what ``--only`` can choose.
"""

from __future__ import annotations

from importlib import import_module

from benches.section import Section

FAMILIES = ("clustering", "embedding", "metapath", "recurrent", "attention")

SECTIONS: tuple[Section, ...] = tuple(
    section for family in FAMILIES for section in import_module(f"benches.{family}.tables").SECTIONS
)


def row_names() -> list[str]:
    """Return the names of all rows."""
    return [name for family in FAMILIES for name in import_module(f"benches.{family}.rows").names()]
