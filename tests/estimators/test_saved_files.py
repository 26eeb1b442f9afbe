"""Saving and loading: a round trip, and files that lie."""

import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import diptych
from diptych import DBSCAN, CharacterModel, SlotTagger
from diptych.io import read_archive, write_archive

X = np.random.default_rng(0).normal(size=(80, 3))


def round_trip(model, path):
    model.save(path)
    return diptych.load(path)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"backend": "reference"},
        {"eps": np.float32(0.7), "min_samples": np.int64(3), "metric": "minkowski", "p": np.inf, "n_jobs": 2},
        {"metric": "minkowski", "metric_params": {"w": [1.0, 2.0, 3.0]}},
        {"metric": "minkowski", "metric_params": {"p": 3}},
        {"metric": "mahalanobis"},
        {"eps": 1e-3},
    ],
    ids=str,
)
def test_round_trip(tmp_path, parameters):
    model = DBSCAN(**{"eps": 0.8, **parameters}).fit(X)
    again = round_trip(model, tmp_path / "model.npz")
    for name in ("labels_", "core_sample_indices_", "components_", "n_features_in_"):
        np.testing.assert_array_equal(getattr(again, name), getattr(model, name))
    assert again.components_.dtype == model.components_.dtype
    assert again.get_params()["eps"] == model.eps
    np.testing.assert_array_equal(again.predict(X + 0.1), model.predict(X + 0.1))
    assert [path.name for path in tmp_path.iterdir()] == ["model.npz"]


COUNTS = {
    "embedding_dim": 100,
    "hidden_size": 100,
    "epochs": 2,
    "batch_size": 3,
    "random_state": 5,
    "n_jobs": 1,
}
SHARES = {"dropout": 0.25, "learning_rate": 0.0625}
LEARNERS = {
    "slots": (
        SlotTagger,
        COUNTS | {"patience": 3},
        SHARES | {"validation_share": 0.25},
        ([["leave", "rome"], ["hello"]] * 50, [["O", "B-from"], ["O"]] * 50),
    ),
    "characters": (
        CharacterModel,
        COUNTS | {"sequence_length": 100, "num_layers": 2},
        SHARES | {"min_learning_rate": 0.03125, "clip_norm": 0.5},
        ("to be or not to be " * 40,),
    ),
}


@pytest.mark.parametrize("case", LEARNERS)
@pytest.mark.parametrize(
    ("whole", "real"), [(np.int8, np.float16), (np.int64, np.float32), (np.uint64, np.float64)]
)
def test_numbers_of_numpy_are_as_good(tmp_path, case, whole, real):
    kind, counts, shares, given = LEARNERS[case]
    defaults = kind().get_params().items()
    numbers = {
        name for name, value in defaults if isinstance(value, int | float) and not isinstance(value, bool)
    }
    assert set(counts | shares) == numbers | {"random_state", "n_jobs"}
    options = {name: whole(value) for name, value in counts.items()}
    options |= {name: real(value) for name, value in shares.items()}
    flags = {name: np.bool(value) for name, value in defaults if isinstance(value, bool)}
    plain, model = kind(**counts | shares).fit(*given), kind(**options | flags).fit(*given)
    again = round_trip(model, tmp_path / "model.npz")
    for name in ("losses_", "validation_scores_"):
        if hasattr(plain, name):
            np.testing.assert_array_equal(getattr(model, name), getattr(plain, name))
            np.testing.assert_array_equal(getattr(again, name), getattr(plain, name))
    assert again.get_params() == plain.get_params()
    assert {type(value) for value in again.get_params().values()} <= {int, float, bool, str}


def test_round_trip_of_sparse_rows_and_names(tmp_path):
    rows = sparse.csr_array(np.round(X))
    model = DBSCAN(eps=1.0, min_samples=2).fit(rows)
    again = round_trip(model, tmp_path / "sparse.npz")
    np.testing.assert_array_equal(again.predict(rows), model.predict(rows))
    named = DBSCAN().fit(pd.DataFrame(X, columns=["a", "b", "ü"]))
    assert round_trip(named, tmp_path / "named.npz").feature_names_in_.tolist() == ["a", "b", "ü"]


