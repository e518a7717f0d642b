import io
import warnings

import numpy as np
import pytest
from PIL import Image

from training.data.image_files import Limits, find_images, read_images
from training.errors import TrainingError


def test_images_come_in_the_order_of_their_names_from_all_subfolders(make_folder):
    folder = make_folder(3)
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden.png").write_text("no image")
    (folder / "a").mkdir()
    (folder / "002.png").rename(folder / "a" / "002.png")
    assert [path.name for path in find_images(folder)] == ["000.png", "001.png", "002.png"]


def test_gray_and_colour_images_are_converted_to_the_channels_of_the_model(make_folder):
    paths = find_images(make_folder(2, channels=3, height=12))
    assert read_images(paths, 1)[0].shape == (1, 12, 16)
    assert read_images(paths, 3)[0].shape == (3, 12, 16)
    assert read_images(paths, 3, size=(8, 4))[0].shape == (3, 8, 4)


def test_pixels_of_a_file_are_its_pixels(make_folder):
    path = find_images(make_folder(1, channels=3))[0]
    expected = np.asarray(Image.open(path)).transpose(2, 0, 1)
    np.testing.assert_array_equal(read_images([path], 3)[0], expected)


def test_a_picture_is_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side
    Image.new("L", (20, 10)).save(tmp_path / "a.jpg", exif=exif)
    assert read_images([tmp_path / "a.jpg"], 1)[0].shape == (1, 20, 10)


def test_one_unreadable_file_in_five_is_skipped_and_named(make_folder):
    folder = make_folder(10)
    (folder / "003.png").write_bytes(b"")
    (folder / "007.png").write_bytes(b"\x89PNG broken")
    said: list[str] = []
    assert len(read_images(find_images(folder), 1, report=said.append)) == 8
    assert said == [
        "2 of 10 image files cannot be used: 003.png (the file is empty, expected an image), "
        "007.png (the file is not an image of a known format: "
        "JPEG, PNG, WebP, AVIF, GIF, TIFF or BMP)"
    ]


def test_more_than_one_in_five_is_an_error(make_folder):
    folder = make_folder(9)
    (folder / "003.png").write_bytes(b"")
    (folder / "007.png").write_bytes(b"")
    with pytest.raises(TrainingError, match=r"2 of 9 image files cannot be used: 003.png, 007.png"):
        read_images(find_images(folder), 1)


def test_a_truncated_file_counts_as_unreadable(make_folder):
    path = find_images(make_folder(1, height=64, width=64, channels=3))[0]
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(TrainingError, match="cannot be used"):
        read_images([path], 3)


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "tiff", "webp", "bmp", "avif"])
def test_a_damaged_file_of_any_kind_is_unreadable_and_never_more(kind, tmp_path):
    """Damaged readers raise a zoo of exceptions; what can still be read has the right shape."""
    rng = np.random.default_rng(0)
    whole = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8)).save(whole, kind)
    path = tmp_path / "a.png"
    refused = 0
    for _ in range(60):
        data = np.frombuffer(whole.getvalue(), np.uint8).copy()
        where = rng.integers(0, min(len(data), 300), 3)
        data[where] = rng.integers(0, 256, 3)
        path.write_bytes(data.tobytes())
        with warnings.catch_warnings(action="ignore"):
            try:
                assert read_images([path], 3, (8, 8))[0].shape == (3, 8, 8)
            except TrainingError:
                refused += 1
    assert refused > 0


def test_images_of_several_sizes_are_resized_and_it_is_said(make_folder, tmp_path):
    folder = make_folder(4)
    make_folder(1, name="pictures/wide", height=20, width=60)
    make_folder(1, name="pictures/high", height=60, width=20)
    said: list[str] = []
    assert len(read_images(find_images(folder), 1, (16, 16), said.append)) == 6
    assert said == ["images of 3 sizes, from 16x16 to 60x20, are all resized to 16x16"]
    said.clear()
    read_images(find_images(folder)[:2], 1, (8, 8), said.append)
    assert said == ["images of 16x16 are all resized to 8x8"]
    said.clear()
    read_images(find_images(folder)[4:], 1, (8, 8), said.append)
    assert said == ["images of 2 sizes, from 20x60 to 60x20, are all resized to 8x8"]
    said.clear()
    read_images(find_images(folder), 1, None, said.append)
    assert said == []


def test_an_image_of_a_size_that_no_model_takes_costs_no_other(make_folder, tmp_path):
    paths = find_images(make_folder(8))
    for name, (height, width) in {"narrow": (16, 1), "large": (100, 100)}.items():
        Image.new("L", (width, height)).save(tmp_path / f"{name}.png")
        paths.append(tmp_path / f"{name}.png")
    said: list[str] = []
    limits = Limits(min_side=8, max_pixels=9999)
    assert len(read_images(paths, 1, None, said.append, limits)) == 8
    assert said == [
        "2 of 10 image files cannot be used: narrow.png (it has 16x1 pixels; the model needs at "
        "least 8 a side), large.png (it has 100x100 pixels; a record holds at most 9999 pixels)"
    ]
