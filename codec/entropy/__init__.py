"""Entropy coding: the codes of a prior to payload bytes and back, on constriction's range coder.

`RangeCoder` codes with one prior, `range_coders` makes those of all quality levels.
"""

from codec.entropy.range_coder import Coder, RangeCoder, Shape, range_coders

__all__ = ["Coder", "RangeCoder", "Shape", "range_coders"]
