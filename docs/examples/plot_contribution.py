"""
How much does step t count, in a short memory and in a long one?
================================================================

Nets learn to add up the marked numbers of a sequence. What each step adds is known, its number if it is
marked and nothing else, so that every measure of "how much did step t count" can be held against the truth.
"""

from diptych import studies

result = studies.contribution()
print(result)

# %%
# Over 15 steps an LSTM and a tanh RNN both learn to add, over 60 the LSTM alone does: the error of each,
# where 1 is that of who always says the mean.

for nets in (result.display.short, result.display.long):
    for name, net in nets.items():
        print(f"{net.steps} steps, {name}: {net.error:.4f}")

# %%
# One sequence, a row for each net. Circles are the truth; blue is by how much less the net says when the step
# is taken out; green is the term the step left in the memory, as the output reads it; orange the gradient.

result.display.plot()

# %%
# **Removal** finds the truth in the LSTM, near and far alike (above right: 1 is all of a number, 0 is
# forgotten).
#
# **Terms** of the LSTM and of the linear RNN sum to what the net says, to the last digit. But they tell what
# was *written* at a step, and not what the step *caused*: the LSTM also writes at steps that are not marked.
#
# **Gradients** tell where the net looks, hardly what it found there: that of a marked small number is not
# much smaller than that of a large one. The gradient of a linear RNN does not depend on the sequence at all,
# and such a net cannot read a number by its mark: it says about half for each mark it counts.

lstm = result.display.long["LSTM"]
for name, values in (("removal", lstm.removed), ("terms", lstm.terms[1:]), ("gradient", lstm.gradients)):
    print(f"correlation of {name} with the truth: {lstm.correlation(values):.3f}")
