"""A camera over a line of drawn parts: an inspection set from a seed, with masks and a drift.

Everything is drawn by this code, so that weights trained on the images may be shipped.
"""
