"""What is not an image of the documented kinds is refused by name, and before it costs anything."""

import io
import re
import struct

import numpy as np
import pytest
from image_samples import encoded, png, png_chunk, random_image, tiff
from PIL import Image

from codec.errors import InvalidInput
from codec.image_reader import (
    FORMATS,
    MAX_SIDE,
    SUFFIXES,
    from_pillow,
    read_header,
    read_image,
    read_values,
)

GRAY = {256: (4, [2]), 257: (4, [2]), 262: (3, [1])}
RGB = {256: (4, [2]), 257: (4, [2]), 262: (3, [2]), 277: (3, [3])}


def avif(high: bool, twelve: bool) -> bytes:
    """An AVIF whose properties name a bit depth; its pixels have 8 bits."""
    data = bytearray(encoded(random_image("RGB"), "AVIF"))
    at = data.index(b"av1C") + 6
    data[at] = data[at] & ~0x60 | high << 6 | twelve << 5
    if (pixi := data.find(b"pixi")) >= 0:
        data[pixi + 9 : pixi + 12] = bytes([(12 if twelve else 10) if high else 8] * 3)
    return bytes(data)


def jpeg(bits: int) -> bytes:
    """A JPEG whose frame header names a precision."""
    data = bytearray(encoded(random_image("RGB"), "JPEG"))
    data[data.index(b"\xff\xc0") + 4] = bits
    return bytes(data)


DEEP = {
    "PNG 16-bit gray": (png(16, 0, [bytes(2)]), "PNG image has 16 bits"),
    "PNG 16-bit gray and alpha": (png(16, 4, [bytes(4)]), "PNG image has 16 bits"),
    "PNG 16-bit RGB": (png(16, 2, [bytes(6)]), "PNG image has 16 bits"),
    "PNG 16-bit RGBA": (png(16, 6, [bytes(8)]), "PNG image has 16 bits"),
    "TIFF 16-bit RGB": (tiff({**RGB, 258: (3, [16] * 3)}, bytes(24)), "TIFF image has 16 bits"),
    "TIFF 12-bit gray": (tiff({**GRAY, 258: (3, [12])}, bytes(6)), "TIFF image has 12 bits"),
    "TIFF one deep channel": (tiff({**RGB, 258: (3, [8, 8, 16])}, bytes(16)), "16 bits"),
    "TIFF half precision": (
        tiff({**GRAY, 258: (3, [16]), 339: (3, [3])}, bytes(8)),
        "16-bit floating-point",
    ),
    "TIFF signed": (tiff({**GRAY, 258: (3, [8]), 339: (3, [2])}, bytes(4)), "8-bit signed integer"),
    "TIFF 64-bit": (tiff({**GRAY, 258: (3, [64]), 339: (3, [3])}, bytes(32)), "64-bit floating"),
    "AVIF 10-bit": (avif(high=True, twelve=False), "AVIF image has 10 bits"),
    "AVIF 12-bit": (avif(high=True, twelve=True), "AVIF image has 12 bits"),
    "JPEG 12-bit": (jpeg(12), "JPEG image has 12 bits"),
}


@pytest.mark.parametrize("name", DEEP)
def test_more_than_8_bits_are_refused_by_name(name) -> None:
    data, words = DEEP[name]
    for read in (read_header, lambda d: read_image(d, 3)):
        with pytest.raises(InvalidInput, match=f"{words}.*; only 8-bit images are read"):
            read(data)


def test_the_same_files_with_8_bits_are_read() -> None:
    assert read_image(avif(high=False, twelve=False), 3).shape == (6, 9, 3)
    assert read_image(jpeg(8), 3).shape == (6, 9, 3)
    assert read_image(tiff({**RGB, 258: (3, [8] * 3)}, bytes(12)), 3).shape == (2, 2, 3)


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "I;16"), ("TIFF", "I;16"), ("TIFF", "F")])
def test_deep_values_that_are_not_colours_can_be_read_all_the_same(kind, mode) -> None:
    image = random_image(mode)
    values = np.asarray(read_values(encoded(image, kind)))
    assert np.asarray(image).tobytes() == values.tobytes()


@pytest.mark.parametrize(
    "kind", ["PPM", "TGA", "ICO", "PCX", "SGI", "DDS", "JPEG2000", "EPS", "PDF"]
)
def test_other_formats_are_refused_whatever_pillow_knows(kind) -> None:
    data = encoded(random_image("RGB", 32, 32), kind)
    with pytest.raises(InvalidInput, match="known format: JPEG, PNG, WebP, AVIF, GIF, TIFF or BMP"):
        read_image(data, 1)


def test_a_picture_of_another_format_that_pillow_only_opened_is_refused() -> None:
    with (
        Image.open(io.BytesIO(encoded(random_image("RGB", 32, 32), "EPS"))) as image,
        pytest.raises(InvalidInput, match="known format"),
    ):
        from_pillow(image, 1)


