"""Data sets in memory: the data under --data as uint8 images [C, H, W].

The kind of data is recognised. The validation images are a seeded part of the training images. Test
images are reachable only by asking for them (`labelled_test`, `images(..., split="test")`);
training never does.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.arrays import Mask
from training.config.run import DataConfig
from training.data.idx import read_idx
from training.data.image_files import (
    Images,
    Split,
    fit_images,
    image_paths,
    is_defect,
    read_images,
    read_mask,
    take,
    to_array,
)
from training.data.torchvision_sets import read_torchvision
from training.errors import TrainingError

IMAGES = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}
CIFAR_JPEG = "cifar10_jpeg.npz"
# A source and a path that exists under its folder.
_SIGNS = (
    ("cifar10", CIFAR_JPEG),
    ("cifar10", "cifar-10-batches-py"),
    ("cifar100", "cifar-100-python"),
    ("celeba", "celeba/img_align_celeba"),
)

Reporter = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledImages:
    """Test images with the truth about each."""

    images: Images
    defect: Mask
    """[N], True where the image is anomalous"""
    masks: list[Mask | None]
    """[H, W] of the file's own size, True on defects; None where no mask exists"""
    names: list[str]
    """of the files below the data folder; numbers where one file holds all images"""


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
        asking = f"crop={config.crop}" if config.crop else "the model"
        raise TrainingError(
            f"{asking} needs images of at least {config.min_side} pixels a side; "
            f"{folder} has one of {smallest}"
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
        return LabelledImages(
            images=normal,
            defect=np.zeros(count, np.bool_),
            masks=[None] * count,
            names=[f"test image {index}" for index in range(count)],
        )
    paths = image_paths(folder, "test")
    test = read_images(paths, config.channels, config.size)
    if len(test) != len(paths):
        raise TrainingError(f"{len(paths) - len(test)} test images of {folder} are unreadable")
    return LabelledImages(
        images=test,
        defect=np.array([is_defect(folder, path) for path in paths], np.bool_),
        masks=[read_mask(folder, path) for path in paths],
        names=[path.relative_to(folder).as_posix() for path in paths],
    )


def source_of(config: DataConfig, folder: Path) -> str:
    """The kind of data under `folder`: config.source, or the kind that is recognised there."""
    if not folder.is_dir():
        raise TrainingError(f"data folder {folder} does not exist")
    if config.source != "auto":
        return config.source
    if find_idx(folder, IMAGES["train"]):
        return "idx"
    return next((source for source, sign in _SIGNS if (folder / sign).exists()), "folder")


def read_split(config: DataConfig, folder: Path, split: Split, report: Reporter) -> Images:
    """The images of a split in the channels and the size of `config`.

    `report` gets a sentence about unreadable files and about sizes that are changed.
    """
    source = source_of(config, folder)
    if source == "folder":
        images = read_images(image_paths(folder, split), config.channels, config.size, report)
        return images if config.size is None or not images else np.stack(images)
    if source == "idx":
        return _read_idx(config, folder, split)
    if source == "cifar10" and (folder / CIFAR_JPEG).exists():
        return _read_cifar_jpeg(config, folder, split)
    return read_torchvision(source, config, folder, split)


def _read_idx(config: DataConfig, folder: Path, split: Split) -> Images:
    path = find_idx(folder, IMAGES[split])
    if path is None:
        raise TrainingError(f"{folder} holds no {IMAGES[split]} file (plain or .gz)")
    array = read_idx(path)
    if array.ndim != 3:
        raise TrainingError(f"{path.name} has {array.ndim} dimensions; images have 3")
    return fit_images(array[..., None], config.channels, config.size)


def _read_cifar_jpeg(config: DataConfig, folder: Path, split: Split) -> Images:
    with np.load(folder / CIFAR_JPEG, allow_pickle=False) as archive:
        joined, offsets = archive[f"jpeg_{split}"].tobytes(), archive[f"offsets_{split}"].tolist()
    files = (io.BytesIO(joined[a:b]) for a, b in itertools.pairwise(offsets))
    return np.stack([to_array(Image.open(file), config.channels, config.size) for file in files])


def find_idx(folder: Path, name: str) -> Path | None:
    """The file `name` or `name`.gz below `folder`; TrainingError if several folders hold it."""
    files = sorted(p for p in folder.rglob(f"{name}*") if p.name in (name, f"{name}.gz"))
    places = sorted({str(path.parent) for path in files})
    if len(places) > 1:
        raise TrainingError(f"{folder} holds several {name} files ({', '.join(places)}); give one")
    return files[0] if files else None
