import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from training.config.run import DataConfig
from training.data.labelled import LabelledImages, labelled_test
from training.data.labels import labels_of

CONFIG = DataConfig(size=(16, 16))


def normal(count):
    """Test images of a file that holds them all."""
    return LabelledImages(
        images=np.zeros((count, 1, 2, 2), np.uint8),
        defect=np.zeros(count, np.bool_),
        masks=[None] * count,
        names=[""] * count,
        kinds=[],
    )


def idx(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def test_label_files_name_digits(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(np.zeros((3, 28, 28), np.uint8)))
    labels = np.array([3, 0, 2, 3], np.uint8)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    classes, names = labels_of(CONFIG, tmp_path, normal(4))
    assert [names[c] for c in classes] == ["3", "0", "2", "3"]
    assert labels_of(CONFIG, tmp_path, normal(5)) is None


@pytest.mark.parametrize("named", [True, False])
def test_an_archive_of_cifar_may_name_its_classes(tmp_path, named):
    names = {"class_names": np.array(["plane", "car", "bird"])} if named else {}
    y = np.array([2, 0, 2], np.uint8)
    np.savez(tmp_path / "cifar10_jpeg.npz", y_test=y, **names)
    classes, found = labels_of(CONFIG, tmp_path, normal(3))
    assert [found[c] for c in classes] == (["bird", "plane", "bird"] if named else ["2", "0", "2"])
    np.savez(tmp_path / "cifar10_jpeg.npz", jpeg_test=y)
    assert labels_of(CONFIG, tmp_path, normal(3)) is None


def test_folders_are_kinds_in_the_order_of_the_images(tmp_path):
    for kind in ("scratch", "good", "hole"):
        for i in range(2):
            path = tmp_path / "test" / kind / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.zeros((16, 16), np.uint8)).save(path)
    classes, names = labels_of(CONFIG, tmp_path, labelled_test(CONFIG, tmp_path))
    assert [names[c] for c in classes] == ["good", "good", "hole", "hole", "scratch", "scratch"]


def test_images_of_one_folder_have_no_labels(tmp_path):
    (tmp_path / "test").mkdir()
    for i in range(3):
        Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / "test" / f"{i}.png")
    assert labels_of(CONFIG, tmp_path, labelled_test(CONFIG, tmp_path)) is None
