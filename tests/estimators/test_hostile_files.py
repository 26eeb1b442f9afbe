"""Files that lie: each ends in a ValueError that names the file, and none asks for more than it holds."""

import io
import struct
import tracemalloc
import zipfile
from contextlib import suppress

import numpy as np
import pytest

import diptych
from diptych import DBSCAN, CharacterModel, SlotTagger, nn
from diptych.io import read_archive, write_archive

MOST = 30_000_000  # bytes; the files here hold some kilobytes


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    small = {"hidden_size": 4, "embedding_dim": 4, "epochs": 1, "random_state": 0}
    sentences, tags = [["a", "b"]] * 4, [["O", "B-x"]] * 4
    models = {
        encoder: SlotTagger(encoder=encoder, **small) for encoder in ("none", "rnn", "lstm", "transformer")
    }
    for name, model in models.items():
        model.fit(sentences, tags, ["i", "j"] * 2).save(folder / f"{name}.npz")
    CharacterModel(**small, num_layers=2).fit("abcabd" * 9).save(folder / "characters.npz")
    DBSCAN(eps=2).fit(np.arange(12.0).reshape(-1, 1)).save(folder / "dbscan.npz")
    return folder


def refused(saved, tmp_path, name, change, match):
    """Change a saved file and load it: a ValueError that names it, and little memory."""
    header, arrays = read_archive(saved / f"{name}.npz")
    arrays = {key: array.copy() for key, array in arrays.items()}
    change(header, arrays)
    path = tmp_path / "hostile.npz"
    write_archive(path, header, arrays)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=rf"hostile\.npz' (does not fit together: |holds a ).*{match}"):
            diptych.load(path)
        assert tracemalloc.get_traced_memory()[1] < MOST
    finally:
        tracemalloc.stop()


# Sizes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2000, 200_000])
@pytest.mark.parametrize("encoder", ["rnn", "lstm", "transformer"])
def test_a_header_does_not_say_how_large_a_tagger_is(saved, tmp_path, encoder, size):
    def change(header, arrays):
        header["network"]["hidden_size"] = size

    refused(
        saved, tmp_path, encoder, change, r"encoder: .*weight.* has shape \(\d+, 4\): \(\d+, \d+\) is needed"
    )


def wide(name, shape):
    def change(header, arrays):
        header["network"]["embedding_dim"] = shape[1]
        arrays[f"weight:{name}"] = np.zeros(shape, np.float32)

    return change


@pytest.mark.parametrize("encoder", ["none", "lstm", "transformer"])
def test_one_wide_table_does_not_make_other_weights_wide(saved, tmp_path, encoder):
    refused(saved, tmp_path, encoder, wide("words.weight", (3, 20_000)), r"has shape \(.*\) is needed")


def test_many_intents_do_not_make_a_wide_layer(saved, tmp_path):
    def change(header, arrays):
        header["intents"] = [f"i{k}" for k in range(20_000)]

    refused(saved, tmp_path, "none", change, r"intents: weight has shape \(2, 8\): \(20000, 8\) is needed")


def test_small_arrays_of_many_layers_make_no_large_network(saved, tmp_path):
    weights = nn.LSTM(4, 300, rng=0).state_dict()
    weights |= {f"weight_ih_l{k}": np.zeros((1, 1), np.float32) for k in range(1, 400)}

    def change(header, arrays):
        for name in [name for name in arrays if name.startswith("lstm.")]:
            del arrays[name]
        arrays |= {f"lstm.{name}": array for name, array in weights.items()}

    refused(saved, tmp_path, "characters", change, "are missing")
    for k in range(1, 400):
        weights |= {f"{name}_l{k}": np.zeros(1, np.float32) for name in ("weight_hh", "bias_ih", "bias_hh")}
    refused(
        saved, tmp_path, "characters", change, r"weight_ih_l1 has shape \(1, 1\): \(1200, 300\) is needed"
    )


def test_many_characters_do_not_make_a_wide_table(saved, tmp_path):
    def change(header, arrays):
        header["characters"] = list(range(100_000))

    refused(saved, tmp_path, "characters", change, r"embedding: weight has shape \(4, 4\): \(100000, 4\)")


def test_a_label_does_not_count_clusters(saved, tmp_path):
    def change(header, arrays):
        arrays["labels"][0] = 2**40

    refused(saved, tmp_path, "dbscan", change, "each cluster must have a core point")


# What is written wrongly --------------------------------------------------------------------------

