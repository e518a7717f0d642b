"""Orientation is applied once, from whatever states it, and metadata decide about nothing else."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_samples import encoded, png_chunk, random_image, tiff, turned, with_orientation
from PIL import Image, PngImagePlugin

from codec.image_reader import from_pillow, read_header, read_image, read_values

ALL = range(1, 9)
TURNING = ("JPEG", "TIFF", "PNG", "WEBP", "AVIF")
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'


@pytest.mark.parametrize("kind", TURNING)
@pytest.mark.parametrize("orientation", ALL)
def test_all_orientations_are_applied(kind, orientation) -> None:
    image = random_image("RGB", 5, 8)
    lying = read_image(encoded(image, kind), 3)
    data = encoded(image, kind, exif=with_orientation(orientation))
    upright = read_image(data, 3)
    assert (upright == turned(lying, orientation)).all()
    header = read_header(data)
    assert (header.height, header.width) == upright.shape[:2]
    assert (np.asarray(read_values(data)) == upright).all()


@pytest.mark.parametrize("orientation", ALL)
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg"])
@pytest.mark.parametrize("big", [False, True])
def test_a_tiff_is_turned_once_whatever_decodes_it(orientation, compression, big) -> None:
    image = random_image("RGB", 16, 24)
    lying = read_image(encoded(image, "TIFF", compression=compression), 3)
    exif = with_orientation(orientation)
    data = encoded(image, "TIFF", compression=compression, exif=exif, big_tiff=big)
    assert (read_image(data, 3) == turned(lying, orientation)).all()


@pytest.mark.parametrize("kind", [1, 3, 4, 6, 8, 9])
def test_the_tag_may_be_an_integer_of_any_type(kind) -> None:
    fields = {256: (4, [3]), 257: (4, [2]), 258: (3, [8]), 262: (3, [1]), 274: (kind, [6])}
    assert read_image(tiff(fields, bytes(range(6))), 1).shape == (3, 2, 1)


@pytest.mark.parametrize("text", ["='6'", ' = "6"', "> 6 </tiff:Orientation>"])
def test_xmp_may_be_written_in_any_way(text) -> None:
    xmp = b"http://ns.adobe.com/xap/1.0/\0<rdf:Description tiff:Orientation" + text.encode()
    data = encoded(random_image("L", 4, 8), "JPEG")
    segment = b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp
    assert read_image(data[:2] + segment + data[2:], 1).shape == (8, 4, 1)


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_has_either_order_of_bytes(order) -> None:
    fields = {256: (4, [3]), 257: (4, [2]), 258: (3, [8]), 262: (3, [1]), 274: (3, [6])}
    image = read_image(tiff(fields, bytes(range(6)), order), 1)[..., 0]
    assert image.tolist() == [[3, 0], [4, 1], [5, 2]]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_xmp_counts_where_exif_says_nothing(kind, orientation) -> None:
    image = random_image("L", 4, 8)
    lying = read_image(encoded(image, kind), 1)
    upright = turned(lying, orientation)
    xmp = XMP % orientation
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp.decode(), zip=orientation == 6)
        options = {"pnginfo": info}
    elif kind == "TIFF":
        options = {"tiffinfo": {700: xmp}}
    else:
        options = {"xmp": xmp}
    assert (read_image(encoded(image, kind, **options), 1) == upright).all()
    if kind != "TIFF":
        both = encoded(image, kind, exif=with_orientation(8), **options)
        assert (read_image(both, 1) == turned(lying, 8)).all()


@pytest.mark.parametrize("zipped", [False, True])
def test_exif_in_a_text_of_png_counts(zipped) -> None:
    image = random_image("L", 4, 8)
    exif = with_orientation(6).tobytes()
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n{len(exif):8}\n{exif.hex()}\n", zip=zipped)
    upright = turned(np.asarray(image), 6)
    assert (read_image(encoded(image, "PNG", pnginfo=info), 1)[..., 0] == upright).all()


def test_a_png_may_state_it_behind_the_pixels() -> None:
    image = random_image("L", 4, 8)
    data = encoded(image, "PNG")
    chunk = png_chunk(b"eXIf", with_orientation(6).tobytes()[6:])
    behind = data[:-12] + chunk + data[-12:]
    assert (read_image(behind, 1)[..., 0] == turned(np.asarray(image), 6)).all()


def test_a_rational_that_is_too_large_does_not_fail_the_picture() -> None:
    exif = bytearray(with_orientation(6).tobytes())
    # A second field: the focal length as eight bytes that no rational of EXIF can be.
    exif[14:16] = struct.pack(">H", 2)
    exif = exif[:28] + struct.pack(">HHII", 0x920A, 10, 1, 2**31) + exif[28:]
    image = random_image("RGB", 16, 24)
    data = encoded(image, "JPEG", exif=bytes(exif))
    assert (read_image(data, 3) == turned(read_image(encoded(image, "JPEG"), 3), 6)).all()


@given(st.binary(max_size=60), st.sampled_from(["JPEG", "PNG", "WEBP"]))
def test_metadata_of_any_bytes_neither_change_nor_refuse_the_pixels(exif, kind) -> None:
    image = random_image("L", 4, 8)
    lying = read_image(encoded(image, kind), 1)
    data = encoded(image, kind, exif=b"Exif\0\0MM\0*" + exif)
    upright = read_image(data, 1)
    assert any(np.array_equal(upright, turned(lying, orientation)) for orientation in ALL)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_none(value) -> None:
    image = random_image("L", 4, 8)
    data = encoded(image, "PNG", exif=with_orientation(value))
    assert (read_image(data, 1)[..., 0] == np.asarray(image)).all()


def test_bombs_in_texts_and_profiles_are_not_opened() -> None:
    image = random_image("L", 4, 8)
    data = encoded(image, "PNG", icc_profile=bytes(1 << 22))
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "0" * (1 << 22), zip=True)
    for bomb in (data, encoded(image, "PNG", pnginfo=info)):
        assert (read_image(bomb, 1)[..., 0] == np.asarray(image)).all()


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "AVIF", "TIFF"])
def test_the_first_frame_or_page_is_read(kind) -> None:
    first, second = Image.new("RGB", (8, 6), "white"), random_image("RGB", 6, 8)
    data = encoded(first, kind, save_all=True, append_images=[second])
    assert (read_image(data, 3) >= 250).all()


def test_the_first_image_of_an_mpo_is_read_also_where_its_index_is_damaged() -> None:
    first, second = Image.new("L", (16, 16), 200), Image.new("L", (16, 16), 0)
    data = encoded(first, "MPO", save_all=True, append_images=[second])
    assert read_header(data).format == "JPEG"
    at = data.index(b"MPF\0") + 4
    for file in (data, data[:at] + bytes(60) + data[at + 60 :]):
        assert np.abs(read_image(file, 1).astype(int) - 200).max() <= 1


def test_a_frame_that_is_smaller_than_its_canvas_is_placed_on_it() -> None:
    data = bytearray(encoded(Image.new("P", (4, 4), 1), "GIF", transparency=0))
    data[6:10] = struct.pack("<HH", 9, 7)
    assert read_image(bytes(data), 1).shape == (7, 9, 1)


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize("kind", TURNING)
def test_a_file_that_pillow_opened_is_read_as_the_file_itself(kind, loaded) -> None:
    data = encoded(random_image("RGB", 8, 12), kind, exif=with_orientation(6))
    with Image.open(io.BytesIO(data)) as image:
        if loaded:
            image.load()
        assert (from_pillow(image, 3) == read_image(data, 3)).all()
