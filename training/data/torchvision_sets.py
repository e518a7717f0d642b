"""CIFAR and CelebA in the files that torchvision reads; nothing is ever downloaded."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
from torch.library import Library

from training.config.run import DataConfig
from training.data.image_files import Images, Split, fit_images, to_array
from training.errors import TrainingError

# Schemas of operators are removed together with their library object.
_KEPT: list[Library] = []


def read_torchvision(source: str, config: DataConfig, folder: Path, split: Split) -> Images:
    """The images of "cifar10", "cifar100" or "celeba". Raises TrainingError if they are missing."""
    sets = import_torchvision_datasets()
    try:
        if source == "celeba":
            pairs: Any = sets.CelebA(str(folder), split=split, download=False)
            images = [to_array(image, config.channels, config.size) for image, _ in pairs]
            return images if config.size is None else np.stack(images)
        kind = sets.CIFAR10 if source == "cifar10" else sets.CIFAR100
        pixels = kind(str(folder), train=split == "train", download=False).data
        return fit_images(pixels, config.channels, config.size)
    except (RuntimeError, OSError) as error:
        raise TrainingError(f"{source} cannot be read from {folder}: {error}") from error


def import_torchvision_datasets() -> Any:
    """torchvision.datasets, also where its compiled operators do not fit the build of torch.

    A CUDA build of torchvision cannot load its operators with a CPU build of torch, and then its
    import fails because two schemas are missing. The data sets never call these operators.
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
