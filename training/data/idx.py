"""The idx files of MNIST and Fashion-MNIST, plain or gzipped.

offset  size  value
0       2     zero
2       1     8 (unsigned bytes)
3       1     number of dimensions n
4       4 n   sizes, big-endian
4+4n    …     the bytes, last dimension fastest
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from codec.arrays import U8
from training.errors import TrainingError


def read_idx(path: Path) -> U8:
    """The array in the file; TrainingError when it is damaged or of another type."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise TrainingError(f"{path.name} cannot be read: {error}") from error
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise TrainingError(f"{path.name} is not an idx file of unsigned bytes")
    start = 4 + 4 * data[3]
    if len(data) < start:
        raise TrainingError(f"{path.name} ends within its header")
    shape = struct.unpack(f">{data[3]}I", data[4:start])
    if len(data) - start != math.prod(shape):
        raise TrainingError(
            f"{path.name} has {len(data) - start} bytes of data; its header says {math.prod(shape)}"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)
