"""`diptych.testing`: right implementations pass, wrong ones are caught, and what is reported can be used."""

import functools
import json
import os
import subprocess
import sys
import time

import mutants_attention
import mutants_clustering
import mutants_groups
import mutants_metapath
import mutants_queries
import mutants_recurrent
import mutants_recurrent_back
import mutants_skipgram
import mutants_walks
import numpy as np
import pytest
from textbook import Distances, Predict, Textbook, Words

from diptych import reference, testing
from diptych.testing._engine import Subject, try_law

MUTANTS = [
    *mutants_clustering.MUTANTS,
    *mutants_queries.MUTANTS,
    *mutants_walks.MUTANTS,
    *mutants_skipgram.MUTANTS,
    *mutants_groups.MUTANTS,
    *mutants_metapath.MUTANTS,
    *mutants_recurrent.MUTANTS,
    *mutants_recurrent_back.MUTANTS,
    *mutants_attention.MUTANTS,
]
WALKERS = [mutants_walks.Table, mutants_walks.Draws, mutants_walks.Walker]
FAMILIES = (
    mutants_skipgram,
    mutants_groups,
    mutants_metapath,
    mutants_recurrent,
    mutants_recurrent_back,
    mutants_attention,
)
RIGHT = [
    Textbook,
    Distances,
    Predict,
    Words,
    *WALKERS,
    *(kind for family in FAMILIES for kind in family.RIGHT),
]


@functools.cache
def result(mutant, law):
    """Try one law on a mutant. Its cases are those of a check: they do not depend on the other laws."""
    subject = Subject(mutant(), law.family)
    return try_law(law, subject, seed=0, count=20, strict=mutant.strict, small=False)


@pytest.mark.parametrize("right", RIGHT, ids=lambda kind: kind.__name__)
def test_the_textbook_passes(right):
    report = testing.check(right(), right.family, strict=True, timeout=60.0)
    assert report.passed, str(report)
    assert report.first_failure is None
    assert {law.status for law in report.laws} == {"holds"}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda kind: kind.__name__)
def test_a_mutant_is_caught(mutant):
    law = next(law for law in testing.laws(mutant.family) if law.name == mutant.breaks)
    assert result(mutant, law).status == "broken"
    if mutant.strict:  # the mathematics is right: only rounding differs
        assert testing.check(mutant(), mutant.family, examples=10).passed


@pytest.mark.parametrize(
    "law", [law for name in testing.names() for law in testing.laws(name)], ids=lambda law: law.name
)
def test_every_law_is_broken_by_a_mutant(law):
    mutants = [mutant for mutant in MUTANTS if mutant.family == law.family.name]
    mutants.sort(key=lambda mutant: mutant.breaks != law.name)  # those meant for it first
    assert any(result(mutant, law).status == "broken" for mutant in mutants)


@pytest.mark.parametrize("family", testing.names())
def test_a_check_reports_every_broken_law_and_shows_the_first(family):
    mutant = next(mutant for mutant in MUTANTS if mutant.family == family)
    report = testing.check(mutant(), family, strict=mutant.strict, examples=20)
    assert not report.passed
    broken = [law.name for law in report.laws if law.status == "broken"]
    assert broken == [law.name for law in testing.laws(family) if result(mutant, law).status == "broken"]
    assert mutant.breaks in broken
    assert report.first_failure.law == broken[0]


def norms(X, eps, *, min_samples):
    """A student's DBSCAN: square roots, recursion, plain lists, labels alone."""
    near = [np.flatnonzero(np.linalg.norm(X - x, axis=1) <= eps) for x in X]
    labels, cluster = [-1] * len(X), 0

    def visit(i):
        labels[i] = cluster
        if len(near[i]) >= min_samples:
            for j in near[i]:
                if labels[j] == -1:
                    visit(j)

    for i in range(len(X)):
        if labels[i] == -1 and len(near[i]) >= min_samples:
            visit(i)
            cluster += 1
    return labels


def test_labels_alone_will_do():
    report = testing.check(norms, "clustering.dbscan")
    assert report.passed, str(report)
    untried = {law.detail for law in report.laws if law.status == "not tried"}
    assert "no sample_weight parameter" in untried
    assert "no metric parameter" in untried


def test_parameters_may_have_other_names():
    def dbscan(points, radius, enough):
        return norms(points, radius, min_samples=enough)

    assert testing.check(dbscan, "clustering.dbscan", examples=5).passed


def strictly(X, eps, *, min_samples):
    return norms(X, np.nextafter(eps, 0), min_samples=min_samples)


def test_the_input_is_small_and_can_be_pasted():
    report = testing.check(strictly, "clustering.dbscan")
    failure = report.first_failure
    assert failure.law == "the distance eps counts"
    assert failure.case["X"].shape == (2, 1)
    names = {"strictly": strictly}
    exec(failure.code.replace("\nstrictly(", "\nresult = strictly("), names)
    assert names["result"] != reference.clustering.dbscan(**failure.case)[1].tolist()
    assert failure.code in str(report).replace("\n    ", "\n")


