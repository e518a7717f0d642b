"""Data sets in memory: the data under --data as uint8 images [C, H, W].

The kind of data is recognised, and so is the layout of image files. The validation images are those
of the layout if it has any, else a seeded part of the training images. Test images are reachable
only by asking for them (`training/data/labelled.py`, `images(..., split="test")`).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codec.image_reader import read_image
from codec.images.input_spec import MAX_RECORD_PIXELS
from training.config.run import DataConfig, LayoutName
from training.data.idx import read_idx
from training.data.image_files import (
    Images,
    Limits,
    Split,
    fit_images,
    read_images,
    resize,
    take,
)
from training.data.layouts import Catalogue, Item, recognise
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


def silent(_: str) -> None:
    """Reports nothing."""


def images(
    config: DataConfig, folder: Path, split: Split = "train", report: Reporter = silent
) -> Images:
    """All images of a split, in the channels and the size of `config`.

    Raises TrainingError for fewer than two images, or if many files are damaged, too small or too
    large; `report` gets a sentence about a few.
    """
    return _images(config, folder, _catalogue(config, folder), split, report)


def _catalogue(config: DataConfig, folder: Path) -> Catalogue | None:
    """What a folder of image files holds; None for other kinds of data."""
    return recognise(folder, config.layout) if source_of(config, folder) == "folder" else None


def _images(
    config: DataConfig, folder: Path, catalogue: Catalogue | None, split: Split, report: Reporter
) -> Images:
    if catalogue is None:
        everything = _read_whole(source_of(config, folder), config, folder, split)
    else:
        items = catalogue.train if split == "train" else catalogue.test
        if not items:
            raise TrainingError(
                f"{folder} has no {split} images: {catalogue.sentence()}; expected {catalogue.tree}"
            )
        everything = _read(config, items, report)
    if len(everything) < 2:
        raise TrainingError(
            f"{folder} holds {len(everything)} {split} images; at least 2 are needed"
        )
    return everything


def _read(config: DataConfig, items: Sequence[Item], report: Reporter) -> Images:
    paths = [item.path for item in items]
    found = read_images(paths, config.channels, config.size, report, _limits(config))
    return found if config.size is None else np.stack(found)


def _limits(config: DataConfig) -> Limits:
    asking = f"crop={config.crop}" if config.crop else "the model"
    return Limits(min_side=config.min_side, asking=asking, max_pixels=MAX_RECORD_PIXELS)


def split_indices(config: DataConfig, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(training, validation) positions of `count` images, sorted; the seed chooses them."""
    order = np.random.default_rng((config.seed, count)).permutation(count)
    held_out = min(count - 1, max(1, round(config.validation_fraction * count)))
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def training_and_validation(
    config: DataConfig, folder: Path, report: Reporter = silent
) -> tuple[Images, Images]:
    """The images to learn from and those held out; `report` gets what was recognised.

    Raises TrainingError as `images`.
    """
    catalogue = _catalogue(config, folder)
    if catalogue is not None:
        report(catalogue.sentence())
        for warning in catalogue.warnings:
            report(warning)
    everything = _images(config, folder, catalogue, "train", report)
    if catalogue is None:
        report(f"source {source_of(config, folder)}: {len(everything)} images for training")
    if catalogue is not None and catalogue.validation:
        return everything, _read(config, catalogue.validation, report)
    training, held_out = split_indices(config, len(everything))
    return take(everything, training), take(everything, held_out)


def validation_images(config: DataConfig, folder: Path) -> Images:
    """The held-out normal images of a run, for fitting tables and thresholds."""
    return training_and_validation(config, folder)[1]


def has_test_images(layout: LayoutName, folder: Path) -> bool:
    """Whether there is something to evaluate with. Raises TrainingError."""
    catalogue = _catalogue(DataConfig(layout=layout), folder)
    return catalogue is None or bool(catalogue.test)


def source_of(config: DataConfig, folder: Path) -> str:
    """The kind of data under `folder`: config.source, or the kind that is recognised there.

    "folder" are image files, also those that a csv file lists. Raises TrainingError.
    """
    if not folder.exists():
        raise TrainingError(f"{folder} does not exist; expected a folder of images, or a csv file")
    if not folder.is_file() and not folder.is_dir():
        raise TrainingError(f"{folder} is a special file; expected a folder, or a csv file")
    if folder.is_file() and folder.suffix.lower() not in (".csv", ".tsv"):
        raise TrainingError(f"{folder} is a file; expected a folder, or a csv file")
    if not os.access(folder, os.R_OK if folder.is_file() else os.R_OK | os.X_OK):
        raise TrainingError(f"{folder} cannot be read: permission denied")
    if config.layout != "auto" or folder.is_file():
        return "folder"
    if config.source != "auto":
        return config.source
    if find_idx(folder, IMAGES["train"]):
        return "idx"
    return next((source for source, sign in _SIGNS if (folder / sign).exists()), "folder")


def _read_whole(source: str, config: DataConfig, folder: Path, split: Split) -> Images:
    """The images of a split from files that each hold many."""
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
    files = (joined[a:b] for a, b in itertools.pairwise(offsets))
    return np.stack([resize(read_image(file, config.channels), config.size) for file in files])


def find_idx(folder: Path, name: str) -> Path | None:
    """The file `name` or `name`.gz below `folder`; TrainingError if several folders hold it."""
    files = sorted(p for p in folder.rglob(f"{name}*") if p.name in (name, f"{name}.gz"))
    places = sorted({str(path.parent) for path in files})
    if len(places) > 1:
        raise TrainingError(f"{folder} holds several {name} files ({', '.join(places)}); give one")
    return files[0] if files else None
