"""Data sets in memory: what lies under --data becomes uint8 images [C, H, W].

Folder layouts, tried in this order:

    train/good, test/<kind>, ground_truth/<kind>/NAME_mask.png     MVTec AD; "good" is normal
    train, test                                                    all images below train
    anything else                                                  all images below the folder

The validation images are a seeded part of the training images. Test images are reachable only
by asking for them (`labelled_test`, `images(..., split="test")`): nothing in training does.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import itertools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch.library import Library

from codec.arrays import U8
from training.config.data import DataConfig
from training.data.idx import IMAGES, find_idx, read_idx
from training.data.image_files import find_images, read_images, to_array
from training.errors import TrainingError

# Uint8 [N, C, H, W], or a list of [C, H, W] of different sizes.
Images = Sequence[U8] | U8
Split = Literal["train", "test"]
Warn = Callable[[str], None]

CIFAR_JPEG = "cifar10_jpeg.npz"
GOOD = "good"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledImages:
    """Test images with the truth about each."""

    images: Images
    defect: NDArray[np.bool_]
    """[N], True where the image is anomalous"""
    masks: list[NDArray[np.bool_] | None]
    """[H, W] of the file's own size, True on defects; None where no mask exists"""


def _ignore(_: str) -> None:
    return


def source_of(config: DataConfig, folder: Path) -> str:
    """The kind of data under `folder`: config.source, or what is recognised there."""
    if not folder.is_dir():
        raise TrainingError(f"data folder {folder} does not exist")
    if config.source != "auto":
        return config.source
    if find_idx(folder, IMAGES["train"]):
        return "idx"
    for source, sign in (
        ("cifar10", CIFAR_JPEG),
        ("cifar10", "cifar-10-batches-py"),
        ("cifar100", "cifar-100-python"),
        ("celeba", "celeba/img_align_celeba"),
    ):
        if (folder / sign).exists():
            return source
    return "folder"


def images(
    config: DataConfig, folder: Path, split: Split = "train", warn: Warn = _ignore
) -> Images:
    """All images of a split, in the channels and the size of `config`."""
    source = source_of(config, folder)
    if source == "folder":
        found = _folder(config, folder, split, warn)
    elif source == "idx":
        found = _idx(config, folder, split)
    elif source == "cifar10" and (folder / CIFAR_JPEG).exists():
        found = _cifar_jpeg(config, folder, split)
    else:
        found = _torchvision(config, folder, split)
    if len(found) < 2:
        raise TrainingError(f"{folder} holds {len(found)} {split} images; at least 2 are needed")
    smallest = min(min(image.shape[1:]) for image in found)
    if smallest < config.min_side:
        raise TrainingError(
            f"{folder} has an image that is {smallest} pixels high or wide; "
            f"at least {config.min_side} expected"
        )
    return found


