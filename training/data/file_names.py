"""From images in memory back to the files that they were read from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from codec.arrays import U8
from codec.errors import InvalidInput
from codec.image_reader import read_image
from training.config.run import DataConfig
from training.data.datasets import source_of
from training.data.image_files import resize
from training.data.layouts import recognise


def file_names(config: DataConfig, folder: Path, images: Sequence[U8]) -> list[str]:
    """The paths below `folder` of the normal files that give these images [C, H, W], sorted.

    Files with equal pixels are all named. Empty for data that is not a folder of image files. Reads
    the files again, so that nothing has to be remembered for the rare case that it is needed.
    """
    if not images or source_of(config, folder) != "folder":
        return []
    catalogue = recognise(folder, config.layout)
    found = []
    for item in (*catalogue.train, *catalogue.validation):
        try:
            image = resize(read_image(item.path.read_bytes(), config.channels), config.size)
        except (InvalidInput, OSError):
            continue  # reported when the images were read
        if any(np.array_equal(image, other) for other in images):
            found.append(item.name)
    return sorted(found)