def test_heic_is_not_taken_for_avif() -> None:
    box = struct.pack(">I", 24) + b"ftypheic" + bytes(4) + b"mif1heic"
    with pytest.raises(InvalidInput, match="known format"):
        read_header(box + bytes(100))


def test_a_format_has_suffixes_in_lower_case() -> None:
    assert sorted(SUFFIXES) == sorted(s for suffixes in FORMATS.values() for s in suffixes)
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in SUFFIXES)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF", "BMP", "WEBP", "JPEG"])
def test_a_huge_canvas_is_refused_before_it_is_decoded(kind) -> None:
    width, height = MAX_SIDE + 1, 20
    if kind == "WEBP":  # Pillow itself writes no larger one
        data = bytearray(encoded(random_image("RGBA"), "WEBP", exif=b"Exif\0\0"))
        data[24:30] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    else:
        data = encoded(Image.new("L", (width, height)), kind)
    for read in (read_header, lambda d: read_image(d, 1)):
        with pytest.raises(InvalidInput, match=f"is {width}x{height}; at most {MAX_SIDE} pixels a"):
            read(bytes(data))


def test_webp_may_have_half_the_pixels_since_its_decoder_takes_most_memory() -> None:
    data = bytearray(encoded(random_image("RGBA"), "WEBP", exif=b"Exif\0\0"))
    data[24:30] = (8190 - 1).to_bytes(3, "little") * 2
    with pytest.raises(InvalidInput, match=f"is 8190x8190; .* and {2**25} in all are read"):
        read_header(bytes(data))


def refusal(data: bytes) -> str:
    """Why a file is refused; empty if it is not."""
    try:
        read_image(data, 3)
    except InvalidInput as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF", "BMP", "WEBP", "JPEG", "AVIF"])
def test_a_sentence_has_no_words_about_code(kind) -> None:
    data = encoded(random_image("RGB"), kind)
    words = r"out of range|unpack|Python|NoneType|attribute|argument|not supported between"
    for length in range(1, min(len(data), 400)):
        assert not re.search(words, refusal(data[:length])), length


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({322: (4, [2**20]), 323: (4, [2**20])}, "tiles of 1048576x1048576"),
        ({277: (4, [2**31])}, "2147483648 channels, expected at most 6"),
        ({258: (3, [0])}, "damaged"),
        ({259: (3, [34712])}, "compressed by method 34712, which is not read"),
        ({278: (3, [1])}, "1 of the 2 strips or tiles that its size needs"),
        ({284: (3, [2]), 277: (3, [3]), 262: (3, [2])}, "1 of the 3 strips or tiles"),
        ({322: (3, [1]), 323: (3, [2]), 324: (4, [8])}, "1 of the 2 strips or tiles"),
        ({273: (4, [2**31])}, "damaged"),
        ({256: (4, [0])}, "damaged"),
        ({262: (3, [3])}, "damaged"),
    ],
    ids=[
        *("tiles", "channels", "bits", "compression", "too few strips", "too few planes"),
        *("too few tiles", "strips", "width", "palette"),
    ],
)
def test_an_absurd_tiff_is_refused(fields, words) -> None:
    data = tiff({**GRAY, 258: (3, [8]), **fields}, bytes(4))
    with pytest.raises(InvalidInput, match=words):
        read_image(data, 1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP"])
def test_a_truncated_file_is_refused(kind) -> None:
    data = encoded(random_image("RGB", 64, 64), kind)
    for part in (len(data) // 2, len(data) * 9 // 10):
        with pytest.raises(InvalidInput, match="damaged or not readable"):
            read_image(data[:part], 3)


@pytest.mark.parametrize("name", [b"IHDR", b"PLTE", b"tRNS", b"IDAT"])
def test_a_png_whose_checksum_tells_of_damage_is_refused(name) -> None:
    parts = (png_chunk(b"PLTE", bytes(6)), png_chunk(b"tRNS", b"\x07"))
    data = bytearray(png(1, 3, [b"\x80"], *parts))
    assert read_image(bytes(data), 3).shape == (1, 1, 3)
    at = data.index(name)
    (length,) = struct.unpack_from(">I", data, at - 4)
    data[at + 4 + length] ^= 1
    with pytest.raises(InvalidInput, match=f"damaged: the checksum of {name.decode()} is wrong"):
        read_image(bytes(data), 3)


def test_a_png_with_a_palette_that_it_lacks_is_refused() -> None:
    with pytest.raises(InvalidInput, match="has a palette, but no colours"):
        read_image(png(1, 3, [b"\x80"]), 3)


def test_an_error_is_one_line_without_addresses_of_memory() -> None:
    for kind in ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF", "BMP"):
        with pytest.raises(InvalidInput) as caught:
            read_image(encoded(random_image("RGB"), kind)[:40], 3)
        assert str(caught.value).isprintable()
        assert "0x" not in str(caught.value)
