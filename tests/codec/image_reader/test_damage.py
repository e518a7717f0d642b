"""Three hundred damaged files of every format: pixels or one sentence, and nothing on stderr."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from image_samples import FORMATS, encoded, random_image, with_orientation

from codec.errors import InvalidInput
from codec.image_reader import read_header, read_image

COUNT = 300
SECONDS = 1.0  # of one small file, which takes a millisecond


def good_files(kind: str) -> list[bytes]:
    """Files of the format that use different parts of its decoder."""
    image = random_image("RGB", 24, 20)
    palette, exif = image.convert("P"), with_orientation(6)
    frames = {"save_all": True, "append_images": [image.rotate(90).resize(image.size)]}
    variants = {
        "JPEG": [("RGB", {"exif": exif}), ("RGB", {"progressive": True}), ("CMYK", {})],
        "PNG": [("RGB", {"exif": exif}), ("P", {"transparency": b"\0\x80"}), ("1", {}), ("LA", {})],
        "WEBP": [("RGB", {"exif": exif}), ("RGB", {"lossless": True}), ("RGBA", frames)],
        "AVIF": [("RGB", {"exif": exif}), ("RGBA", {}), ("RGB", frames)],
        "GIF": [("P", {}), ("L", {"interlace": 1}), ("P", frames)],
        "TIFF": [
            *(("RGB", {"exif": exif}), ("RGB", {"big_tiff": True}), ("YCbCr", {}), ("P", {})),
            *(("RGB", {"compression": f"tiff_{name}"}) for name in ("lzw", "adobe_deflate")),
            *(("RGB", {"compression": name}) for name in ("jpeg", "packbits", "zstd", "lzma")),
            *(("1", {"compression": name}) for name in ("group3", "group4", "tiff_ccitt")),
        ],
        "BMP": [("RGB", {}), ("P", {}), ("1", {}), ("RGBA", {})],
    }
    pictures = {"RGB": image, "P": palette}
    return [
        encoded(pictures.get(mode) or image.convert(mode), kind, **options)
        for mode, options in variants[kind]
    ]


def damaged(files: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Files with flipped bits, cut short, or with a stretch of zeros."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        data = bytearray(files[index % len(files)])
        if (how := rng.integers(3)) == 0:
            for position in rng.integers(0, len(data), rng.integers(1, 9)):
                data[position] ^= 1 << rng.integers(8)
        elif how == 1:
            del data[rng.integers(len(data)) :]
        else:
            start = int(rng.integers(len(data)))
            end = min(len(data), start + int(rng.integers(1, 64)))
            data[start:end] = bytes(end - start)
        yield bytes(data)


def outcome(data: bytes) -> str:
    """`read` or the sentence of the refusal, the same for a header that is wrong."""
    try:
        header = read_header(data)
    except InvalidInput as error:
        with pytest.raises(InvalidInput):
            read_image(data, 1)
        return str(error)
    try:
        image = read_image(data, 1)
    except InvalidInput as error:
        return str(error)
    assert image.shape == (header.height, header.width, 1)
    return "read"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_damaged_file_is_read_or_refused_in_one_quiet_sentence(kind, capfd) -> None:
    found: list[str] = []
    for data in damaged(good_files(kind), COUNT, seed=FORMATS.index(kind)):
        begun = time.thread_time()
        found.append(outcome(data))
        assert time.thread_time() - begun < SECONDS
    assert all(sentence.isprintable() for sentence in found)
    assert 0 < found.count("read") < COUNT
    assert capfd.readouterr() == ("", "")


def test_many_threads_read_damaged_files_in_silence(capfd) -> None:
    files = list(damaged(good_files("TIFF"), COUNT, seed=99))
    alone = [outcome(data) for data in files]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(outcome, files)) == alone
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", FORMATS)
def test_the_files_are_good_before_they_are_damaged(kind) -> None:
    assert {outcome(data) for data in good_files(kind)} == {"read"}
