"""Cutting a caller's list into messages."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from residuum_client.errors import InvalidInput
from residuum_client.packing import Packing, image_weight, load_image, load_record, packed

shapes = st.sampled_from([(2, 3, 1), (3, 2, 1), (2, 2, 3)])
elements = st.lists(st.one_of(shapes.map(lambda s: np.zeros(s, np.uint8)), st.binary(max_size=20)))


def packing(**limits: int) -> Packing:
    return Packing(load_image, weigh=image_weight, **limits)


@given(elements, st.integers(1, 40), st.integers(1, 5))
def test_batches_hold_every_image_once_and_in_order(images, weight, items):
    batches = list(packed(packing(max_weight=weight, max_items=items), images))
    flat = [item for batch in batches for item in batch.items]
    assert [batch.first for batch in batches] == _starts(batches)
    assert len(flat) == len(images)
    assert all(np.array_equal(a, b) for a, b in zip(flat, images, strict=True))


@given(elements, st.integers(1, 40), st.integers(1, 5))
def test_no_batch_exceeds_a_limit_unless_it_holds_one_image(images, weight, items):
    for batch in packed(packing(max_weight=weight, max_items=items), images):
        assert len(batch.items) <= items
        assert len(batch.items) == 1 or sum(map(image_weight, batch.items)) <= weight


@given(elements)
def test_a_batch_holds_files_or_arrays_of_one_shape(images):
    for batch in packed(packing(), images):
        kinds = {item.shape if isinstance(item, np.ndarray) else bytes for item in batch.items}
        assert len(kinds) == 1


def test_a_batch_is_ready_before_the_iterable_ends():
    def endless():
        while True:
            yield b"x"

    batch = next(packed(packing(max_items=3), endless()))
    assert len(batch.items) == 3


def test_a_gray_image_may_have_two_axes():
    assert load_image(np.zeros((4, 5), np.uint8), 0).shape == (4, 5, 1)


def test_a_path_is_read(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"bytes")
    assert load_image(tmp_path / "a.png", 0) == b"bytes"
    assert load_image(str(tmp_path / "a.png"), 0) == b"bytes"


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (np.zeros((4, 4), np.float32), "image 7: an array float32 [4, 4]; expected uint8"),
        (np.zeros((4, 4, 4), np.uint8), "image 7: an array uint8 [4, 4, 4]; expected uint8"),
        (np.zeros((2, 4, 4, 3), np.uint8), "image 7: an array uint8 [2, 4, 4, 3]"),
        (np.zeros((0, 4), np.uint8), "image 7: an array uint8 [0, 4]; expected"),
        (7, "image 7: int; expected an array, bytes or a path"),
        (Path("absent.png"), "image 7: absent.png cannot be read: No such file"),
        ("nul\0.png", "image 7: nul\0.png cannot be read"),
    ],
    ids=["floats", "four channels", "a batch", "no pixels", "a number", "no file", "no path"],
)
def test_anything_but_an_image_is_rejected_with_its_index(image, sentence):
    with pytest.raises(InvalidInput) as caught:
        load_image(image, 7)
    assert str(caught.value).startswith(sentence)
    assert caught.value.index == 7


def test_a_record_is_bytes():
    assert load_record(bytearray(b"abc"), 0) == b"abc"
    with pytest.raises(InvalidInput, match="record 2: str; expected bytes"):
        load_record("abc", 2)


@pytest.mark.parametrize("one", ["a.png", b"bytes", Path("a.png")])
def test_one_image_is_not_taken_for_a_list(one):
    with pytest.raises(InvalidInput, match=r"one \w+ was given; expected a list"):
        list(packed(packing(), one))


def test_a_small_file_of_a_large_image_weighs_its_pixels():
    out = io.BytesIO()
    Image.new("L", (1000, 800)).save(out, "PNG")
    assert len(out.getvalue()) < 5000
    assert image_weight(out.getvalue()) == 800_000


def _starts(batches):
    starts, place = [], 0
    for batch in batches:
        starts.append(place)
        place += len(batch.items)
    return starts
