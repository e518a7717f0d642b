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

IMAGES = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}


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


def find_idx(folder: Path, name: str) -> Path | None:
    """The file `name` or `name`.gz below `folder`; TrainingError if several folders hold it."""
    files = sorted(p for p in folder.rglob(f"{name}*") if p.name in (name, f"{name}.gz"))
    places = sorted({str(path.parent) for path in files})
    if len(places) > 1:
        raise TrainingError(f"{folder} holds several {name} files ({', '.join(places)}); give one")
    return files[0] if files else None
