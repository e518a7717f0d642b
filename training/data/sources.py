"""The kinds of data that are recognised under --data, and their images."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from training.config.data import DataConfig
from training.data.folders import Split, image_paths
from training.data.idx import IMAGES, find_idx, read_idx
from training.data.image_files import fit_images, read_images, to_array
from training.data.image_sets import Images
from training.data.torchvision_sets import read_torchvision
from training.errors import TrainingError

CIFAR_JPEG = "cifar10_jpeg.npz"
# A source and a path that exists under its folder.
_SIGNS = (
    ("cifar10", CIFAR_JPEG),
    ("cifar10", "cifar-10-batches-py"),
    ("cifar100", "cifar-100-python"),
    ("celeba", "celeba/img_align_celeba"),
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


def read_split(
    config: DataConfig, folder: Path, split: Split, report: Callable[[str], None]
) -> Images:
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
