"""The counter-based random words of both panels against published output, and each other."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diptych import testing

PUBLISHED = json.loads((Path(__file__).parents[1] / "oracles" / "splitmix64.json").read_text())["sequences"]
WORD = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize("sequence", PUBLISHED, ids=lambda sequence: sequence["seed"])
def test_stream_0_is_the_published_sequence(panel, sequence):
    expected = [int(word) for word in sequence["words"]]
    assert panel.rng.splitmix64(int(sequence["seed"]), 0, 0, len(expected)).tolist() == expected


def test_laws(panel):
    report = testing.check(panel.rng.splitmix64, "rng.splitmix64", examples=200, strict=True)
    assert report.passed, str(report)


@given(seed=WORD, stream=WORD, start=WORD, count=st.integers(0, 40))
def test_panels_agree(both_panels, seed, stream, start, count):
    reference, rust = (panel.rng.splitmix64(seed, stream, start, count) for panel in both_panels)
    assert reference.dtype == rust.dtype == np.uint64
    np.testing.assert_array_equal(reference, rust)
