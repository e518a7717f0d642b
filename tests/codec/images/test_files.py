"""Image files to arrays, and arrays to the input of a model."""

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from codec.errors import InvalidInput
from codec.image_reader import MAX_PIXELS, read_image
from codec.images.files import (
    prepare,
    restore_geometry,
    tile_grid,
    to_levels,
    to_pixels,
    write_png,
)
from codec.images.input_spec import InputSpec

GRAY = InputSpec(channels=1, height=16, width=16, stride=1, fit="exact")
PAD = InputSpec(channels=3, height=None, width=None, stride=8, fit="pad")
TILE = InputSpec(channels=1, height=16, width=16, stride=1, fit="tile")


def file(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The image as a file."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(*shape: int) -> np.ndarray:
    """Random pixels."""
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def test_pixels_are_rounded_to_the_nearest_level_however_large_the_image_is() -> None:
    x_hat = np.random.default_rng(2).uniform(-0.1, 1.1, (3, 171, 260)).astype(np.float32)
    levels = np.rint(x_hat.clip(0, 1) * np.float32(255)).astype(np.uint8)
    assert (to_pixels(x_hat) == levels.transpose(1, 2, 0)).all()
    assert (to_levels(x_hat[:, ::2, 1:]) == levels[:, ::2, 1:]).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_comes_back_as_written(channels: int) -> None:
    image = noise(9, 7, channels)
    assert (read_image(write_png(image), channels) == image).all()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF", "BMP", "GIF"])
def test_common_formats_are_read(kind: str) -> None:
    data = file(Image.new("RGB", (20, 10), (200, 200, 200)), kind)
    image = read_image(data, 3)
    assert image.shape == (10, 20, 3)
    assert np.abs(image.astype(int) - 200).max() <= 3


def test_the_exif_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(noise(4, 8)).rotate(90, expand=True)
    assert read_image(file(image, "PNG", exif=exif), 1).shape == (4, 8, 1)


def test_transparent_pixels_become_white() -> None:
    assert read_image(file(Image.new("RGBA", (2, 2), (0, 0, 0, 0))), 3).min() == 255
    assert read_image(file(Image.new("LA", (2, 2), (0, 0))), 1).min() == 255


def test_colour_becomes_luma_for_a_gray_model() -> None:
    image = read_image(file(Image.new("RGB", (1, 1), (255, 0, 0))), 1)
    assert image[0, 0, 0] == 76  # 0.299 * 255


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"not an image", "not an image"),
        (file(Image.fromarray(noise(30, 30)))[:200], "damaged"),
        (file(Image.fromarray(np.zeros((4, 4), np.uint16))), "only 8-bit"),
        (file(Image.fromarray(np.zeros((4, 4), np.float32)), "TIFF"), "only 8-bit"),
        (file(Image.new("1", (9000, 8000))), "at most"),
        (file(Image.new("1", (20000, 10000))), "pixels"),
    ],
    ids=["empty", "text", "truncated", "16 bit", "float", "too large", "decompression bomb"],
)
def test_a_bad_file_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read_image(data, 1)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        read_image(data, 1)


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_damaged_file_is_read_or_refused(position: int, value: int) -> None:
    data = bytearray(file(Image.fromarray(noise(12, 12))))
    data[position % len(data)] = value
    with contextlib.suppress(InvalidInput):
        assert read_image(bytes(data), 1).ndim == 3


def test_a_model_of_one_size_names_both_sizes() -> None:
    with pytest.raises(InvalidInput, match="15x16; the model takes exactly 16x16 gray: resize it"):
        prepare(noise(15, 16, 1), GRAY)


def test_channels_are_never_guessed() -> None:
    with pytest.raises(InvalidInput, match="RGB"):
        prepare(noise(16, 16, 3), GRAY)


@given(st.integers(1, 50), st.integers(1, 50))
def test_padding_is_undone(height: int, width: int) -> None:
    image = noise(height, width, 3)
    prepared = prepare(image, PAD)
    assert prepared.tiles.shape[2] % 8 == prepared.tiles.shape[3] % 8 == 0
    tiles = prepared.tiles.astype(np.float32) / 255
    assert (to_pixels(restore_geometry(tiles, prepared.size, PAD)) == image).all()


@given(st.integers(1, 50), st.integers(1, 50))
def test_tiling_is_undone(height: int, width: int) -> None:
    image = noise(height, width, 1)
    prepared = prepare(image, TILE)
    down, across = tile_grid((height, width), TILE)
    assert prepared.tiles.shape == (down * across, 1, 16, 16)
    tiles = prepared.tiles.astype(np.float32) / 255
    assert (to_pixels(restore_geometry(tiles, prepared.size, TILE)) == image).all()


def test_resizing_gives_the_size_of_the_model() -> None:
    spec = InputSpec(channels=3, height=12, width=20, stride=1, fit="resize")
    prepared = prepare(noise(50, 40, 3), spec)
    assert prepared.tiles.shape == (1, 3, 12, 20)
    assert (prepared.target == prepared.tiles[0].transpose(1, 2, 0)).all()


def test_an_image_beyond_the_pixel_limit_is_refused() -> None:
    image = np.broadcast_to(np.uint8(0), (MAX_PIXELS // 8192 + 1, 8192, 1))
    with pytest.raises(InvalidInput, match="pixels"):
        prepare(image, TILE)
