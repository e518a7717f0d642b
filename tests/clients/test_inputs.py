"""Images and records as a caller gives them."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from residuum_client.errors import InvalidInput
from residuum_client.inputs import image_list, image_weight, load_image, load_record, record_list

NOT_AN_IMAGE = "expected an array, the bytes of an image file, its path, the open file or an image"


def png(image: np.ndarray) -> bytes:
    out = io.BytesIO()
    Image.fromarray(image).save(out, "PNG")
    return out.getvalue()


def test_a_gray_image_may_have_two_axes():
    assert load_image(np.zeros((4, 5), np.uint8)).shape == (4, 5, 1)


def test_a_path_is_read(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"bytes")
    assert load_image(tmp_path / "a.png") == b"bytes"
    assert load_image(str(tmp_path / "a.png")) == b"bytes"


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (np.zeros((4, 4), np.float32), "an array float32 [4, 4]; expected uint8"),
        (np.zeros((4, 4, 4), np.uint8), "an array uint8 [4, 4, 4]; expected uint8"),
        (np.zeros((2, 4, 4, 3), np.uint8), "an array uint8 [2, 4, 4, 3]"),
        (np.zeros((0, 4), np.uint8), "an array uint8 [0, 4]; expected"),
        (np.ma.masked_equal(np.eye(4, dtype=np.uint8), 0), "a masked array hides 12 of its values"),
        (np.broadcast_to(np.uint8(7), (2**18, 2**18)), "an array uint8 [262144, 262144]; expected"),
        (7, f"int; {NOT_AN_IMAGE}"),
        (Path("absent.png"), "absent.png cannot be read: No such file"),
        (Path("/dev/zero"), "/dev/zero is a device; expected a file"),
        ("", "path is '', expected a path"),
        ("nul\0.png", r"path is 'nul\x00.png', expected a path without null characters"),
    ],
    ids=[
        *("floats", "four channels", "a batch", "no pixels", "hidden values", "too many pixels"),
        *("a number", "no file", "a device", "no name", "no path"),
    ],
)
def test_anything_but_an_image_is_rejected(image, sentence):
    with pytest.raises(InvalidInput) as caught:
        load_image(image)
    assert str(caught.value).startswith(sentence)


def test_a_record_is_bytes():
    assert load_record(bytearray(b"abc")) == b"abc"
    with pytest.raises(InvalidInput, match="str; expected bytes"):
        load_record("abc")


@pytest.mark.parametrize(
    "one", ["a.png", b"bytes", Path("a.png"), io.BytesIO(b""), Image.new("L", (2, 2)), {"a": b""}]
)
def test_one_image_is_not_taken_for_a_list(one):
    with pytest.raises(InvalidInput, match=r"^one \w+ was given; expected a list of images$"):
        image_list(one)


@pytest.mark.parametrize("wrong", [None, 7, 1.5, object()])
def test_what_is_no_list_is_rejected(wrong):
    with pytest.raises(InvalidInput, match=r"^\w+ was given; expected a list of records$"):
        record_list(wrong)


@pytest.mark.parametrize("shape", [(4, 16, 20), (4, 16, 20, 1), (4, 16, 20, 3), (1, 9, 2)])
def test_an_array_of_images_is_a_list(shape):
    array = np.arange(np.prod(shape)).astype(np.uint8).reshape(shape)
    loaded = [load_image(image) for image in image_list(array)]
    expected = array if len(shape) == 4 else array[..., np.newaxis]
    assert np.array_equal(loaded, expected)


@pytest.mark.parametrize(
    ("shape", "readings"),
    [
        ((16, 12, 1), "one image [16, 12] of 1 channel or 16 gray images 12x1"),
        ((16, 12, 3), "one image [16, 12] of 3 channels or 16 gray images 12x3"),
    ],
)
def test_an_array_with_two_readings_is_rejected_with_both(shape, readings):
    with pytest.raises(InvalidInput) as caught:
        image_list(np.zeros(shape, np.uint8))
    assert readings in str(caught.value)
    assert "[image]" in str(caught.value)


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((4, 5), np.uint8), r"one image, an array \[4, 5\], was given; .*\[image\]"),
        (np.zeros((2, 4, 5)), r"an array float64 \[2, 4, 5\] was given; .*uint8 \[N, H, W\]"),
        (np.zeros(4, np.uint8), r"an array uint8 \[4\] was given"),
        (np.uint8(3) + np.zeros((), np.uint8), r"\w+ was given; expected a list"),
        (np.zeros((1, 2, 3, 4, 5), np.uint8), r"an array uint8 \[1, 2, 3, 4, 5\] was given"),
    ],
    ids=["one image", "floats", "a row", "a number", "five axes"],
)
def test_other_arrays_are_rejected(array, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        image_list(array)


def test_an_array_of_arrays_is_a_list():
    array = np.empty(2, object)
    array[0], array[1] = np.zeros((4, 4), np.uint8), b"file"
    assert len(list(image_list(array))) == 2


def test_a_masked_array_that_hides_nothing_is_taken():
    image = np.ma.masked_equal(np.ones((4, 4), np.uint8), 0)
    assert type(load_image(image)) is np.ndarray


@pytest.mark.parametrize(
    "view",
    [
        lambda image: np.asfortranarray(image),
        lambda image: image[::-1, ::-1],
        lambda image: image.view(np.matrix),
    ],
)
def test_arrays_may_lie_in_memory_in_any_way(view):
    image = np.arange(20, dtype=np.uint8).reshape(4, 5)
    assert np.array_equal(load_image(view(image))[..., 0], np.asarray(view(image)))


def test_an_open_file_is_read(tmp_path):
    (tmp_path / "a.png").write_bytes(b"bytes")
    with (tmp_path / "a.png").open("rb") as file:
        assert load_image(file) == b"bytes"
    assert load_image(io.BytesIO(b"more")) == b"more"


def test_a_file_opened_as_text_is_rejected_with_what_to_write(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    with (
        (tmp_path / "a.txt").open() as file,
        pytest.raises(
            InvalidInput, match=r'a\.txt was opened as text; expected open\(path, "rb"\)'
        ),
    ):
        load_image(file)


def test_a_file_that_is_closed_or_written_is_rejected(tmp_path):
    with (
        (tmp_path / "a.png").open("wb") as file,
        pytest.raises(InvalidInput, match=r"a\.png was not opened for reading"),
    ):
        load_image(file)
    with (tmp_path / "a.png").open("rb") as file:
        pass
    with pytest.raises(InvalidInput, match=r"a\.png cannot be read: .*closed"):
        load_image(file)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_an_image_of_pillow_is_sent_as_its_file_would_be(mode):
    rows = np.arange(256, dtype=np.uint8).reshape(16, 16)
    picture = Image.fromarray(np.dstack([rows, rows.T, 255 - rows])).convert(mode)
    loaded = Image.open(io.BytesIO(load_image(picture)))
    white = Image.new("RGBA", picture.size, "white")
    expected = Image.alpha_composite(white, picture.convert("RGBA"))
    assert loaded.mode in ("L", "RGB")
    assert np.array_equal(np.asarray(loaded.convert("RGB")), np.asarray(expected.convert("RGB")))


def test_an_image_of_pillow_with_more_than_8_bits_is_rejected():
    with pytest.raises(InvalidInput, match="I;16"):
        load_image(Image.new("I;16", (4, 4)))


def test_a_small_file_of_a_large_image_weighs_its_pixels():
    data = png(np.zeros((800, 1000), np.uint8))
    assert len(data) < 5000
    assert image_weight(data) == 800_000


def test_a_file_that_no_model_reads_is_rejected_before_it_is_sent():
    with pytest.raises(InvalidInput, match="not an image"):
        image_weight(b"nothing")