MISFITS = {
    "a class that is a list": ("lstm", lambda h, a: h.update({"class": ["SlotTagger"]}), r"\['SlotTagger'\]"),
    "params that are a list": ("lstm", lambda h, a: h.update(params=[]), "params is of type list"),
    "no network": ("lstm", lambda h, a: h.update(network=None), "network is of type NoneType"),
    "a network of epochs": ("lstm", lambda h, a: h["network"].update(epochs=0), "network has .*epochs"),
    "words that are None": ("lstm", lambda h, a: h.update(words=None), "words is no list of different"),
    "tags that are None": ("lstm", lambda h, a: h.update(tags=None), "tags is no list of different"),
    "losses that are NaN": ("characters", lambda h, a: a["losses"].fill(np.nan), "losses is float64"),
    "an array too many": ("characters", lambda h, a: a.update(foo=np.zeros(3)), "foo is no part of a model"),
    "a best epoch that is true": ("lstm", lambda h, a: h.update(best_epoch=True), "best_epoch=True"),
    "no best epoch": ("lstm", lambda h, a: h.pop("best_epoch"), "'best_epoch' is missing"),
    "wide weights": (
        "lstm",
        lambda h, a: a.update({"weight:tags.bias": a["weight:tags.bias"].astype(float)}),
        "weight:tags.bias is float64, not float32",
    ),
    "a character beyond all": (
        "characters",
        lambda h, a: h["characters"].append(2**31),
        "characters has 2147483648",
    ),
    "a character below 0": ("characters", lambda h, a: h["characters"].insert(0, -5), "characters has -5"),
    "characters that are halves": ("characters", lambda h, a: h["characters"].append(999.5), "has 999.5"),
    "characters in a text": (
        "characters",
        lambda h, a: h.update(characters="abcd"),
        "no list of code points",
    ),
    "no characters": ("characters", lambda h, a: h.update(characters=[]), "no list of code points"),
    "a wide network": (
        "characters",
        lambda h, a: a.update({n: w.astype(float) for n, w in a.items() if n.startswith("lstm.")}),
        r"lstm\..* is float64, not float32",
    ),
    "threads that are a word": ("characters", lambda h, a: h["params"].update(n_jobs="a"), "n_jobs"),
    "no threads": ("characters", lambda h, a: h["params"].update(n_jobs=0), "n_jobs=0"),
    "infinite shares": ("characters", lambda h, a: a["shares"].fill(np.inf), "shares add up to inf"),
    "shares beyond 1": ("characters", lambda h, a: a["shares"].fill(0.5), "shares add up to 2.0"),
    "a backend that is a list": (
        "characters",
        lambda h, a: h["params"].update(backend=[]),
        "unhashable|backend",
    ),
}


@pytest.mark.parametrize("case", MISFITS)
def test_headers_that_lie(saved, tmp_path, case):
    name, change, match = MISFITS[case]
    refused(saved, tmp_path, name, change, match)


def test_one_direction_and_its_way_back_are_not_taken(saved, tmp_path):
    def change(header, arrays):
        net = nn.LSTM(4, 4, bidirectional=True, rng=0)
        for name in [name for name in arrays if name.startswith("lstm.")]:
            del arrays[name]
        arrays |= {f"lstm.{name}": weight for name, weight in net.state_dict().items()}

    refused(saved, tmp_path, "characters", change, "lstm reads in both directions")


NPY = {
    "no end of parentheses": b"(((",
    "nothing that is a dict": b"{[]: 1}",
    "a dtype of nothing": b"{'descr': [], 'fortran_order': False, 'shape': (1,)}",
    "a shape that is no shape": b"{'descr': '<f8', 'fortran_order': False, 'shape': ('a',)}",
    "nested far": b"-" * 5000 + b"1",
}


@pytest.mark.parametrize("case", NPY)
def test_headers_of_arrays_that_lie(tmp_path, case):
    text = NPY[case] + b" " * 60 + b"\n"
    path = tmp_path / "hostile.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text)
    with pytest.raises(ValueError, match=r"hostile\.npz' is not a file saved by diptych.*'header\.npy'"):
        diptych.load(path)


def test_a_header_that_is_nested_far(tmp_path):
    path, file = tmp_path / "hostile.npz", io.BytesIO()
    np.save(file, np.frombuffer(b"[" * 200_000, np.uint8))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.npy", file.getvalue())
    with pytest.raises(ValueError, match=r"hostile\.npz' is not a file saved .*its header is not JSON"):
        diptych.load(path)


@pytest.mark.parametrize("name", ["characters", "lstm", "dbscan"])
def test_damage_ends_in_a_value_error(saved, tmp_path, name):
    whole, path = (saved / f"{name}.npz").read_bytes(), tmp_path / "hostile.npz"
    rng = np.random.default_rng(7)
    for _ in range(150):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), rng.integers(1, 6)):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        with suppress(ValueError):
            diptych.load(path)
