"""The third graph of a bundle, which it may have: the comparator, on images of any size.

It sees an image x and what its record decodes to, and gives a logit for each pixel: ln p / (1 - p)
of the probability p that the pixel is part of a defect. Its sides are multiples of 16, so images
are padded; large ones run in tiles, whose margins cover the receptive field, one after the other.
"""

STRIDE = 16
