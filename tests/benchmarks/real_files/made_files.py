"""Folders with few or many files, some of them broken, large or slow."""

import io
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

# Files in each folder of many; every one has the same share of broken and of large ones.
BLOCK = 1000
# Small images next to the one that takes too long.
SMALL = 40


def picture(rng: np.random.Generator, height: int, width: int) -> bytes:
    """A PNG file of lines and dots with a little noise, gray."""
    pixels = rng.integers(90, 110, (height, width), np.uint8)
    for _ in range(4):
        row, column = rng.integers(height), rng.integers(width)
        pixels[row : row + height // 8] = 200
        pixels[:, column : column + width // 8] = 30
    return png(Image.fromarray(pixels))


def png(image: Image.Image) -> bytes:
    """The image as a file."""
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=1)
    return out.getvalue()


def broken(rng: np.random.Generator) -> Iterator[bytes]:
    """Damaged files and files of other kinds, one kind after the other."""
    good = picture(rng, 256, 256)
    jpeg = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (256, 256), np.uint8)).save(jpeg, "JPEG")
    kinds = (
        b"",
        b"\x89PNG broken",
        good[: len(good) // 2],
        good[:40],
        jpeg.getvalue()[:300],
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n",
        b"just text",
        bytes(5000),
        png(Image.fromarray(np.arange(65536, dtype=np.uint16).reshape(256, 256))),
        # The header alone: 50,000 x 50,000 pixels.
        good[:16] + struct.pack(">II", 50_000, 50_000) + good[24:],
    )
    while True:
        yield from kinds


def make_many(folder: Path, count: int) -> int:
    """Folders `good` and `mixed`; returns the number of broken files."""
    rng = np.random.default_rng(0)
    bad, large = broken(rng), [picture(rng, 1024, 1024), picture(rng, 2048, 2048)]
    wrong = 0
    for index in range(count):
        block, place = divmod(index, BLOCK)
        name = f"{block:03}/{place:04}.png"
        for kind in ("good", "mixed"):
            (folder / kind / name).parent.mkdir(parents=True, exist_ok=True)
        if place % 100 == 50:
            (folder / "mixed" / name).write_bytes(next(bad))
            wrong += 1
            continue
        data = large[place == 0] if place % 100 == 0 else picture(rng, 64, 64)
        (folder / "good" / name).write_bytes(data)
        os.link(folder / "good" / name, folder / "mixed" / name)
    return wrong


def make_few(folder: Path) -> None:
    """Folders `good` with 8 images, and `mixed` with 20 broken files more."""
    rng = np.random.default_rng(1)
    for kind in ("good", "mixed"):
        (folder / kind).mkdir(parents=True)
    for index in range(8):
        data = picture(rng, 512, 512)
        (folder / "good" / f"a{index}.png").write_bytes(data)
        (folder / "mixed" / f"a{index}.png").write_bytes(data)
    for index in range(20):
        (folder / "mixed" / f"b{index:02}.png").write_bytes(b"\x89PNG broken")


def make_slow(folder: Path) -> None:
    """A folder of 40 small images and a large one, all noise."""
    rng = np.random.default_rng(2)
    folder.mkdir()
    for index in range(SMALL):
        image = Image.fromarray(rng.integers(0, 255, (64, 64), np.uint8))
        (folder / f"{index:02}.png").write_bytes(png(image))
    large = Image.fromarray(rng.integers(0, 255, (3072, 3072), np.uint8))
    (folder / "large.png").write_bytes(png(large))
