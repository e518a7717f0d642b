import io

import numpy as np
import pytest
from PIL import Image

from codec.errors import InvalidInput
from training.data.masks import is_marked, read_mask, read_masks
from training.errors import TrainingError

MARKED = np.zeros((8, 12), bool)
MARKED[2:5, 3:7] = True


def written(image, kind="png", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def levels(value, dtype=np.uint8):
    return Image.fromarray(np.where(MARKED, value, 0).astype(dtype))


def colours(marked, rest, mode):
    array = np.where(MARKED[..., None], marked, rest).astype(np.uint8)
    return Image.fromarray(array, mode)


def palette(entries, marked=1):
    image = Image.fromarray(np.where(MARKED, marked, 1 - marked).astype(np.uint8), "P")
    image.putpalette([value for entry in entries for value in entry])
    return image


MASKS = {
    "white": levels(255),
    "1": levels(1),
    "a class number": levels(3),
    "1 bit": levels(255).convert("1"),
    "16 bits, 1": levels(1, np.uint16),
    "16 bits, 255": levels(255, np.uint16),
    "16 bits, 65535": levels(65535, np.uint16),
    "blue": colours((0, 0, 1), (0, 0, 0), "RGB"),
    "opaque": colours((9, 9, 9, 255), (0, 0, 0, 255), "RGBA"),
    "red on nothing": colours((255, 0, 0, 255), (255, 255, 255, 0), "RGBA"),
    "gray on nothing": colours((255, 255), (255, 0), "LA"),
    "palette of classes": palette([(0, 0, 0), (128, 0, 0)]),
    "palette whose first entry is white": palette([(255, 255, 255), (0, 0, 0)], marked=0),
    "palette without black": palette([(120, 120, 120), (180, 120, 120)]),
    "palette of gray levels": levels(255).convert("P"),
}


@pytest.mark.parametrize("name", MASKS)
def test_what_is_not_black_is_defect(name):
    np.testing.assert_array_equal(read_mask(written(MASKS[name])), MARKED)


@pytest.mark.parametrize("kind", ["bmp", "tiff", "gif", "webp"])
def test_a_mask_may_be_of_any_format(kind):
    options = {"lossless": True} if kind == "webp" else {}
    np.testing.assert_array_equal(read_mask(written(levels(255), kind, **options)), MARKED)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_wide_and_floating_point_masks_are_read(dtype):
    np.testing.assert_array_equal(read_mask(written(levels(1, dtype), "tiff")), MARKED)


def test_the_haze_around_a_defect_in_a_jpeg_is_not_marked():
    marked = np.zeros((40, 40), np.uint8)
    marked[11:22, 5:30] = 255
    mask = read_mask(written(Image.fromarray(marked), "jpeg", quality=80))
    np.testing.assert_array_equal(mask, marked > 0)
    assert not read_mask(written(Image.new("L", (16, 16)), "jpeg")).any()


def test_a_mask_is_turned_like_its_image():
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read_mask(written(levels(255), exif=exif)).shape == (12, 8)
    np.testing.assert_array_equal(read_mask(written(levels(255), exif=exif)), np.rot90(MARKED, -1))


def test_several_files_mark_together_in_the_size_of_the_first(tmp_path):
    paths = [tmp_path / "0.png", tmp_path / "1.png"]
    levels(255).save(paths[0])
    half = np.zeros((4, 6), np.uint8)
    half[3, 5] = 1
    Image.fromarray(half).save(paths[1])
    expected = MARKED.copy()
    expected[6:, 10:] = True
    np.testing.assert_array_equal(read_masks(paths), expected)
    assert is_marked(paths)
    assert not is_marked([])


@pytest.mark.parametrize("data", [b"", b"no image", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"DDS \0\0"])
def test_what_is_not_an_image_is_refused(data, tmp_path):
    with pytest.raises(InvalidInput, match=r"the file is (empty|not an image)"):
        read_mask(data)
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(TrainingError, match=r"mask a\.png: the file is"):
        read_masks([tmp_path / "a.png"])


def test_damaged_masks_are_refused_in_one_way():
    whole, rng = written(levels(255)), np.random.default_rng(0)
    for _ in range(100):
        data = np.frombuffer(whole, np.uint8).copy()
        data[rng.integers(0, len(data), 3)] = rng.integers(0, 256, 3)
        try:
            assert read_mask(data.tobytes()).dtype == np.bool_
        except InvalidInput:
            continue
