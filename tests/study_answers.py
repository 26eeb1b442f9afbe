"""What the studies answer, run once for all tests."""

from __future__ import annotations

import functools
import sys

import pytest

from diptych import studies


@functools.cache
def answer(name):
    """Run a study without matplotlib, which it may need to draw alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "matplotlib", None)
        return studies.STUDIES[name]()
