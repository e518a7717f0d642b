"""Class labels of test images, for the pictures of a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.config.run import DataConfig
from training.data.datasets import CIFAR_JPEG, find_idx, source_of
from training.data.idx import read_idx
from training.data.labelled import LabelledImages

IDX_LABELS = "t10k-labels-idx1-ubyte"


class Labels(NamedTuple):
    """A class for each test image."""

    classes: NDArray[np.int64]
    """[N], positions in `names`"""
    names: tuple[str, ...]


def labels_of(config: DataConfig, folder: Path, test: LabelledImages) -> Labels | None:
    """The classes of the test images, in their order; None if unknown.

    Label files of MNIST and Fashion-MNIST, `y_test` of CIFAR, and the kinds of image files.
    """
    source, labels = source_of(config, folder), None
    if source == "idx":
        path = find_idx(folder, IDX_LABELS)
        labels = None if path is None else _numbered(read_idx(path))
    elif (folder / CIFAR_JPEG).exists():
        labels = _cifar(folder)
    elif source == "folder":
        labels = _kinds(test.kinds)
    return labels if labels is not None and len(labels.classes) == len(test.images) else None


def _numbered(classes: NDArray[np.uint8]) -> Labels:
    return Labels(classes.astype(np.int64), tuple(str(i) for i in range(int(classes.max()) + 1)))


def _cifar(folder: Path) -> Labels | None:
    with np.load(folder / CIFAR_JPEG, allow_pickle=False) as archive:
        if "y_test" not in archive:
            return None
        labels = _numbered(archive["y_test"])
        if "class_names" in archive:
            return labels._replace(names=tuple(str(name) for name in archive["class_names"]))
        return labels


def _kinds(kinds: Sequence[str]) -> Labels | None:
    names = tuple(sorted(set(kinds)))
    if len(names) < 2:
        return None
    return Labels(np.array([names.index(kind) for kind in kinds], np.int64), names)
