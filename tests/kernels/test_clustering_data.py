"""Both panels on real data, which the project may not ship: set DIPTYCH_DATA to the folder that holds it."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import sklearn_oracle as oracle

OUTSIDE = json.loads((Path(__file__).parents[1] / "oracles" / "dbscan.json").read_text())


def same(result, expected):
    np.testing.assert_array_equal(result[0], expected[0])
    np.testing.assert_array_equal(result[1], expected[1])


def test_elki_three_clusters_and_noise(panel, data_dir):
    known = OUTSIDE["3clusters-and-noise-2d.csv"]
    X = np.loadtxt(data_dir / "points" / "3clusters-and-noise-2d.csv", usecols=(0, 1), comments="#")
    _, labels = panel.clustering.dbscan(X, known["eps"], min_samples=known["min_samples"])
    assert sorted(np.bincount(labels + 1).tolist()) == known["sizes_with_noise"]


def test_dbscan_on_spark_labels(panel, data_dir):
    known = OUTSIDE["irvingc_labeled_data.csv"]
    table = np.loadtxt(data_dir / "points" / "irvingc_labeled_data.csv", delimiter=",")
    _, labels = panel.clustering.dbscan(table[:, :2], known["eps"], min_samples=known["min_samples"])
    theirs = table[:, 2].astype(int)
    pairs = set(zip(theirs.tolist(), labels.tolist(), strict=True))
    assert (0, -1) in pairs
    assert (
        len(pairs) == len(set(theirs)) == len(set(labels.tolist()))
    )  # equal up to the names of the clusters


def test_mopsi_has_ties_and_duplicates(panel, data_dir):
    text = (data_dir / "points" / "mopsi-finland.arff").read_text().split("@DATA")[1]
    X = np.array([line.split(",") for line in text.split()], dtype=np.float64)
    X = X[np.lexsort(X.T)][:4000:2]
    assert len(np.unique(X, axis=0)) < len(X)
    for metric, eps in (("euclidean", 10.0), ("manhattan", 12.0), ("chebyshev", 5.0)):
        expected = oracle.one_leaf(X, eps, 5, metric)
        assert 0 < len(expected[0]) < len(X)
        same(panel.clustering.dbscan(X, eps, min_samples=5, metric=metric), expected)


@pytest.fixture(scope="module")
def airports(data_dir):
    with open(data_dir / "points" / "openflights_airports.dat", encoding="utf-8", newline="") as file:
        degrees = np.array([row[6:8] for row in csv.reader(file)], dtype=np.float64)
    return np.radians(degrees)


def test_airports(panel, airports):
    # 100 km; every fifth airport, and those about the poles and the date line in any case.
    edge = (np.abs(airports[:, 0]) > 1.2) | (np.abs(airports[:, 1]) > 3.0)
    X = airports[edge | (np.arange(len(airports)) % 5 == 0)]
    assert np.degrees(X[:, 0]).min() < -89
    expected = oracle.one_leaf(X, 100 / 6371, 4, "haversine")
    assert expected[1].max() > 10
    same(panel.clustering.dbscan(X, 100 / 6371, min_samples=4, metric="haversine"), expected)


def test_near_duplicates_and_zero_rows_under_cosine(panel, data_dir):
    X = np.load(data_dir / "points" / "pynndescent_cosine_hang.npy", allow_pickle=False)
    zero = np.flatnonzero(~X.any(axis=1))
    X = X[np.union1d(zero[:40], np.arange(0, len(X), 6))]
    for eps in (0.0511, 0.1013):
        expected = oracle.cosine(X, eps, 5)
        assert 0 < len(expected[0]) < len(X)
        same(panel.clustering.dbscan(X, eps, min_samples=5, metric="cosine"), expected)


def test_panels_agree_on_letters_and_bunny(both_panels, data_dir):
    reference, rust = (panel.clustering for panel in both_panels)
    bunny = np.loadtxt(data_dir / "points" / "stanford-bunny_vertices.csv", delimiter=",")[::18]
    text = (data_dir / "points" / "letter.arff").read_text().split("@DATA")[-1].split("@data")[-1]
    letters = np.array([line.split(",")[:16] for line in text.split()[:1500]], dtype=np.float64)
    for X, eps in ((bunny, 0.004), (letters, 4.0), (letters.astype(np.float32), np.sqrt(13))):
        same(rust.dbscan(X, eps, min_samples=6), reference.dbscan(X, eps, min_samples=6))
        np.testing.assert_array_equal(rust.k_distances(X, 6), reference.k_distances(X, 6))
