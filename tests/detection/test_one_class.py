"""Sets of one class against the rest, from a small copy of MNIST and of Fashion-MNIST."""

import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detection import one_class
from training.data.layouts import recognise

COUNTS = {"train": 40, "test": 30}
FILES = {
    "train": ("train-images-idx3", "train-labels-idx1"),
    "test": ("t10k-images-idx3", "t10k-labels-idx1"),
}


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim])
    return head + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images whose brightness is their class, times 20, and whose first pixel is their number."""
    folder = tmp_path_factory.mktemp("data")
    for source in ("mnist", "fashion_mnist"):
        (folder / source).mkdir()
        for split, count in COUNTS.items():
            classes = (np.arange(count) % 10).astype(np.uint8)
            images = np.repeat(classes * 20, 28 * 28).reshape(count, 28, 28).astype(np.uint8)
            images[:, 0, 0] = np.arange(count)
            for name, array in zip(FILES[split], (images, classes), strict=True):
                path = folder / source / f"{name}-ubyte.gz"
                path.write_bytes(gzip.compress(idx(array)))
    return folder


def test_one_class_is_normal_and_all_others_are_defects(data: Path, tmp_path: Path) -> None:
    folder = one_class.find("mnist-3", data, tmp_path)
    assert folder is not None
    found = recognise(folder)
    assert len(found.train) == 4
    assert Counter(item.defect for item in found.test) == {False: 3, True: 27}
    for item in (*found.train, *found.test):
        pixel = np.asarray(Image.open(item.path))[5, 5]
        assert (pixel == 60) is not item.defect


def test_a_set_of_two_sources_has_one_for_training_and_the_other_as_defects(
    data: Path, tmp_path: Path
) -> None:
    folder = one_class.find("mnist-against-fashion", data, tmp_path)
    assert folder is not None
    found = recognise(folder)
    assert len(found.train) == 40
    assert Counter(item.kind for item in found.test) == {"good": 30, "foreign": 30}


def test_images_are_written_once_for_all_classes(data: Path, tmp_path: Path) -> None:
    first, second = (one_class.find(f"mnist-{n}", data, tmp_path) for n in (0, 1))
    assert first is not None
    assert second is not None
    pool = next((tmp_path / "mnist-images" / "test" / "0").iterdir())
    assert pool.stat().st_ino == (first / "test" / "good" / pool.name).stat().st_ino
    assert pool.stat().st_ino == (second / "test" / "class_0" / pool.name).stat().st_ino


def test_a_source_that_is_absent_has_no_sets(data: Path, tmp_path: Path) -> None:
    assert one_class.find("cifar10-0", data, tmp_path) is None


def test_the_mean_over_classes_is_that_of_each_seed() -> None:
    def seeds(*values: float) -> list[dict[str, float]]:
        return [{"image": value, "minutes": 2.0} for value in values]

    results = {
        "tile": {"ours": seeds(0.5)},
        "mnist-0": {"ours": seeds(0.9, 0.8), "PCA": seeds(0.7, 0.7)},
        "mnist-4": {"ours": seeds(0.7, 0.7)},
    }
    merged = one_class.averaged(results)
    assert merged["tile"] == results["tile"]
    (name,) = set(merged) - {"tile"}
    assert "2 classes" in name
    assert list(merged[name]) == ["ours"]
    assert [seed["image"] for seed in merged[name]["ours"]] == pytest.approx([0.8, 0.75])
