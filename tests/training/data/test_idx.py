import gzip
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from training.data.idx import read_idx
from training.errors import TrainingError


def idx(array: np.ndarray) -> bytes:
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


@given(array=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=3)), packed=st.booleans())
@settings(max_examples=40)
def test_any_array_is_read_back(array, packed, tmp_path_factory):
    path = tmp_path_factory.mktemp("idx") / ("a.gz" if packed else "a")
    path.write_bytes(gzip.compress(idx(array)) if packed else idx(array))
    np.testing.assert_array_equal(read_idx(path), array)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an idx file"),
        (b"\0\0\x0d\x01\0\0\0\0", "not an idx file of unsigned bytes"),
        (b"\0\0\x08\x03\0\0", "ends within its header"),
        (idx(np.zeros((2, 3), np.uint8))[:-1], "has 5 bytes of data; its header says 6"),
        (idx(np.zeros((2, 3), np.uint8)) + b"x", "has 7 bytes of data; its header says 6"),
    ],
    ids=["empty", "floats", "short header", "truncated", "trailing byte"],
)
def test_a_damaged_file_is_refused(data, message, tmp_path):
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(TrainingError, match=message):
        read_idx(tmp_path / "a")


def test_a_damaged_gzip_file_is_refused(tmp_path):
    packed = gzip.compress(idx(np.zeros((50, 50), np.uint8)))
    for name, data in (("short.gz", packed[:-12]), ("noise.gz", b"junk")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(TrainingError, match="cannot be read"):
            read_idx(tmp_path / name)
