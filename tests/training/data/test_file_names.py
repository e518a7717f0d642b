"""The files that images in memory came from."""

import numpy as np
import pytest
from PIL import Image

from training.config.run import DataConfig
from training.data.datasets import training_and_validation
from training.data.file_names import file_names

CONFIG = DataConfig(channels=1, size=(12, 10), validation_fraction=0.4)


@pytest.fixture
def folder(tmp_path):
    """Ten images of another size than the model's, and a file that is none."""
    rng = np.random.default_rng(0)
    for i in range(10):
        Image.fromarray(rng.integers(0, 256, (24, 20), np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "damaged.png").write_bytes(b"no image")
    return tmp_path


def test_each_image_has_the_name_of_its_file(folder):
    found = [file_names(CONFIG, folder, [i])[0] for i in training_and_validation(CONFIG, folder)[1]]
    assert len(set(found)) == 4
    assert set(found) < {f"{i}.png" for i in range(10)}


def test_equal_files_are_all_named_and_other_images_are_not(folder):
    (folder / "copy.png").write_bytes((folder / "3.png").read_bytes())
    everything = [*training_and_validation(CONFIG, folder)[0], np.zeros((1, 12, 10), np.uint8)]
    names = file_names(CONFIG, folder, [np.zeros((1, 12, 10), np.uint8)])
    assert names == []
    names = file_names(CONFIG, folder, everything)
    assert ("copy.png" in names) == ("3.png" in names)


def test_data_that_is_no_folder_of_images_has_no_names(folder):
    config = DataConfig(channels=1, source="idx")
    assert file_names(config, folder, [np.zeros((1, 12, 10), np.uint8)]) == []
    assert file_names(CONFIG, folder, []) == []
