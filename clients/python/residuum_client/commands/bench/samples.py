"""The requests that a bench sends: images of files, or random ones."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from residuum_client.arrays import U8
from residuum_client.commands.inputs import IMAGE_SUFFIXES, find, read
from residuum_client.commands.terminal import Terminal
from residuum_client.errors import InvalidInput
from residuum_client.results import ModelInfo
from residuum_client.transport import messages, model_messages

Method = Literal["encode", "score"]
# Requests that take turns, so that no two calls after each other have the same images.
REQUESTS = 8
# Most files that are read, and pixels a side of a random image for a model of any size.
MOST_FILES = 256
SIDE = 64


def requests(method: Method, model: ModelInfo, images: Sequence[Any], count: int) -> list[Any]:
    """Some requests with `count` images each, from images that take turns."""
    ref = model_messages.reference(model.name, model.version)
    exchange: Any
    if method == "encode":
        exchange = messages.encoding(ref, {}, messages.records)
    else:
        exchange = messages.scoring(ref, None, heatmaps=False)
    places = np.arange(REQUESTS * count).reshape(REQUESTS, count) % len(images)
    return [exchange.ask([images[place] for place in row]) for row in places]


def random_images(model: ModelInfo, seed: int) -> list[U8]:
    """Images of the size of a model, uint8 `[H, W, C]`: bright squares on noise."""
    rng = np.random.default_rng(seed)
    height, width = model.height or SIDE, model.width or SIDE
    images = []
    for _ in range(REQUESTS):
        image = rng.integers(0, 60, (height, width, model.channels), dtype=np.uint8)
        top, left = rng.integers(0, max(1, height // 2)), rng.integers(0, max(1, width // 2))
        image[top : top + height // 3, left : left + width // 3] += np.uint8(140)
        images.append(image)
    return images


def images_of_files(paths: Sequence[Path], terminal: Terminal) -> list[bytes]:
    """The contents of image files, and of those in folders. Raises InvalidInput without any."""
    contents = [read(found.path) for found in find(paths, IMAGE_SUFFIXES, terminal)[:MOST_FILES]]
    for content in contents:
        if content.error is not None:
            raise InvalidInput(f"{content.path} {content.error}")
    if not contents:
        raise InvalidInput("there is no image file to send")
    return [content.data for content in contents]
