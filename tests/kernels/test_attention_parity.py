"""Rust equals the reference up to rounding; and itself, bit for bit, by query, head, thread and SIMD."""

from pathlib import Path

import attending
import numpy as np
import pytest
from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st
from simd_paths import available_paths

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
KINDS = pytest.mark.parametrize("kind", attending.MASKS)
# Blocks: 64 queries, 128 keys, spans of 1,024 keys, tiles of 5 rows, panels of 64, 32 or 16 numbers.
SIZES = [1, 2, 3, 5, 15, 16, 17, 31, 33, 63, 64, 65, 127, 128, 129, 193, 257]
WIDTHS = [1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 129]

# Errors are measured by the greatest entry that a sum of such numbers could have: outputs are means of
# values, derivatives sums over queries or keys of products of two or three numbers.
ROUNDING = {np.float32: 4e-6, np.float64: 1e-14}


def size(*arrays):
    return np.prod([np.abs(a).max() for a in arrays])


def agree(both_panels, given, dtype, **options):
    """Go there and back in both panels, the reference in float64."""
    reference, rust = both_panels
    L, S = given[0].shape[-2], given[1].shape[-2]
    mask = options.get("attn_mask")
    d_output = attending.draw((*given[0].shape[:-1], given[2].shape[-1]), dtype=dtype, seed=3)[0]
    found, by = attending.there_and_back(rust, given, d_output, n_jobs=2, **options)
    wide = mask if mask is None or mask.dtype == bool else mask.astype(np.float64)
    with np.errstate(all="ignore"):  # a row that sees nothing
        expected, by_expected = attending.there_and_back(
            reference,
            attending.widened(given),
            d_output.astype(np.float64),
            **(options | {"attn_mask": wide}),
        )
    q, k, v = given
    room = ROUNDING[dtype]
    assert found.dtype == dtype
    assert np.abs(found - expected).max() <= room * size(v)
    slope = size(d_output, v) * v.shape[-1] ** 0.5
    for name, a, b, scale in (
        ("query", by.query, by_expected.query, slope * size(k) * S**0.5),
        ("key", by.key, by_expected.key, slope * size(q) * L**0.5),
        ("value", by.value, by_expected.value, size(d_output) * L**0.5),
    ):
        assert a.dtype == dtype
        assert np.abs(a - b).max() <= room * scale, name
    return found, by


@st.composite
def cases(draw):
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    lead = draw(st.sampled_from([(), (1,), (3,), (2, 2)]))
    L, S = draw(st.sampled_from(SIZES)), draw(st.sampled_from(SIZES))
    d, v = draw(st.sampled_from(WIDTHS)), draw(st.sampled_from(WIDTHS))
    options, key_heads = {"is_causal": draw(st.booleans())}, None
    if draw(st.booleans()):
        options["scale"] = draw(st.floats(-0.5, 0.5))
    if lead and draw(st.booleans()):
        key_heads, lead = lead[-1], (*lead[:-1], lead[-1] * draw(st.integers(2, 3)))
        options["enable_gqa"] = True
    seed = draw(st.integers(0, 2**16))
    kind = draw(st.sampled_from(attending.MASKS))
    if kind != "none":
        full = (*lead, L, S)
        cut = draw(st.integers(0, len(full) - 1))
        shape = [n if draw(st.booleans()) else 1 for n in full[cut:]]
        share = draw(st.sampled_from([0.02, 0.5, 0.98, 1.0]))
        options["attn_mask"] = attending.mask(kind, *shape, dtype=dtype, seed=seed, share=share)
    given = attending.heads(lead, L, S, d, v, key_heads=key_heads, dtype=dtype, seed=seed)
    return dtype, given, options


@settings(max_examples=150)
@over(cases())
def test_there_and_back(both_panels, case):
    dtype, given, options = case
    agree(both_panels, given, dtype, **options)


