"""
Why tanh and not ReLU in a recurrent net?
=========================================

The state of a recurrent net goes through the same matrix at every step. What that matrix does once it does as
often as there are steps, to the state on its way forward and to the gradient on its way back. The study runs
untrained nets whose matrix has spectral radius 0.5, 1 and 1.5, and measures both.
"""

from diptych import studies

result = studies.nonlinearity()
print(result)

# %%
# Above: how long the state is. Below: how much of a change of the state arrives at the end, against the
# steps it has to go. Blue is tanh and orange ReLU; thick lines read a loud input and thin ones a quiet input;
# dashed lines start from a multiple of the identity.

result.display.plot()

# %%
# **The state: yes.** That of tanh stays below √H by construction. That of ReLU has no ceiling: with U = 1.5·I
# it grows 1.5-fold a step. From a random start it takes more than ρ = 1, for ReLU sets half of the units
# to 0 at each step; these nets begin to grow at

print("ρ =", result.numbers["random_relu_nets_begin_to_grow_at_ρ"])

# %%
# **The gradient: no.** Both slopes are at most 1, so that what the matrix shrinks vanishes with either. At
# ρ = 1.5 tanh has both troubles, and which one depends on the input:

runs = {(run.start, run.radius, run.nonlinearity, run.strength): run for run in result.display.runs}
for strength in ("quiet", "loud"):
    run = runs["random", 1.5, "tanh", strength]
    print(f"tanh, {strength}: state {run.lengths[-1]:.2f} √H, gradient {run.arrives[0]:.2g} after 99 steps")

# %%
# A quiet input leaves tanh on its slope: the state is bounded, and the gradient explodes all the same. A loud
# one saturates it, and the gradient vanishes. ReLU does not care: twice the input is twice the state and the
# same gradient. The one net here whose gradients neither vanish nor explode is ReLU with U = I; an LSTM
# gets there by a gate instead (``f = 1`` keeps its cell state as it is).
