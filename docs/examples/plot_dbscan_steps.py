"""
In what order does DBSCAN do what, and does the order change the answer?
=========================================================================

The study visits the points in turn. A point with at least ``min_samples`` points within ``eps``, itself
included, is a core point and opens a cluster; the cluster grows from core point to core point. Points that
are reached without being core become its border, what nothing reaches is noise.
"""

from diptych import studies

result = studies.dbscan_steps()
print(result)

# %%
# The filmstrip shows the first step of each kind, the opening of each cluster, and the end: core points
# filled, border points hollow, noise crossed.

result.display.plot()

# %%
# One border point lies in reach of both clusters. Visits in another order may give it to the other cluster,
# and change nothing else. In row order it goes to the cluster with the smaller number, so that the labels
# depend on the data alone: that is why any number of threads can compute them.