def split_indices(config: DataConfig, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(training, validation) positions of `count` images, sorted; the seed chooses them."""
    order = np.random.default_rng((config.seed, count)).permutation(count)
    held_out = min(count - 1, max(1, round(config.validation_fraction * count)))
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def training_and_validation(
    config: DataConfig, folder: Path, warn: Warn = _ignore
) -> tuple[Images, Images]:
    """The images to learn from and those held out."""
    everything = images(config, folder, "train", warn)
    training, validation = split_indices(config, len(everything))
    return take(everything, training), take(everything, validation)


def validation_images(config: DataConfig, folder: Path) -> Images:
    """The held-out normal images of a run, for fitting tables and thresholds."""
    return training_and_validation(config, folder)[1]


def labelled_test(config: DataConfig, folder: Path) -> LabelledImages:
    """The test images with their labels; all are normal where no defects are marked."""
    if source_of(config, folder) != "folder":
        found = images(config, folder, "test")
        return LabelledImages(
            images=found, defect=np.zeros(len(found), np.bool_), masks=[None] * len(found)
        )
    paths = _paths(folder, "test")
    found = read_images(paths, config.channels, config.size)
    if len(found) != len(paths):
        raise TrainingError(f"{len(paths) - len(found)} test images of {folder} are unreadable")
    defect = np.array([_is_mvtec(folder) and path.parent.name != GOOD for path in paths], np.bool_)
    return LabelledImages(images=found, defect=defect, masks=[_mask(folder, p) for p in paths])


def take(source: Images, positions: NDArray[np.int64]) -> Images:
    """The images at `positions`."""
    if isinstance(source, np.ndarray):
        return source[positions]
    return [source[i] for i in positions]


def digest(source: Images) -> str:
    """SHA-256 over the number, shapes and bytes of the images, in order."""
    state = hashlib.sha256(str(len(source)).encode())
    for image in source:
        state.update(str(image.shape).encode())
        state.update(np.ascontiguousarray(image).data)
    return state.hexdigest()


def _fit(array: U8, config: DataConfig) -> Images:
    """uint8 [N, H, W, C] in the channels and the size of `config`."""
    size, channels = config.size, config.channels
    if array.shape[3] == channels and size in (None, array.shape[1:3]):
        return np.ascontiguousarray(array.transpose(0, 3, 1, 2))
    pictures = (Image.fromarray(a[..., 0] if a.shape[2] == 1 else a) for a in array)
    return np.stack([to_array(picture, channels, size) for picture in pictures])


def _idx(config: DataConfig, folder: Path, split: Split) -> Images:
    path = find_idx(folder, IMAGES[split])
    if path is None:
        raise TrainingError(f"{folder} holds no {IMAGES[split]} file (plain or .gz)")
    array = read_idx(path)
    if array.ndim != 3:
        raise TrainingError(f"{path.name} has {array.ndim} dimensions; images have 3")
    return _fit(array[..., None], config)


def _cifar_jpeg(config: DataConfig, folder: Path, split: Split) -> Images:
    with np.load(folder / CIFAR_JPEG, allow_pickle=False) as archive:
        joined, offsets = archive[f"jpeg_{split}"].tobytes(), archive[f"offsets_{split}"].tolist()
    channels, size = config.channels, config.size
    pieces = (joined[a:b] for a, b in itertools.pairwise(offsets))
    return np.stack([to_array(Image.open(io.BytesIO(p)), channels, size) for p in pieces])


def _torchvision(config: DataConfig, folder: Path, split: Split) -> Images:
    sets = _import_torchvision_datasets()
    source = source_of(config, folder)
    try:
        if source == "celeba":
            found: Any = sets.CelebA(str(folder), split=split, download=False)
            channels, size = config.channels, config.size
            pictures = [to_array(picture, channels, size) for picture, _ in found]
            return pictures if size is None else np.stack(pictures)
        kind = sets.CIFAR10 if source == "cifar10" else sets.CIFAR100
        return _fit(kind(str(folder), train=split == "train", download=False).data, config)
    except (RuntimeError, OSError) as error:
        raise TrainingError(f"{source} cannot be read from {folder}: {error}") from error


def _import_torchvision_datasets() -> Any:
    """torchvision.datasets, also where its compiled operators do not fit the build of torch.

    A CUDA build of torchvision beside a CPU build of torch cannot load its operators, and then its
    import fails for want of two schemas; nothing here ever calls them.
    """
    try:
        return importlib.import_module("torchvision.datasets")
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
    library: Any = Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _KEPT.append(library)
    return importlib.import_module("torchvision.datasets")


# Schemas go when their library object goes.
_KEPT: list[Library] = []


def _is_mvtec(folder: Path) -> bool:
    return (folder / "train" / GOOD).is_dir()


def _paths(folder: Path, split: Split) -> list[Path]:
    if split == "test":
        below = folder / "test"
    elif _is_mvtec(folder):
        below = folder / "train" / GOOD
    else:
        below = folder / "train" if (folder / "train").is_dir() else folder
    paths = find_images(below) if below.is_dir() else []
    if not paths:
        raise TrainingError(f"{below} holds no image files")
    return paths


def _folder(config: DataConfig, folder: Path, split: Split, warn: Warn) -> Images:
    found = read_images(_paths(folder, split), config.channels, config.size, warn)
    return found if config.size is None or not found else np.stack(found)


def _mask(folder: Path, image: Path) -> NDArray[np.bool_] | None:
    path = folder / "ground_truth" / image.parent.name / f"{image.stem}_mask.png"
    if not path.exists():
        return None
    return np.asarray(read_images([path], 1)[0][0] >= 128, dtype=np.bool_)
