"""Attention: the laws, three tokens by hand, what is hidden, the ends of the scale, on both panels."""

import attending
import numpy as np
import pytest

from diptych import testing

NAMES = [name.partition(".")[2] for name in testing.names() if name.startswith("attention.")]
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
nan, inf = float("nan"), float("inf")


@pytest.mark.parametrize("name", NAMES)
def test_laws(panel, name):
    function = getattr(panel.attention, name)
    report = testing.check(function, f"attention.{name}", seed=1, strict=True, timeout=60)
    assert report.passed, str(report)
    assert {law.status for law in report.laws} == {"holds"}, str(report)


def test_three_tokens_by_hand(panel):
    # Scores 0, log 2, log 3: exponentials 1, 2, 3.
    query = np.array([[1.0, 0.0]])
    key = np.array([[0.0, 5.0], [np.log(2), 7.0], [np.log(3), -1.0]])
    value = np.array([[6.0, 0.0], [0.0, 6.0], [12.0, 6.0]])
    output, weights = attending.attend(panel, (query, key, value), scale=1.0, return_weights=True)
    np.testing.assert_allclose(weights, [[1 / 6, 1 / 3, 1 / 2]], rtol=1e-15)
    np.testing.assert_allclose(output, [[7.0, 5.0]], rtol=1e-15)


@DTYPES
def test_results_are_owned_arrays(panel, dtype):
    given = attending.heads((2, 3), 4, 5, 6, 7, dtype=dtype)
    output, weights, tape = attending.attend(panel, given, return_weights=True, return_tape=True)
    by = attending.back(panel, tape, np.ones_like(output))
    arrays = [output, weights, tape.maximum, tape.total, *by]
    shapes = [(2, 3, 4, 7), (2, 3, 4, 5), (2, 3, 4), (2, 3, 4), *(a.shape for a in given)]
    assert [a.shape for a in arrays] == shapes
    assert {a.dtype for a in arrays} == {np.dtype(dtype)}
    assert all(a.flags.c_contiguous and a.flags.writeable for a in arrays)
    assert len({a.__array_interface__["data"][0] for a in arrays}) == len(arrays)  # none is another
    assert tape.output is output
    assert type(tape).__name__ == "AttentionTape"
    assert type(by).__name__ == "AttentionGradients"


@DTYPES
def test_what_is_returned_follows_what_is_asked_for(panel, dtype):
    given = attending.heads((2,), 3, 4, 5, 6, dtype=dtype)
    output = attending.attend(panel, given)
    assert isinstance(output, np.ndarray)
    with_weights = attending.attend(panel, given, return_weights=True)
    with_tape = attending.attend(panel, given, return_tape=True)
    assert (len(with_weights), len(with_tape)) == (2, 2)
    for other in (with_weights, with_tape):
        np.testing.assert_array_equal(other[0], output)


@DTYPES
def test_the_tape_makes_the_weights(panel, dtype):
    given = attending.heads((2,), 5, 200, 8, 3, dtype=dtype)
    options = {"attn_mask": attending.mask("additive", 5, 200, dtype=dtype), "is_causal": True}
    options["attn_mask"][:, 0] = 0.5
    _, weights, tape = attending.attend(panel, given, return_weights=True, return_tape=True, **options)
    scores = tape.scale * (given[0] @ given[1].mT) + options["attn_mask"]
    scores = np.where(np.tri(5, 200, dtype=bool), scores, -inf)
    expected = np.exp(scores - tape.maximum[..., None]) / tape.total[..., None]
    np.testing.assert_allclose(weights, expected, rtol=1e-5 if dtype == np.float32 else 1e-12, atol=1e-30)
    sums = tape.maximum + np.log(tape.total)
    np.testing.assert_allclose(sums, np.log(np.exp(scores).sum(axis=-1)), rtol=1e-5)


# What is hidden -----------------------------------------------------------------------------------


