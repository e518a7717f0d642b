"""Every mode that Pillow writes in every format, against a calculation by hand."""

import io

import numpy as np
import pytest
from image_samples import (
    FORMATS,
    as_gray,
    as_rgb,
    encoded,
    over_white,
    png,
    png_chunk,
    random_image,
    tiff,
    writable,
)
from PIL import Image

from codec.errors import InvalidInput
from codec.image_reader import from_pillow, read_header, read_image

# Formats that keep the values of these modes as they are.
EXACT = [
    *(("PNG", mode) for mode in ("1", "L", "P", "LA", "RGB", "RGBA")),
    *(("TIFF", mode) for mode in ("1", "L", "P", "PA", "LA", "RGB", "RGBA", "RGBX", "CMYK")),
    *(("BMP", mode) for mode in ("1", "L", "P", "RGB")),
    *(("GIF", mode) for mode in ("1", "L", "P")),
    *(("WEBP", mode) for mode in ("1", "L", "RGB", "RGBX")),
]
# What the formats keep of more than 8 bits.
DEEP = {
    ("PNG", "I;16"): "16 bits a channel",
    ("PNG", "I;16B"): "16 bits a channel",
    ("TIFF", "I"): "32-bit signed integer channels",
    ("TIFF", "I;16"): "16 bits a channel",
    ("TIFF", "I;16L"): "16 bits a channel",
    ("TIFF", "I;16B"): "16 bits a channel",
    ("TIFF", "F"): "32-bit floating-point channels",
}


@pytest.mark.parametrize(("kind", "mode"), EXACT)
def test_a_lossless_file_has_the_pixels_that_a_calculation_by_hand_gives(kind, mode) -> None:
    image = random_image(mode, 40, 30)
    data = encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {}))
    expected = as_rgb(image)
    assert (read_image(data, 3) == expected).all()
    assert (read_image(data, 1) == as_gray(expected)).all()


@pytest.mark.parametrize(("kind", "mode"), writable())
def test_every_mode_that_pillow_writes_is_read_as_pillow_shows_it_or_refused_by_name(
    kind, mode
) -> None:
    data = encoded(random_image(mode), kind)
    if (kind, mode) in DEEP:
        for read in (lambda d: read_image(d, 1), read_header):
            with pytest.raises(InvalidInput, match=DEEP[kind, mode]):
                read(data)
        return
    with Image.open(io.BytesIO(data)) as file:
        rgba = np.asarray(file.convert("RGBA"))
    expected = over_white(rgba[..., :3], rgba[..., 3:])
    assert (read_image(data, 3) == expected).all()
    assert (read_image(data, 1) == as_gray(expected)).all()
    assert read_header(data).format.upper() == kind


@pytest.mark.parametrize("kind", FORMATS)
def test_the_header_has_the_size_of_the_image(kind) -> None:
    header = read_header(encoded(random_image("RGB", 33, 17), kind))
    assert (header.height, header.width) == (33, 17)


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_gray_levels_of_few_bits_are_spread_also_the_transparent_one(depth) -> None:
    levels = 2**depth
    rows = [bytes([value << (8 - depth)]) for value in range(levels)]
    clear = png_chunk(b"tRNS", (levels - 2).to_bytes(2))
    expected = np.arange(levels) * 255 // (levels - 1)
    assert (read_image(png(depth, 0, rows), 1)[:, 0, 0] == expected).all()
    expected[levels - 2] = 255
    assert (read_image(png(depth, 0, rows, clear), 1)[:, 0, 0] == expected).all()


def test_a_colour_named_transparent_is_white() -> None:
    clear = png_chunk(b"tRNS", bytes([0, 10, 0, 20, 0, 30]))
    image = read_image(png(8, 2, [bytes([10, 20, 30]), bytes([10, 20, 31])], clear), 3)
    assert image.tolist() == [[[255, 255, 255]], [[10, 20, 31]]]


def test_a_palette_may_be_transparent_in_part() -> None:
    image = random_image("P", 8, 8)
    index = np.asarray(image)
    alpha = np.arange(256, dtype=np.uint8)[::-1]
    data = encoded(image, "PNG", transparency=alpha.tobytes())
    expected = over_white(as_rgb(image), alpha[index][..., np.newaxis])
    assert (read_image(data, 3) == expected).all()


def test_alpha_that_is_multiplied_into_the_colour_is_undone() -> None:
    fields = {256: (4, [2]), 257: (4, [1]), 262: (3, [1]), 338: (3, [1])}
    gray = {**fields, 258: (3, [8, 8]), 277: (3, [2])}
    assert read_image(tiff(gray, bytes([50, 100, 0, 0])), 1)[0, :, 0].tolist() == [205, 255]
    colour = {**fields, 262: (3, [2]), 258: (3, [8] * 4), 277: (3, [4])}
    image = read_image(tiff(colour, bytes([50, 0, 100, 100, 0, 0, 0, 0])), 3)
    assert np.abs(image[0, 0].astype(int) - [205, 155, 255]).max() <= 1
    assert image[0, 1].tolist() == [255] * 3


@pytest.mark.parametrize("scale", [1, 257])
def test_a_palette_of_tiff_may_have_8_bits(scale) -> None:
    fields = {256: (4, [2]), 257: (4, [1]), 258: (3, [8]), 262: (3, [3])}
    colours = [(level * 7 + plane) % 256 for plane in range(3) for level in range(256)]
    data = tiff({**fields, 320: (3, [scale * value for value in colours])}, b"\x02\x05")
    assert read_image(data, 3).tolist() == [[[14, 15, 16], [35, 36, 37]]]


def test_bands_of_rows_leave_no_seam() -> None:
    image = random_image("RGBA", 2100, 1000)  # two bands and a part
    assert (read_image(encoded(image, "TIFF"), 3) == as_rgb(image)).all()


@pytest.mark.parametrize(("bits", "masks"), [("5-5-5", None), ("5-6-5", (0xF800, 0x7E0, 0x1F))])
def test_a_bitmap_of_16_bits_a_pixel_has_less_than_8_a_channel(bits, masks) -> None:
    pixel = (31 << 11 if masks else 31 << 10).to_bytes(2, "little") + b"\0\0"
    table = b"".join(mask.to_bytes(4, "little") for mask in masks or ())
    numbers = [40, 1, 1, 1 | 16 << 16, 3 if masks else 0, 4, 0, 0, 0, 0]
    info = b"".join(number.to_bytes(4, "little") for number in numbers) + table
    head = b"BM" + (14 + len(info) + 4).to_bytes(4, "little") + bytes(4)
    data = head + (14 + len(info)).to_bytes(4, "little") + info + pixel
    assert read_image(data, 3).tolist() == [[[255, 0, 0]]]


def test_the_fourth_byte_of_a_bitmap_is_alpha_only_where_a_mask_says_so() -> None:
    image = random_image("RGBA")
    assert (read_image(encoded(image, "BMP"), 3) == np.asarray(image)[..., :3]).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBX", "RGBA", "CMYK"])
def test_a_picture_of_pillow_follows_the_same_rules(mode) -> None:
    image = random_image(mode)
    assert (from_pillow(image, 3) == as_rgb(image)).all()
    assert (from_pillow(image, 1) == as_gray(as_rgb(image))).all()


@pytest.mark.parametrize("mode", ["I", "I;16", "I;16B", "F"])
def test_a_deep_picture_of_pillow_is_refused_by_name(mode) -> None:
    with pytest.raises(InvalidInput, match=f"type '{mode}'; only 8-bit"):
        from_pillow(random_image(mode), 1)
