"""
What does DeepWalk know of a graph?
===================================

In a karate club the instructor (0) and the officer (33) fell out, and the 34 members went with one or the
other. All that DeepWalk is told is who met whom outside the club.
"""

from diptych import DeepWalk, datasets, evaluation
from diptych.plot import EmbeddingDisplay

edges, faction, names = datasets.load_karate()
model = DeepWalk(dimensions=16, walk_length=40, window=5, random_state=0).fit(edges)
EmbeddingDisplay.from_estimator(model, [names[c] for c in faction]).plot()

# %%
# Whoever often comes up on the same walks points the same way:

for node in (0, 33):
    print(node, [name for name, cosine in model.most_similar(node, k=5)])

# %%
# A logistic regression on the vectors of half the members tells where the others went:

print(evaluation.node_classification(model.embedding_, faction, train_share=0.5, random_state=0))

# %%
# A new member who met three of the officer's friends gets a vector, and nobody else's changes:

before = model.embedding_.copy()
model.update([*edges.tolist(), (34, 32), (34, 31), (34, 29)])
assert (model.embedding_[:34] == before).all()
print([name for name, cosine in model.most_similar(34, k=5)], "are like the new one")
