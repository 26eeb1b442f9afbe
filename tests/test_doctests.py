"""Every example in the README and in a docstring prints what it says it prints."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import diptych

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(diptych.__path__, "diptych.")
    if module.name
    not in ("diptych.__main__", "diptych._rust")  # one runs, the other's docs are in its callers
)


@pytest.mark.parametrize("name", ["diptych", *MODULES])
def test_docstrings(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_readme():
    found = doctest.testfile(str(Path(__file__).parents[1] / "README.md"), module_relative=False)
    assert found.attempted > 0
    assert found.failed == 0


def test_networks_page():
    pytest.importorskip("safetensors", reason="the package safetensors, of the extra `nn`, is not installed")
    found = doctest.testfile(str(Path(__file__).parents[1] / "docs/api/nn.rst"), module_relative=False)
    assert found.attempted >= 15
    assert found.failed == 0


def test_the_public_entry_points_have_examples():
    finder = doctest.DocTestFinder(recurse=False)
    for function in (
        diptych.kernels.clustering.dbscan,
        diptych.kernels.clustering.k_distances,
        diptych.kernels.metapath.commuting_matrix,
        diptych.kernels.metapath.pathsim,
        diptych.kernels.metapath.pathsim_top_k,
        diptych.kernels.metapath.pathsim_pairs,
        diptych.DBSCAN,
        diptych.DeepWalk,
        diptych.Node2Vec,
        diptych.HeteroGraph,
        diptych.PathSim,
        diptych.SlotTagger,
    ):
        assert any(test.examples for test in finder.find(function)), function
