"""All detectors of a bundle: written and read back, refused when damaged, computed together."""

import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from detector_bundles import random_cells, random_detectors
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from codec.bundle.npz import pack_arrays, unpack_arrays
from codec.detectors import Cells, Components, Detectors, Neighbours, working_image
from codec.detectors.detectors import is_smoothed
from codec.detectors.working import smoothed_picture
from codec.errors import BundleError

SIZES = [(1, 1), (1, 40), (16, 16), (7, 300), (97, 61), (600, 700)]


def noise(height: int, width: int, channels: int = 1) -> np.ndarray:
    """A random image `[H, W, C]`."""
    return np.random.default_rng(1).integers(0, 256, (height, width, channels), np.uint8)


def read_back(detectors: Detectors) -> Detectors:
    """Detectors written to `detectors.npz` and read again."""
    return Detectors.unpack(unpack_arrays(pack_arrays(detectors.pack()), "detectors.npz"))


@given(
    seed=st.integers(0, 2**32),
    channels=st.sampled_from([1, 3]),
    size=st.tuples(st.integers(8, 32), st.integers(8, 32)),
)
def test_detectors_read_back_give_the_same_maps_bit_for_bit(seed, channels, size):
    detectors = random_detectors(seed, channels, size)
    again = read_back(detectors)
    image, names = noise(50, 40, channels), list(detectors.by_name)
    before, after = detectors.maps(image, names), again.maps(image, names)
    assert list(before) == names
    for name in names:
        assert before[name].tobytes() == after[name].tobytes()
        assert before[name].dtype == np.float32
        assert before[name].shape == again.by_name[name].shape
        assert before[name].min() >= 0
    assert {k: v.tobytes() for k, v in again.scales.items()} == {
        k: v.tobytes() for k, v in detectors.scales.items()
    }
    assert again.floor.tobytes() == detectors.floor.tobytes()
    assert again.full.tobytes() == detectors.full.tobytes()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_an_image_of_any_size_has_all_maps(size: tuple[int, int], channels: int) -> None:
    detectors = random_detectors(channels=channels)
    maps = detectors.maps(noise(*size, channels), list(detectors.by_name))
    assert {name: found.shape for name, found in maps.items()} == {
        name: detector.shape for name, detector in detectors.by_name.items()
    }
    assert all(np.isfinite(found).all() for found in maps.values())


def test_a_map_is_the_same_whatever_else_is_computed() -> None:
    detectors, image = random_detectors(), noise(60, 50)
    together = detectors.maps(image, list(detectors.by_name))
    for name, detector in detectors.by_name.items():
        assert together[name].tobytes() == detectors.maps(image, [name])[name].tobytes()
        picture = working_image(image, detector.size)
        alone = detector.map(smoothed_picture(picture) if is_smoothed(name) else picture)
        assert together[name].tobytes() == alone.tobytes()


def test_no_names_give_no_maps() -> None:
    assert Detectors().maps(noise(5, 5), []) == {}


def test_the_largest_image_takes_no_float_copy() -> None:
    detectors, image = random_detectors(channels=3), noise(4000, 4000, 3)
    tracemalloc.start()
    detectors.maps(image, list(detectors.by_name))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * image[..., 0].size


def damaged(key: str, change) -> dict[str, np.ndarray]:
    """The arrays of random detectors with one of them changed, or left out if it becomes None."""
    arrays = random_detectors().pack()
    arrays[key] = change(arrays[key])
    return {name: array for name, array in arrays.items() if array is not None}


