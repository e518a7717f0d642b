"""Folders of image files, in one of three layouts that are tried in this order.

train/good, test/<kind>, ground_truth/<kind>/NAME_mask.png     MVTec AD; "good" is normal
train, test                                                    all images below train
anything else                                                  all images below the folder
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from codec.arrays import Mask
from training.data.image_files import find_images, read_images
from training.errors import TrainingError

Split = Literal["train", "test"]

_GOOD = "good"


def image_paths(folder: Path, split: Split) -> list[Path]:
    """The image files of a split. Raises TrainingError if there are none."""
    if split == "test":
        below = folder / "test"
    elif _is_mvtec(folder):
        below = folder / "train" / _GOOD
    else:
        below = folder / "train" if (folder / "train").is_dir() else folder
    paths = find_images(below) if below.is_dir() else []
    if not paths:
        raise TrainingError(f"{below} holds no image files")
    return paths


def is_defect(folder: Path, path: Path) -> bool:
    """True if the layout marks a test image as anomalous."""
    return _is_mvtec(folder) and path.parent.name != _GOOD


def read_mask(folder: Path, path: Path) -> Mask | None:
    """The mask [H, W] of a test image, True on defects; None without a mask file."""
    mask = folder / "ground_truth" / path.parent.name / f"{path.stem}_mask.png"
    if not mask.exists():
        return None
    return np.asarray(read_images([mask], 1)[0][0] >= 128, dtype=np.bool_)


def _is_mvtec(folder: Path) -> bool:
    return (folder / "train" / _GOOD).is_dir()