@DTYPES
@KINDS
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("S", [1, 15, 16, 17, 127, 128, 129, 385, 1023, 1024, 1025, 2100])
def test_keys_about_every_block(both_panels, S, causal, kind, dtype):
    for L in (3, 70):
        given = attending.heads((2,), L, S, 9, 5, dtype=dtype)
        mask = attending.mask(kind, L, S, dtype=dtype)
        agree(both_panels, given, dtype, attn_mask=mask, is_causal=causal)


@DTYPES
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("L", [1, 2, 4, 5, 6, 63, 64, 65, 127, 128, 129, 193, 1100])
def test_queries_about_every_block(both_panels, L, causal, dtype):
    agree(both_panels, attending.heads((2,), L, 150, 9, 5, dtype=dtype), dtype, is_causal=causal)


@DTYPES
@pytest.mark.parametrize("d", [1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 129, 300])
def test_widths_about_every_panel(both_panels, d, dtype):
    agree(both_panels, attending.heads((2,), 70, 150, d, 7, dtype=dtype), dtype)
    agree(both_panels, attending.heads((2,), 70, 150, 7, d, dtype=dtype), dtype)


@DTYPES
@pytest.mark.parametrize("L", [1, 11, 100])
def test_grouped_heads(both_panels, L, dtype):
    given = attending.heads((2, 6), L, 140, 9, 5, key_heads=2, dtype=dtype)
    mask = attending.mask("boolean", 6, L, 140)
    found, _ = agree(both_panels, given, dtype, enable_gqa=True, attn_mask=mask)
    repeated = [given[0], *(np.repeat(a, 3, axis=1) for a in given[1:])]
    np.testing.assert_array_equal(attending.attend(both_panels[1], repeated, attn_mask=mask), found)


@DTYPES
@KINDS
def test_weights(both_panels, kind, dtype):
    reference, rust = both_panels
    for L, S in ((1, 1), (3, 1100), (70, 130)):
        given = attending.heads((2, 2), L, S, 9, 5, dtype=dtype)
        for causal in (False, True):
            options = {"attn_mask": attending.mask(kind, L, S, dtype=dtype), "is_causal": causal}
            output, weights = attending.attend(rust, given, return_weights=True, **options)
            np.testing.assert_array_equal(output, attending.attend(rust, given, **options))
            with np.errstate(all="ignore"):
                _, expected = attending.attend(reference, given, return_weights=True, **options)
            assert weights.dtype == dtype
            np.testing.assert_allclose(weights, expected, rtol=1e2 * ROUNDING[dtype], atol=1e-30)
            sums = weights.sum(axis=-1)
            assert (np.isclose(sums, 1, rtol=1e-5) | (sums == 0)).all()


# Bit for bit --------------------------------------------------------------------------------------


def same(found, expected, what=""):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b, err_msg=what, strict=True)


SHAPES = {
    "small": ((2,), 3, 5, 4, 6, None),
    "many queries": ((2, 3), 150, 300, 17, 9, None),
    "one head": ((), 300, 1300, 20, 33, None),
    "few queries": ((3,), 2, 5000, 16, 8, None),
    "grouped": ((2, 6), 70, 600, 33, 17, 2),
    "grouped, few queries": ((1, 8), 3, 3000, 64, 64, 2),
}


def shaped(name, dtype, kind):
    lead, L, S, d, v, key_heads = SHAPES[name]
    given = attending.heads(lead, L, S, d, v, key_heads=key_heads, dtype=dtype)
    mask = attending.mask(kind, L, S, dtype=dtype)
    d_output = attending.draw((*lead, L, v), dtype=dtype, seed=5)[0]
    return given, d_output, {"attn_mask": mask, "enable_gqa": True}


@DTYPES
@KINDS
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", SHAPES)
def test_threads_make_no_difference(both_panels, name, causal, kind, dtype):
    rust = both_panels[1]
    given, d_output, options = shaped(name, dtype, kind)
    runs = []
    for n_jobs in (1, 2, 3):
        output, by = attending.there_and_back(
            rust, given, d_output, n_jobs=n_jobs, is_causal=causal, **options
        )
        runs.append((output, *by))
    same(runs[1], runs[0])
    same(runs[2], runs[0])