def set_first(value: float):
    """A change that replaces the first value of an array."""

    def change(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array.flat[0] = value
        return array

    return change


DAMAGE = [
    (
        "components20.size",
        lambda a: a.astype(np.int64),
        r"size is int64 \[2\], expected int32 \[2\]",
    ),
    ("components20.size", set_first(65), r"working size 65x16, expected sides of 1\.\.64"),
    ("components20.size", set_first(-1), "working size -1x16"),
    ("components20.size", set_first(15), "images of 256 values, expected 240 or 720"),
    ("components20.mean", lambda _: None, "components has"),
    ("components20.mean", lambda a: a.astype(np.float64), "components20: mean is float64"),
    ("components20.mean", set_first(np.nan), "mean must be finite"),
    ("components20.mean", lambda a: a[:0], r"mean is float32 \[0\]"),
    ("components20.basis", lambda a: a.T, "basis is"),
    ("components20.basis", lambda a: a.astype(np.float32), "basis is float32"),
    ("components20.basis", set_first(np.inf), "basis must be"),
    ("components20.basis", set_first(2), "basis must be orthonormal"),
    ("components20.basis", lambda a: np.resize(a, (513, 256)), "513 components, at most 512"),
    ("components20.scale", lambda a: a[1:], "components20.scale is"),
    ("components20.scale", set_first(0), "components20.scale must be at least 1e-12"),
    ("neighbours.images", lambda a: a.astype(np.int8), "images is int8"),
    ("neighbours.images", lambda a: a[:, 1:], "images of 255 values"),
    ("neighbours.images", lambda a: np.resize(a, (2001, 256)), "2001 images, at most 2000"),
    ("neighbours.size", set_first(65), "working size 65x16"),
    ("cells4.side", set_first(8), "mean is"),
    ("cells4.side", set_first(5), "cells of side 5"),
    ("cells4.side", lambda a: a[0], r"side is int32 \[\]"),
    ("cells4.size", set_first(129), "working size 129x16"),
    ("cells8.size", set_first(7), r"working size 7x16, expected sides of 8\.\.128"),
    ("cells4.mean", lambda a: a[:9], "9 statistics of a cell"),
    ("cells4.whitening", lambda a: a[1:], "whitening is"),
    ("cells4.whitening", set_first(np.nan), "whitening must be finite"),
    ("cells4.whitening", lambda a: a[..., None], "whitening is"),
    ("heatmap.floor", lambda _: None, "lacks heatmap.floor or .full"),
    ("heatmap.full", lambda a: a[1:], "heatmap.full is"),
    ("heatmap.full", lambda a: a[:, None], "heatmap.full has the shape"),
    ("heatmap.full", lambda a: a - 100, "heatmap.full must be above heatmap.floor"),
]


@pytest.mark.parametrize(("key", "change", "complaint"), DAMAGE)
def test_damaged_arrays_are_refused(key, change, complaint):
    with pytest.raises(BundleError, match=complaint):
        Detectors.unpack(damaged(key, change))


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("other.mean", "no detector is called 'other'"),
        ("cells5.mean", "no detector is called 'cells5'"),
        ("mean", "no detector is called 'mean'"),
        ("", "no detector is called ''"),
        ("neighbours.more", "neighbours has"),
        ("other.scale", "no detector is called 'other'"),
    ],
)
def test_arrays_that_belong_to_no_detector_are_refused(name: str, complaint: str) -> None:
    arrays = random_detectors().pack() | {name: np.ones(3, np.float32)}
    with pytest.raises(BundleError, match=complaint):
        Detectors.unpack(arrays)


def test_native_maps_have_nothing_but_a_scale() -> None:
    arrays = random_detectors().pack()
    scaled = Detectors.unpack(arrays | {"residual.scale": np.ones((5, 6), np.float32)})
    assert scaled.scales["residual"].shape == (5, 6)
    with pytest.raises(BundleError, match="residual"):
        Detectors.unpack(arrays | {"residual.basis": np.ones((5, 6), np.float32)})


def test_a_name_belongs_to_one_kind_and_side() -> None:
    cells = random_cells(np.random.default_rng(0), 4, 1, (16, 16))
    with pytest.raises(BundleError, match="components20 is a Cells"):
        Detectors({"components20": cells})
    with pytest.raises(BundleError, match="cells8 has cells of side 4"):
        Detectors({"cells8": cells})


def test_more_than_16_detectors_are_refused() -> None:
    one = random_detectors().by_name["components20"]
    with pytest.raises(BundleError, match="17 detectors, at most 16"):
        Detectors({f"components{k}": one for k in range(1, 18)})


@pytest.mark.parametrize("kind", [Components, Neighbours, Cells])
def test_every_kind_reads_what_it_writes(kind) -> None:
    (detector,) = {
        type(one): one for one in random_detectors(3).by_name.values() if type(one) is kind
    }.values()
    assert kind.unpack(detector.pack()).pack().keys() == detector.pack().keys()
    with pytest.raises(BundleError, match="expected"):
        kind.unpack({})


@given(
    key=st.sampled_from(sorted(random_detectors().pack())),
    array=arrays.arrays(
        st.one_of(arrays.scalar_dtypes(), arrays.floating_dtypes(), arrays.unicode_string_dtypes()),
        arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
    ),
)
def test_any_array_in_any_place_is_read_or_refused_in_words(key, array):
    with suppress(BundleError):
        Detectors.unpack(random_detectors().pack() | {key: array})
