"""
What does memory solve?
=======================

"leave taipei and arrive in rome" and "leave rome and arrive in taipei" are the same words. Which city is
left is said by their order alone. Taggers with and without memory learn travel requests whose tags are
known, and are tried on new ones: in order, and with their words shuffled.
"""

from diptych import studies

result = studies.order()
print(result)

# %%
# Words of city names with the right tag, from, to or via. The dotted line is the most that any tagger can
# reach that decides on each word by itself:

result.display.plot()

# %%
# **Memory is what solves it**, and one direction is enough in English, where all that decides stands before
# the city. In Chinese it may stand behind it alone; the rest is left to those who read both ways.
#
# **Without order** the memory is worse than none: what was learnt about order misleads.
#
# **It does not take an LSTM**: what decides is eight words back at most, and a plain RNN remembers that as
# well.

for found in result.display.tagged:
    print(f"{found.language}, {found.tagger}: F1 {found.f1:.4f}, shuffled {found.shuffled_f1:.3f}")
