"""The specification of the payload in plain Python integers: slow, exact, and used by tests.

`ReferenceCoder` writes and reads the same bytes as `codec.entropy.RangeCoder`.
"""

from codec.reference.range_coder import ReferenceCoder

__all__ = ["ReferenceCoder"]