@DTYPES
@pytest.mark.parametrize("kind", ["boolean", "additive"])
@pytest.mark.parametrize("junk", [nan, inf, -inf, 1e30])
@pytest.mark.parametrize("S", [7, 129, 1100])
@np.errstate(all="ignore")
def test_what_a_mask_hides_has_no_influence(panel, S, junk, kind, dtype):
    given = attending.heads((2,), 6, S, 5, 4, dtype=dtype)
    part = np.random.default_rng(5).random((6, S)) < 0.5
    part[:, [1, S - 1]], part[:, 0] = False, True
    mask = part if kind == "boolean" else np.where(part, 0, -inf).astype(dtype)
    d_output = attending.draw((2, 6, 4), dtype=dtype)[0]
    expected, by_expected = attending.there_and_back(panel, given, d_output, attn_mask=mask)
    for which in (1, 2):
        given[which][:, [1, S - 1]] = junk
    found, by = attending.there_and_back(panel, given, d_output, attn_mask=mask)
    np.testing.assert_array_equal(found, expected)
    for a, b in zip(by, by_expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert not by.key[:, [1, S - 1]].any()


@DTYPES
@np.errstate(all="ignore")
def test_the_future_has_no_influence(panel, dtype):
    given = attending.heads((2,), 150, 150, 5, 4, dtype=dtype)
    expected = attending.attend(panel, given, is_causal=True)
    for which in (1, 2):
        given[which][:, 100:] = nan
    found = attending.attend(panel, given, is_causal=True)
    np.testing.assert_array_equal(found[:, :100], expected[:, :100])
    assert np.isnan(found[:, 100:]).all()


@DTYPES
@pytest.mark.parametrize("S", [5, 1100])
@np.errstate(all="ignore")
def test_who_sees_nothing_gets_zeros(panel, S, dtype):
    given = attending.heads((2,), 4, S, 3, 2, dtype=dtype)
    part = np.ones((4, S), bool)
    part[1] = False
    for mask in (part, np.where(part, 0, -inf).astype(dtype)):
        found, weights, tape = attending.attend(
            panel, given, attn_mask=mask, return_weights=True, return_tape=True
        )
        assert not found[:, 1].any()
        assert not weights[:, 1].any()
        assert not tape.maximum[:, 1].any()
        assert not tape.total[:, 1].any()
        assert found[:, [0, 2, 3]].all()
        by = attending.back(panel, tape, np.ones_like(found))
        assert not by.query[:, 1].any()
        assert all(np.isfinite(part).all() for part in by)


@DTYPES
@pytest.mark.parametrize("S", [5, 300])
@np.errstate(all="ignore")
def test_nan_that_is_seen_spreads_as_far_as_it_should(panel, S, dtype):
    given = attending.heads((), 4, S, 3, 2, dtype=dtype)
    clean = attending.attend(panel, given)
    for which, place in ((0, (1, 2)), (1, (S - 1, 0)), (2, (2, 1))):
        spoilt = [a.copy() for a in given]
        spoilt[which][place] = nan
        expected = clean.copy()
        expected[{0: (1, slice(None)), 1: slice(None), 2: (slice(None), 1)}[which]] = nan
        found = attending.attend(panel, spoilt)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        np.testing.assert_allclose(found[~np.isnan(found)], clean[~np.isnan(found)], rtol=1e-5)
    # Where a mask lets one query alone see it, only that is spoilt.
    mask = np.ones((4, S), bool)
    mask[[0, 1, 3], 2] = False
    for which, columns in ((1, [0, 1]), (2, [1])):
        spoilt = [a.copy() for a in given]
        spoilt[which][2, 1] = nan
        found = attending.attend(panel, spoilt, attn_mask=mask)
        assert np.isnan(found[2, columns]).all()
        assert np.isfinite(np.delete(found, 2, axis=0)).all()


@DTYPES
@pytest.mark.parametrize("S", [7, 300])
@np.errstate(all="ignore")
def test_a_strange_query_leaves_alone_what_it_does_not_see(panel, S, dtype):
    given = attending.heads((), 3, S, 5, 4, dtype=dtype)
    part = np.arange(S) % 2 == 0
    given[0][1, 0] = nan
    output, weights, tape = attending.attend(
        panel, given, attn_mask=part, return_weights=True, return_tape=True
    )
    assert np.isnan(output[1]).all()
    assert np.isnan(weights[1, part]).all()
    assert not weights[:, ~part].any()
    by = attending.back(panel, tape, np.ones_like(output))
    assert not by.key[~part].any()
    assert not by.value[~part].any()
    assert np.isnan(by.value[part]).all()


@DTYPES
@pytest.mark.parametrize("S", [7, 300])
def test_infinity_that_is_seen_beside_nan_that_is_not(panel, S, dtype):
    given = attending.heads((), 3, S, 5, 4, dtype=dtype)
    given[2][1, 0], given[2][S - 1, 0] = nan, inf
    output = attending.attend(panel, given, attn_mask=np.arange(S) != 1)
    assert (output[:, 0] == inf).all()
    assert np.isfinite(output[:, 1:]).all()


# The ends of the scale ----------------------------------------------------------------------------


@DTYPES
@pytest.mark.parametrize("size", [1e4, 1e15])
def test_huge_scores_pick_one_key(panel, dtype, size):
    given = attending.heads((2,), 6, 300, 4, 3, dtype=dtype)
    given[0] *= dtype(size)
    best = (given[0].astype(np.float64) @ given[1].astype(np.float64).mT).argmax(axis=-1)
    output, tape = attending.attend(panel, given, return_tape=True)
    np.testing.assert_allclose(output, np.take_along_axis(given[2], best[..., None], axis=1), rtol=1e-3)
    assert all(np.isfinite(part).all() for part in attending.back(panel, tape, output))


@DTYPES
def test_a_constant_added_to_all_scores_changes_nothing(panel, dtype):
    given = attending.heads((2,), 6, 300, 4, 3, dtype=dtype)
    expected = attending.attend(panel, given)
    for constant in (-1000.0, 1000.0):
        found = attending.attend(panel, given, attn_mask=np.full((1, 1), constant, dtype))
        # Each score is rounded as a number about 1,000 is, its weight by that share of itself.
        room = np.spacing(dtype(1000)) * np.abs(given[2]).max()
        np.testing.assert_allclose(found, expected, rtol=0, atol=room)


@np.errstate(all="ignore")
def test_scores_that_overflow(panel):
    big = np.float32(3e38)
    query, value = np.full((1, 2), big), np.array([[1.0], [2.0]], np.float32)
    assert np.isnan(attending.attend(panel, (query, np.full((2, 2), big), value))).all()
    key = np.array([[-big, -big], [0, 0]], np.float32)
    np.testing.assert_array_equal(attending.attend(panel, (query, key, value)), [[2.0]])


# Layouts ------------------------------------------------------------------------------------------


@DTYPES
def test_strange_layouts_are_read_right(panel, dtype):
    given = attending.heads((2, 3), 4, 5, 6, 7, dtype=dtype)
    expected = attending.attend(panel, given)
    layouts = {
        "Fortran order": np.asfortranarray,
        "a view": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
        "heads last": lambda a: a.swapaxes(1, 2).copy().swapaxes(1, 2),
        "backwards": lambda a: a[::-1].copy()[::-1],
        "other bytes": lambda a: a.astype(a.dtype.newbyteorder(">")),
        "read only": lambda a: np.broadcast_to(a, a.shape),
    }
    for layout, change in layouts.items():
        found = attending.attend(panel, [change(a) for a in given])
        np.testing.assert_allclose(found, expected, rtol=1e-5, err_msg=layout)


@DTYPES
@pytest.mark.parametrize("kind", ["boolean", "additive"])
@pytest.mark.parametrize(
    "shape", [(5,), (1, 5), (4, 1), (4, 5), (3, 1, 1), (3, 4, 5), (2, 1, 1, 5), (2, 3, 4, 5)]
)
def test_masks_broadcast_and_have_any_strides(panel, shape, kind, dtype):
    given = attending.heads((2, 3), 4, 5, 6, 7, dtype=dtype)
    mask = attending.mask(kind, *shape, dtype=dtype)
    full = np.broadcast_to(mask, (2, 3, 4, 5)).copy()
    expected = attending.attend(panel, given, attn_mask=full)
    layouts = {
        "as it is": lambda a: a,
        "Fortran order": np.asfortranarray,
        "a view": lambda a: np.repeat(a, 3, axis=-1)[..., ::3],
        "backwards": lambda a: a[..., ::-1].copy()[..., ::-1],
        "read only": lambda a: np.broadcast_to(a, (3, 4, 5)) if a.ndim < 3 else a,
        "other bytes": lambda a: a if a.dtype == bool else a.astype(a.dtype.newbyteorder(">")),
        "a field": lambda a: np.rec.fromarrays([a, a], names="first,second")["second"],
        "a list": lambda a: a.tolist(),
    }
    for layout, change in layouts.items():
        found = attending.attend(panel, given, attn_mask=change(mask))
        np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=layout)


