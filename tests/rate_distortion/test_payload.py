"""Payload sizes against files that were taken apart by other means."""

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from rate_distortion.classic import codecs
from rate_distortion.payload import avif_payload, jpeg_payload, jxl_payload, webp_payload

RNG = np.random.default_rng(0)
SMOOTH = np.add.outer(np.arange(40), 3 * np.arange(56)).astype(np.uint8)
NOISE = RNG.integers(0, 256, (40, 56, 3), dtype=np.uint8)


def saved(image: np.ndarray, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, **options)
    return out.getvalue()


def test_a_jpeg_scan_lies_between_its_header_and_the_end() -> None:
    data = saved(NOISE, format="JPEG", quality=60)
    scan = data.index(b"\xff\xda")  # segments before it hold no such pair here
    length = struct.unpack(">H", data[scan + 2 : scan + 4])[0]
    assert jpeg_payload(data) == len(data) - 2 - (scan + 2 + length)


def test_a_jpeg_in_abbreviated_format_is_little_more_than_its_payload() -> None:
    data = imagecodecs.jpeg8_encode(NOISE, level=60)
    bare = saved(NOISE, format="JPEG", quality=60, streamtype=2)  # libjpeg leaves its tables out
    assert len(data) > len(bare)
    assert 0 < len(bare) - jpeg_payload(bare) < 60


def test_comments_and_profiles_do_not_count_as_payload() -> None:
    plain = saved(NOISE, format="JPEG", quality=60)
    tagged = saved(
        NOISE, format="JPEG", quality=60, comment=b"\xff\xda" * 500, icc_profile=b"x" * 99
    )
    assert len(tagged) > len(plain) + 1000
    assert jpeg_payload(tagged) == jpeg_payload(plain)


def test_restart_markers_and_stuffed_bytes_belong_to_the_scan() -> None:
    plain = saved(NOISE, format="JPEG", quality=95)
    restarted = saved(NOISE, format="JPEG", quality=95, restart_marker_rows=1)
    assert b"\xff\x00" in plain
    assert b"\xff\xd1" in restarted
    scan = restarted.index(b"\xff\xda")
    assert jpeg_payload(restarted) == len(restarted) - 2 - (scan + 2 + 12)


def test_all_scans_of_a_progressive_jpeg_count() -> None:
    large = RNG.integers(0, 256, (400, 400, 3), dtype=np.uint8)
    data = saved(large, format="JPEG", quality=60, progressive=True)
    assert data.count(b"\xff\xda") > 2
    assert 0.95 * len(data) < jpeg_payload(data) < len(data)


def test_a_webp_of_one_chunk_has_twenty_bytes_around_its_payload() -> None:
    data = saved(NOISE, format="WEBP", quality=50)
    assert data[12:16] == b"VP8 "
    assert webp_payload(data) in (len(data) - 20, len(data) - 21)  # odd chunks are padded


@pytest.mark.parametrize("lossless", [False, True])
def test_a_profile_of_a_webp_does_not_count_as_payload(lossless: bool) -> None:
    plain = saved(NOISE, format="WEBP", quality=50, lossless=lossless)
    tagged = saved(NOISE, format="WEBP", quality=50, lossless=lossless, icc_profile=b"profile" * 30)
    assert webp_payload(tagged) == webp_payload(plain) < len(plain)


def test_the_payload_of_an_avif_ends_the_file() -> None:
    data = saved(SMOOTH, format="AVIF", quality=50)
    start = data.index(b"mdat") - 4
    assert avif_payload(data) == len(data) - start - 8
    assert avif_payload(data) == int.from_bytes(data[start : start + 4], "big") - 8


def test_a_bare_jpeg_xl_is_all_payload_and_a_container_is_not() -> None:
    bare = imagecodecs.jpegxl_encode(NOISE, distance=4, usecontainer=False)
    contained = imagecodecs.jpegxl_encode(NOISE, distance=4, usecontainer=True)
    assert jxl_payload(bare) == len(bare)
    assert jxl_payload(contained) == len(bare) < len(contained)


def test_parts_of_a_codestream_count_without_their_numbers() -> None:
    start = b"\0\0\0\x0cJXL \r\n\x87\n"
    parts = [
        struct.pack(">I4sI", 12 + len(part), b"jxlp", n) + part
        for n, part in enumerate([b"abc", b"de"])
    ]
    assert jxl_payload(start + b"".join(parts)) == 5


def test_boxes_may_be_long_or_reach_to_the_end() -> None:
    kind = struct.pack(">I4s", 8, b"ftyp")
    long = struct.pack(">I4sQ", 1, b"mdat", 16 + 7) + bytes(7)
    last = struct.pack(">I4s", 0, b"mdat") + bytes(5)
    assert avif_payload(kind + long + last) == 12


READERS = {
    "JPEG": jpeg_payload,
    "WebP": webp_payload,
    "AVIF": avif_payload,
    "JPEG XL": jxl_payload,
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("data", [b"", b"\xff", b"RIFF", bytes(40), zlib.compress(bytes(99))])
def test_a_file_of_another_format_is_rejected(name: str, data: bytes) -> None:
    with pytest.raises(ValueError, match=name):
        READERS[name](data)


@pytest.mark.parametrize("name", ["JPEG", "WebP", "AVIF"])
def test_a_truncated_file_is_rejected(name: str) -> None:
    data = saved(NOISE, format={"WebP": "WEBP"}.get(name, name), quality=50)
    with pytest.raises(ValueError, match=r"ends|claims"):
        READERS[name](data[: len(data) // 2])


@pytest.mark.parametrize("channels", [1, 3])
def test_every_codec_gives_back_the_shape_and_more_fidelity_for_more_bytes(channels: int) -> None:
    image = np.repeat(SMOOTH[..., None], channels, axis=2)
    for codec in codecs(channels):
        low, high = (3, 80) if codec.name != "JPEG XL" else (15, 1)
        files = [codec.encode(image, quality) for quality in (low, high)]
        back = [codec.decode(data).astype(float) for data in files]
        assert [b.shape for b in back] == [image.shape] * 2, codec.name
        assert ((back[0] - image) ** 2).mean() > ((back[1] - image) ** 2).mean(), codec.name
        for data in files:
            assert 0 < codec.payload(data) <= len(data), codec.name