def test_random_inputs_are_shrunk():
    class Slack(Textbook):
        def core(self, near, weight, min_samples):
            return super().core(near, weight, min_samples) & (near.sum(axis=1) != 3)

    case = testing.check(Slack(), "clustering.dbscan").first_failure.case
    assert case["X"].size <= 3


def test_reports_depend_on_the_seed_alone():
    def first(seed):
        return str(
            testing.check(mutants_clustering.BorderToLast(), "clustering.dbscan", seed=seed, examples=10)
        )

    assert first(3) == first(3)


def test_an_exception_is_a_failure_with_its_input():
    def raises(X, eps, *, min_samples):
        return X[99]

    failure = testing.check(raises, "clustering.dbscan").first_failure
    assert "IndexError" in failure.explanation
    assert failure.case["X"].shape == (1, 1)


def test_a_call_that_never_returns_is_a_failure():
    def waits(X, eps, *, min_samples):
        while len(X) > 2:
            time.sleep(0.001)
        return norms(X, eps, min_samples=min_samples)

    started = time.perf_counter()
    report = testing.check(waits, "clustering.dbscan", timeout=0.5)
    assert time.perf_counter() - started < 10
    assert "did not return within 0.5 s" in report.first_failure.explanation
    assert report.first_failure.hang
    assert "an earlier call did not return" in str(report)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (None, "expected one row of integers"),
        (np.zeros(3, dtype=int), "3 labels for"),
        ([0.5], "expected one row of integers"),
        ((np.array([5]), np.array([0])), "not distinct rows"),
        ([-2], "label -2"),
    ],
)
def test_an_answer_of_the_wrong_form_is_a_failure(answer, complaint):
    report = testing.check(lambda X, eps, *, min_samples: answer, "clustering.dbscan", examples=3)
    assert not report.passed
    assert any(complaint in law.detail for law in report.laws), str(report)


def test_a_metric_may_be_left_out():
    def euclidean_only(X, eps, *, min_samples, metric="euclidean"):
        if metric != "euclidean":
            raise NotImplementedError(metric)
        return norms(X, eps, min_samples=min_samples)

    report = testing.check(euclidean_only, "clustering.dbscan", examples=10)
    assert report.passed, str(report)
    status = {law.name: law.status for law in report.laws}
    assert status["manhattan distances add up"] == "not tried"


def test_a_weighted_mutant_is_shown_with_its_weights():
    failure = testing.check(mutants_clustering.IgnoresWeights(), "clustering.dbscan").first_failure
    assert "sample_weight=sample_weight" in failure.code
    names = {"IgnoresWeights": mutants_clustering.IgnoresWeights()}
    exec(failure.code, names)


def test_a_sparse_input_can_be_pasted():
    failure = testing.check(mutants_clustering.DropsStoredZeros(), "clustering.dbscan").first_failure
    assert "scipy.sparse.csr_array(" in failure.code
    exec(failure.code, {"DropsStoredZeros": mutants_clustering.DropsStoredZeros()})


def test_as_dict_is_json():
    report = testing.check(strictly, "clustering.dbscan", examples=5)
    plain = json.loads(json.dumps(report.as_dict()))
    assert plain["passed"] is False
    assert plain["first_failure"]["law"] == "the distance eps counts"


def test_a_law_can_be_called_by_itself():
    law = next(law for law in testing.laws("clustering.dbscan") if law.name == "the distance eps counts")
    case = {"X": np.array([[0.0], [1.0]]), "eps": 1.0, "min_samples": 2}
    law(reference.clustering.dbscan, case)
    with pytest.raises(testing.LawBroken, match="expected labels"):
        law(strictly, case)


def test_unknown_names_say_what_there_is():
    with pytest.raises(ValueError, match=r"name='clustering.dbskan': there are laws for clustering.dbscan"):
        testing.check(norms, "clustering.dbskan")


@pytest.mark.parametrize("name", testing.names())
def test_an_exercise_is_a_file_to_fill_in(name):
    text = testing.exercise(name)
    assert f"diptych check {name} " in text
    names = {}
    exec(text, names)
    function = names[name.partition(".")[2]]
    report = testing.check(function, name)
    assert not report.passed
    assert "NotImplementedError: write me" in report.first_failure.explanation
    assert function.__doc__.count("?") >= 2  # hints are questions
    assert all(len(line) <= 110 for line in text.splitlines())


def test_the_laws_need_numpy_alone():
    code = (
        "import sys\n"
        "from diptych import reference, testing\n"
        "report = testing.check(lambda X, eps, *, min_samples: "
        "reference.clustering.dbscan(X, eps, min_samples=min_samples), 'clustering.dbscan', examples=3)\n"
        "assert report.passed, report\n"
        "print(sorted({'scipy', 'sklearn', 'hypothesis', 'diptych._rust'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=True
    )
    assert done.stdout.strip() == "[]"
