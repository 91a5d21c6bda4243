"""A virtual utility: meters, and what they send day by day. Pure: knows nothing of Django.

Everything follows from the seed. The same meter on the same day sends the same readings whatever
else is asked for: a larger fleet begins with the smaller one, and a longer period agrees with a
shorter one where they overlap, up to the register totals.
"""
