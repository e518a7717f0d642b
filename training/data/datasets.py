"""Data sets in memory: the data under --data as uint8 images [C, H, W].

The validation images are a seeded part of the training images. Test images are reachable only
by asking for them (`labelled_test`, `images(..., split="test")`); training never does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codec.arrays import Mask
from training.config.data import DataConfig
from training.data.folders import Split, image_paths, is_defect, read_mask
from training.data.image_files import read_images
from training.data.image_sets import Images, take
from training.data.sources import read_split, source_of
from training.errors import TrainingError

Reporter = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledImages:
    """Test images with the truth about each."""

    images: Images
    defect: Mask
    """[N], True where the image is anomalous"""
    masks: list[Mask | None]
    """[H, W] of the file's own size, True on defects; None where no mask exists"""


def _silent(_: str) -> None:
    return


def images(
    config: DataConfig, folder: Path, split: Split = "train", report: Reporter = _silent
) -> Images:
    """All images of a split, in the channels and the size of `config`.

    Raises TrainingError for fewer than two images, or for one that is too small.
    """
    everything = read_split(config, folder, split, report)
    if len(everything) < 2:
        raise TrainingError(
            f"{folder} holds {len(everything)} {split} images; at least 2 are needed"
        )
    smallest = min(min(image.shape[1:]) for image in everything)
    if smallest < config.min_side:
        raise TrainingError(
            f"{folder} has an image that is {smallest} pixels high or wide; "
            f"at least {config.min_side} expected"
        )
    return everything


def split_indices(config: DataConfig, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(training, validation) positions of `count` images, sorted; the seed chooses them."""
    order = np.random.default_rng((config.seed, count)).permutation(count)
    held_out = min(count - 1, max(1, round(config.validation_fraction * count)))
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def training_and_validation(
    config: DataConfig, folder: Path, report: Reporter = _silent
) -> tuple[Images, Images]:
    """The images to learn from and those held out."""
    everything = images(config, folder, "train", report)
    training, validation = split_indices(config, len(everything))
    return take(everything, training), take(everything, validation)


def validation_images(config: DataConfig, folder: Path) -> Images:
    """The held-out normal images of a run, for fitting tables and thresholds."""
    return training_and_validation(config, folder)[1]


def labelled_test(config: DataConfig, folder: Path) -> LabelledImages:
    """The test images with their labels; all are normal where no defects are marked."""
    if source_of(config, folder) != "folder":
        normal = images(config, folder, "test")
        count = len(normal)
        return LabelledImages(images=normal, defect=np.zeros(count, np.bool_), masks=[None] * count)
    paths = image_paths(folder, "test")
    test = read_images(paths, config.channels, config.size)
    if len(test) != len(paths):
        raise TrainingError(f"{len(paths) - len(test)} test images of {folder} are unreadable")
    return LabelledImages(
        images=test,
        defect=np.array([is_defect(folder, path) for path in paths], np.bool_),
        masks=[read_mask(folder, path) for path in paths],
    )