@DTYPES
@KINDS
@pytest.mark.parametrize("name", ["many queries", "one head", "few queries"])
def test_a_query_gives_what_it_gives_alone(both_panels, name, kind, dtype):
    rust = both_panels[1]
    given, _, options = shaped(name, dtype, kind)
    mask = options["attn_mask"]
    whole = attending.attend(rust, given, attn_mask=mask)
    for i in range(0, given[0].shape[-2], 37):
        row = None if mask is None else mask[[i]]
        alone = attending.attend(rust, [given[0][..., [i], :], *given[1:]], attn_mask=row)
        np.testing.assert_array_equal(alone, whole[..., [i], :], err_msg=f"{i}")


@DTYPES
def test_a_head_gives_what_it_gives_alone(both_panels, dtype):
    rust = both_panels[1]
    given, d_output, _ = shaped("many queries", dtype, "none")
    output, by = attending.there_and_back(rust, given, d_output, is_causal=True)
    for head in np.ndindex(2, 3):
        alone, by_alone = attending.there_and_back(
            rust, [a[head] for a in given], d_output[head], is_causal=True
        )
        same((alone, *by_alone), (output[head], *(part[head] for part in by)), f"{head}")


@DTYPES
def test_a_mask_of_true_or_0_changes_nothing(both_panels, dtype):
    rust = both_panels[1]
    given, d_output, _ = shaped("many queries", dtype, "none")
    output, by = attending.there_and_back(rust, given, d_output)
    for mask in (np.ones((1, 1), bool), np.zeros((150, 300), dtype)):
        found, by_found = attending.there_and_back(rust, given, d_output, attn_mask=mask)
        same((found, *by_found), (output, *by))


@DTYPES
def test_causal_is_a_mask(both_panels, dtype):
    rust = both_panels[1]
    given, d_output, _ = shaped("many queries", dtype, "none")
    output, by = attending.there_and_back(rust, given, d_output, is_causal=True)
    found, by_found = attending.there_and_back(rust, given, d_output, attn_mask=np.tri(150, 300, dtype=bool))
    same((found, *by_found), (output, *by))


def test_instruction_sets_make_no_difference(run_python):
    code = (
        "import hashlib\n"
        "import numpy as np\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import attending\n"
        "from itertools import product\n"
        "from types import SimpleNamespace\n"
        "from diptych import _rust\n"
        "from diptych.kernels import attention\n"
        "panel, digest = SimpleNamespace(attention=attention), hashlib.sha256()\n"
        "for dtype in (np.float32, np.float64):\n"
        "    for lead, L, S, d, v in (\n"
        "        ((2,), 67, 141, 17, 33), ((4,), 3, 1100, 65, 7), ((1,), 1, 1, 1, 1),\n"
        # Widths with loops of their own; few queries, some that share the keys out, and many.
        "        *(((2,), L, S, 64, v) for L, S in ((1, 1300), (12, 300), (40, 1100), (67, 141)) for v in "
        "(64, 32, 16)),\n"
        "    ):\n"
        "        for kind, causal in product(attending.MASKS, (False, True)):\n"
        "            given = attending.heads(lead, L, S, d, v, key_heads=(lead[0] + 1) // 2, dtype=dtype)\n"
        "            options = {'attn_mask': attending.mask(kind, L, S, dtype=dtype)}\n"
        "            options |= {'is_causal': causal, 'enable_gqa': True}\n"
        "            d_output = attending.draw((*lead, L, v), dtype=dtype)[0]\n"
        "            output, by = attending.there_and_back(panel, given, d_output, **options)\n"
        "            given[2][..., 0, 0] = np.inf\n"
        "            strange = attending.attend(panel, given, return_weights=True, **options)\n"
        "            for part in (output, *by, *strange):\n"
        "                digest.update(np.nan_to_num(part + 0.0).tobytes())\n"
        "print(_rust.simd_path(), digest.hexdigest())\n"
    )
    found = dict(run_python(code, DIPTYCH_SIMD=named).split() for named in available_paths())
    assert list(found) == available_paths()
    assert len(set(found.values())) == 1, found