def test_functions_are_not_saved(tmp_path):
    model = DBSCAN(metric=lambda x, y: abs(x - y).sum()).fit(X)
    with pytest.raises(ValueError, match="cannot be saved without pickle"):
        model.save(tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    DBSCAN().fit(X).save(path)
    before = path.read_bytes()

    def full_disk(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(np, "savez", full_disk)
    with pytest.raises(OSError, match="No space"):
        DBSCAN(eps=2.0).fit(X).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_saved_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        diptych.load(tmp_path / "absent.npz")
    with pytest.raises(ValueError, match="not a regular file"):
        diptych.load(tmp_path)
    path = tmp_path / "text.npz"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="not a file saved by diptych"):
        diptych.load(path)
    for ending, hint in [(".txt", True), (".vec", True), (".bin", False)]:
        path.with_suffix(ending).write_text("1 2\na 0.5 1\n")
        with pytest.raises(ValueError, match="not a file saved by diptych") as refused:
            diptych.load(path.with_suffix(ending))
        assert ("diptych.io.read_word2vec" in str(refused.value)) == hint
    for arrays, reason in [
        ({"labels": np.arange(3)}, "it has no header"),
        ({"header": np.arange(3.0)}, "its header is not JSON"),
    ]:
        np.savez(path, **arrays)
        with pytest.raises(ValueError, match=f"is not a file saved by diptych, or is damaged: {reason}$"):
            diptych.load(path)


def test_every_truncation_and_flipped_byte_is_survived(tmp_path):
    path = tmp_path / "model.npz"
    DBSCAN(eps=0.9).fit(X[:10]).save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    damaged = [whole[:length] for length in range(0, len(whole), 41)]
    for at in rng.integers(0, len(whole), 300):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << rng.integers(8)
        damaged.append(bytes(flipped))
    for content in damaged:
        path.write_bytes(content)
        try:
            model = diptych.load(path)
        except ValueError:
            continue
        assert model.labels_.shape == (10,)


def lying_member(claimed_shape):
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<i8", "fortran_order": False, "shape": claimed_shape}
    )
    return buffer.getvalue() + bytes(8 * 3)


def saved_members(path):
    DBSCAN().fit(X).save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize(
    ("labels", "compression", "message"),
    [
        (lying_member((2**60,)), zipfile.ZIP_STORED, "which is not what it holds"),
        (lying_member((2**40, 2**40)), zipfile.ZIP_STORED, "which is not what it holds"),
        (lying_member((-1, -3)), zipfile.ZIP_STORED, "which is not what it holds"),
        (lying_member((3,)), zipfile.ZIP_DEFLATED, "unexpected member"),
        (bytes(100_000_000), zipfile.ZIP_DEFLATED, "claims to hold more than it can"),
        (b"", zipfile.ZIP_STORED, "damaged"),
    ],
)
def test_sizes_are_checked_before_anything_is_allocated(tmp_path, labels, compression, message):
    path = tmp_path / "model.npz"
    members = saved_members(path) | {"labels.npy": labels}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content, compression if name == "labels.npy" else zipfile.ZIP_STORED)
    with pytest.raises(ValueError, match=message):
        diptych.load(path)


def test_pickled_objects_are_refused(tmp_path):
    path = tmp_path / "model.npz"
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    members = saved_members(path) | {"labels.npy": buffer.getvalue()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match="dtype object"):
        diptych.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header, arrays: arrays.update(labels=arrays["labels"][:-1]), "79 labels, not 80"),
        (
            lambda header, arrays: arrays.update(core_sample_indices=arrays["core_sample_indices"][::-1]),
            "ascending",
        ),
        (lambda header, arrays: arrays.update(labels=np.full(80, -1)), "core point"),
        (lambda header, arrays: arrays.update(components=arrays["components"][1:]), "components have shape"),
        (lambda header, arrays: arrays.pop("components"), "does not fit together"),
        (lambda header, arrays: header.update(n_features_in=7), "components have shape"),
        (lambda header, arrays: header.update(n_features_in="7"), "n_features_in"),
        (lambda header, arrays: header.update(feature_names_in=["a"]), "names of features"),
        (lambda header, arrays: header["params"].update(gamma=1), "does not fit together"),
        (lambda header, arrays: header.update({"class": "KMeans"}), "KMeans"),
        (lambda header, arrays: header.update(format=99), "another format"),
    ],
)
def test_parts_that_do_not_fit(tmp_path, change, message):
    path = tmp_path / "model.npz"
    DBSCAN(eps=0.9, min_samples=3).fit(X).save(path)
    header, arrays = read_archive(path)
    arrays["labels"], arrays["core_sample_indices"] = (
        arrays["labels"].copy(),
        arrays["core_sample_indices"].copy(),
    )
    change(header, arrays)
    write_archive(path, header, arrays)
    with pytest.raises(ValueError, match=message):
        diptych.load(path)


def test_the_header_is_plain_json(tmp_path):
    path = tmp_path / "model.npz"
    DBSCAN(eps=0.9).fit(X).save(path)
    with np.load(path, allow_pickle=False) as archive:
        header = json.loads(archive["header"].tobytes())
    assert header["class"] == "DBSCAN"
    assert header["params"]["eps"] == 0.9
