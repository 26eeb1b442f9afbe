"""
Why negatives, how do they move the vectors, and from which noise are they drawn?
==================================================================================

A pair of the walks says that c is near v. The softmax over all nodes learns it by comparing c with every node
there is; negative sampling compares it with a few nodes drawn from a noise. The study runs both, pulls the
two forces apart, and changes the noise.
"""

from diptych import studies

result = studies.negative_sampling()
print(result)

# %%
# The same pairs, from the same tables, at the same rate; the loss of both is that of the softmax on pairs
# neither has seen. From as many pairs the softmax learns more, for it moves every context; but each pair
# costs it a dot product with every node:

race = result.display.race
softmax, few = race.softmax, race.negatives
loss = softmax.losses[-1]
print(f"loss before: {softmax.losses[0]:.3f}")
print(f"after {softmax.pairs:,} pairs: softmax {loss:.3f}, negatives {race.loss_after_as_many_pairs:.3f}")
print(f"seconds to {loss:.3f}: softmax {softmax.seconds[-1]:.2f}, negatives {few.seconds_until(loss):.2f}")
print("the softmax takes, for each pair,")
print(f"  {softmax.dot_products_per_pair / few.dot_products_per_pair:,.0f} times the dot products,")
print(f"  {softmax.seconds_per_pair / few.seconds_per_pair:.1f} times the time of negatives in NumPy,")
print(f"  {softmax.seconds_per_pair / race.kernel_seconds_per_pair:,.0f} times their time in the kernel")

# %%
# NumPy takes tens of microseconds for a handful of calls, however little there is to multiply: that is why
# the time falls less than the dot products do. The kernel has no such cost.

result.display.plot()

# %%
# Below, in two dimensions: **attraction alone** draws all vectors and all contexts to one side, where every
# score v · c is positive and says nothing. **Repulsion alone** does not spread the vectors either: a negative
# repels a vector from the *context* of another node, so all vectors go to one side and all contexts to the
# other, and every score is negative. What tells the two factions of the club apart is the difference between
# the two forces.
#
# Above right: trained long, v · c tends to log(#(v, c) / (#(v) · K · P(c))), where P is the noise. Uniform
# noise leaves hubs the score that their visits alone give them, and they crowd the best contexts of
# everybody; noise ∝ visits ** 0.75 takes 0.75 · log visits off.

uniform, usual = result.display.noises
print(
    f"score for each unit of log visits: {uniform.slope:.3f} with uniform noise, {usual.slope:.3f} with the"
)
print(f"usual: {uniform.slope - usual.slope:.3f} less")
print(f"hubs among the three best contexts: {uniform.hub_share:.0%} and {usual.hub_share:.0%}")
