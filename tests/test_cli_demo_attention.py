"""The demo's row of attention: what it compares, and that it says what a table of followers would say."""

from __future__ import annotations

import collections
import json
import re

import numpy as np

from diptych import datasets
from diptych.cli import _demo_attention, demo, main
from diptych.reference import attention


def run(capsys, *words):
    code = main([str(word) for word in words])
    return code, *capsys.readouterr()


def test_demo_has_a_row_of_every_family():
    homes = {job.__module__.rpartition("_")[2] for job in demo.JOBS}
    assert homes == {"clustering", "embedding", "metapath", "recurrent", "attention"}  # embedding: two


def test_demo_compares_attention_to_a_tolerance(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(_demo_attention, "WORDS", 300)
    monkeypatch.setattr(demo, "JOBS", (_demo_attention.next_words,))
    code, out, _ = run(capsys, "demo", "-o", tmp_path / "demo.png")
    assert code == 0
    assert "within 1e-12" in out
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")
    attend = attention.scaled_dot_product_attention

    def off_by_little(*args, **kwargs):
        return attend(*args, **kwargs) + 1e-11

    monkeypatch.setattr(attention, "scaled_dot_product_attention", off_by_little)
    code, out, _ = run(capsys, "demo", "--json")
    assert code == 1
    (row,) = json.loads(out)["rows"]
    assert (row["equal"], row["tolerance"]) == (False, 1e-12)


def test_the_demo_s_attention_is_a_table_of_what_followed():
    """Where a word was followed by another twice as often as by any, attention says that one."""
    row = _demo_attention.next_words()
    text = re.findall(r"[a-z]+", datasets.load_king_james().lower())[: _demo_attention.WORDS]
    words = np.unique(text)
    vectors = np.random.default_rng(0).normal(size=(len(words), _demo_attention.D))
    said = words[(row.panels.answer[0] @ vectors.T).argmax(axis=1)]
    followers = collections.defaultdict(collections.Counter)
    clear = []
    for i in range(len(text) - 2):
        followers[text[i]][text[i + 1]] += 1
        (first, count), *others = followers[text[i + 1]].most_common(2) or [("", 0)]
        if count >= 2 and (not others or count >= 2 * others[0][1]):
            clear.append(said[i] == first)
    assert len(clear) > 300
    assert np.mean(clear) > 0.98
    assert row.result == f"{np.mean(said == text[2:]):.1%} of next words are right"
