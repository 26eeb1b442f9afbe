"""
What does PathSim see that vectors of walks do not, and the other way round?
=============================================================================

Two authors of an academic network are asked about twice: who is similar along
author-paper-venue-paper-author, and whose vector, which DeepWalk learnt on the same edges, points most nearly
the same way. The network comes along and is made up: there are no such people.
"""

import os

from diptych import HeteroGraph, PathSim, datasets, studies
from diptych.plot import SimilarNodesDisplay

result = studies.pathsim_or_walks()
print(result)

# %%
# PathSim names **peers**: authors who publish where the author does, about as often. The first two of Ada
# Brandt's never wrote with her. Walks name **company**: first her own group, each less than half as visible
# as she is, then the student of one of them. She has no paper and no venue in common with the student, to
# whom PathSim gives 0 like all others without a common venue.

result.display.plot()

# %%
# PathSim has reasons, counts that sum to M_xy; the cosine of two vectors has none.

graph = datasets.load_academic_network()
model = PathSim("APVPA").fit(graph)
first, second = (answers.author for answers in result.display.answers)
print(model.explain(first, second))

# %%
# The same for all of the most similar at once. Edges are as wide as the share of the paths they carry:

SimilarNodesDisplay.from_estimator(model, first).plot()

# %%
# What the measure is: shared company along the path. What it is not: an equal role. Here A2 and A3 mirror
# each other, and score 0, because no path joins them:

mirror = HeteroGraph(
    {
        ("author", "writes", "paper"): [("A1", "P1"), ("A1", "P2"), ("A2", "P3"), ("A3", "P4")],
        ("paper", "appears in", "venue"): [("P1", "C1"), ("P2", "C2"), ("P3", "C1"), ("P4", "C2")],
    }
)
similarity = PathSim("APVPA").fit(mirror).similarity
print("A1, A2:", similarity("A1", "A2"))
print("A1, A3:", similarity("A1", "A3"))
print("A2, A3:", similarity("A2", "A3"))

# %%
# The same study of a real network, 28,702 authors of four areas of computer science, where its files are at
# hand (they do not come along; ``DIPTYCH_DATA`` names their folder). Of two well-known authors it printed,
# with the scores and cosines of the five first:
#
# .. code-block:: text
#
#    Christos Faloutsos
#    PathSim: Jiawei Han 0.906, Rakesh Agrawal 0.901, Hans-Peter Kriegel 0.839, Jian Pei 0.831,
#             Raghu Ramakrishnan 0.809
#    walks:   Agma J. M. Traina 0.825, Caetano Traina Jr. 0.802, Jia-Yu Pan 0.779,
#             Roberto F. Santos Filho 0.772, Hanghang Tong 0.767
#    Jiawei Han
#    PathSim: Philip S. Yu 0.920, Christos Faloutsos 0.906, Rakesh Agrawal 0.810, Hans-Peter Kriegel 0.803,
#             Wei Wang 0.764
#    walks:   Dong Xin 0.889, Xifeng Yan 0.886, Xiaolei Li 0.869, Hong Cheng 0.862, Hector Gonzalez 0.834
#
# The two wrote nothing together, and each is among the first two that PathSim names for the other: both are
# at home at the same conferences, and about as visible. All ten whom walks name have written with the author,
# and none is half as visible.

if "DIPTYCH_DATA" in os.environ:
    graph = datasets.read_four_area(os.path.join(os.environ["DIPTYCH_DATA"], "hin", "four_area"))
    authors = ["Christos Faloutsos", "Jiawei Han"]
    real = studies.pathsim_or_walks(graph, authors, metapath="APCPA", k=10, walks_per_node=2)
    print(real)
    real.display.plot()
