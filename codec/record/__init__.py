"""Records: the bytes of one compressed image, its checksum, and evidence of an anomaly.

`codec/FORMAT.md` is the specification.
"""

from codec.record.evidence import Region
from codec.record.frame import Record, pack, unpack

__all__ = ["Record", "Region", "pack", "unpack"]