@pytest.mark.parametrize("step", [1, 2])
@pytest.mark.parametrize("L", [3, 70])
def test_any_byte_but_0_is_true(panel, L, step):
    """As NumPy has it: views of bytes may hold more than 0 and 1."""
    given = attending.heads((2,), L, 300, 5, 4)
    part = np.random.default_rng(0).integers(0, 256, (L, 300 * step), np.uint8)[:, ::step]
    part[part < 60] = 0
    found, weights = attending.attend(panel, given, attn_mask=part.view(bool), return_weights=True)
    np.testing.assert_array_equal(weights > 0, np.broadcast_to(part != 0, weights.shape))
    np.testing.assert_array_equal(found, attending.attend(panel, given, attn_mask=part != 0))


def test_arguments_are_not_changed(panel):
    given = attending.heads((2,), 4, 5, 3, 3)
    mask = attending.mask("additive", 4, 5)
    copies = [a.copy() for a in (*given, mask)]
    output, tape = attending.attend(panel, given, attn_mask=mask, return_tape=True)
    before = output.copy()
    attending.back(panel, tape, np.ones_like(output))
    for a, b in zip((*given, mask, output), (*copies, before), strict=True):
        np.testing.assert_array_equal(a, b)


def test_lists_are_float64(panel):
    query, key, value = [[1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]], [[1], [2]]
    found = panel.attention.scaled_dot_product_attention(query, key, value)
    assert found.dtype == np.float64
    assert found.item() == pytest.approx(1 + 1 / (1 + np.exp(-1 / np.sqrt(2))), rel=1e-15)


@DTYPES
def test_sums_of_values_may_overflow_where_means_do_not(both_panels, dtype):
    """As the Notes of the kernel say, which divides the sum of S values; the reference divides first."""
    most = np.finfo(dtype).max
    arrays = [np.ones((1, 2), dtype), np.ones((3, 2), dtype)]
    reference, rust = (
        [
            attending.attend(panel, [*arrays, np.full((3, 1), most * dtype(part))]).item()
            for part in (0.9, 0.3)
        ]
        for panel in both_panels
    )
    assert rust == [inf, pytest.approx(float(0.3 * most))]
    assert reference == [pytest.approx(float(part * most)) for part in (0.9, 0.3)]
