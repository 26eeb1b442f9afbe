"""
Why does attention divide by √d?
================================

The weights of attention are a softmax of scores, p = softmax(s · K q), with s = 1/√d. The study draws
queries and keys with independent entries of variance 1, as they are about to be when training begins, and
measures scores, entropies and gradients under s = 1, 1/√d, 1/d and 1/d². Then a small tagger is trained under
each.
"""

from diptych import studies

result = studies.scaling()
print(result)

# %%
# Medians over queries; the bands reach from quartile to quartile.

result.display.plot()

# %%
# **What grows is the variance** of q · k, not its expectation, which is 0 for every d (above left).
#
# **Without scaling** p goes to one key. The gradient grows at first, ∂p/∂z to d = 32 and ∂p/∂q to 64, and
# then vanishes.
#
# **Under 1/d and 1/d²** nothing blows up: p goes uniform, each of the 64 keys gets 1/64 whatever it says.
# ∂p/∂z does not vanish, it tends to 1/64; what vanishes is ∂p/∂q.
#
# **Under 1/√d** the scores are as spread for d = 4096 as for d = 64, and all stays where it is:

for scale, scaled in result.display.scaled.items():
    entropies = [f"{scaled.median('entropy', d):.3f}" for d in (16, 64, 256, 1024, 4096)]
    print(f"{scale:5} entropy for d = 16, 64, 256, 1024, 4096: {', '.join(entropies)}")

# %%
# **Trained** (below), the tagger without √d learns too, but looks at few words from the beginning to the end,
# and how much that costs is luck. Under 1/d training makes up for most of the scale. Under 1/d² it does not:
# all words are looked at alike, and F1 stays low.

for scale, tagger in result.display.trained.items():
    print(f"{scale:5} loss {tagger.losses[-1]:.3f}, F1 {tagger.f1:.3f}, entropy / log n {tagger.after:.3f}")
