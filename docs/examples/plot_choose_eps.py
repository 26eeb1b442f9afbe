"""
How do I choose eps?
====================

A core point has ``min_samples`` points within ``eps``, itself included. So it is core exactly when its
distance to the ``min_samples - 1``-th other point is at most ``eps``. Sorted, these distances tell how many
points are core for any ``eps``.
"""

from diptych import DBSCAN, datasets
from diptych.plot import DBSCANDisplay, KDistanceDisplay

X, digit, _ = datasets.load_digits()
model = DBSCAN(eps=20.5, min_samples=5)
curve = KDistanceDisplay.from_estimator(model, X).plot()

# %%
# The law: the points at or below the line are the core points.

model.fit(X)
core = len(model.core_sample_indices_)
assert core == (curve.distances <= model.eps).sum()
print(core, "core points")

# %%
# The bend is a hint and no more. On these digits the curve is smooth, and the bend lies where clusters of
# different digits have grown together:

for eps in (18.0, 20.5, curve.elbow_):
    labels = DBSCAN(eps=eps, min_samples=5).fit_predict(X)
    print(f"eps={eps:.1f}: {labels.max() + 1} clusters, {(labels == -1).mean():.0%} noise")

# %%
# At 20.5 nearly every cluster holds one digit. In two dimensions of the 64 they overlap:

DBSCANDisplay.from_estimator(model, X).plot()
