"""Image files as arrays in memory."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.arrays import U8
from codec.errors import InvalidInput
from codec.image_folder import walk
from codec.image_reader import MAX_PIXELS, SUFFIXES, from_pillow, read_image
from training.data.layouts.catalogue import listed
from training.errors import TrainingError

Split = Literal["train", "test"]
# uint8 [N, C, H, W], or a list of [C, H, W] of different sizes.
Images = Sequence[U8] | U8

# Share of the files that may be unusable.
TOLERATED = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The sizes of images that a model and its records take, in pixels."""

    min_side: int = 0
    asking: str = "the model"
    """what has that smallest side"""
    max_pixels: int = MAX_PIXELS

    def refusal(self, height: int, width: int) -> str:
        """What is wrong with an image of this size; empty if nothing is."""
        found = f"it has {height}x{width} pixels"
        if min(height, width) < self.min_side:
            return f"{found}; {self.asking} needs at least {self.min_side} a side"
        if height * width > self.max_pixels:
            return f"{found}; a record holds at most {self.max_pixels} pixels"
        return ""


ANY_SIZE = Limits()


def find_images(folder: Path) -> list[Path]:
    """All image files below `folder`, sorted; hidden ones are left out."""
    return sorted(walk(folder, SUFFIXES).files)


def to_array(image: Image.Image, channels: int, size: tuple[int, int] | None = None) -> U8:
    """A picture of Pillow as uint8 [C, H, W], by the rules of `codec.image_reader`.

    `size` (height, width) resizes it (Lanczos). Raises InvalidInput.
    """
    return resize(from_pillow(image, channels), size)


def resize(image: U8, size: tuple[int, int] | None) -> U8:
    """uint8 [H, W, C] to [C, *`size`] (Lanczos), or to [C, H, W] without a size."""
    if size is not None and image.shape[:2] != size:
        picture = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
        resized = np.asarray(picture.resize(size[::-1], Image.Resampling.LANCZOS))
        image = resized.reshape(*size, image.shape[2])
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def fit_images(pixels: U8, channels: int, size: tuple[int, int] | None) -> U8:
    """uint8 [N, H, W, C] to [N, `channels`, *`size`], changed only where that is needed."""
    if pixels.shape[3] == channels and size in (None, pixels.shape[1:3]):
        return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    images = (Image.fromarray(a[..., 0] if a.shape[2] == 1 else a) for a in pixels)
    return np.stack([to_array(image, channels, size) for image in images])


def read_images(
    paths: Sequence[Path],
    channels: int,
    size: tuple[int, int] | None = None,
    report: Callable[[str], None] = lambda _: None,
    limits: Limits = ANY_SIZE,
) -> list[U8]:
    """The usable files as uint8 [C, H, W]; more than 20 % unusable ones raise TrainingError.

    `report` gets a sentence about skipped files, and one about resized images.
    """
    found = read_each(paths, channels, size, report, limits)
    return [image for image in found if image is not None]


def read_each(
    paths: Sequence[Path],
    channels: int,
    size: tuple[int, int] | None,
    report: Callable[[str], None],
    limits: Limits = ANY_SIZE,
) -> list[U8 | None]:
    """`read_images` with None for each file that cannot be used. Each file is opened once."""
    sizes: set[tuple[int, int]] = set()

    def read(path: Path) -> U8 | str:
        try:
            image = read_image(path.read_bytes(), channels)
        except InvalidInput as error:
            return str(error)
        except OSError as error:
            return error.strerror or str(error)
        sizes.add((image.shape[1], image.shape[0]))
        resized = resize(image, size)
        return limits.refusal(*resized.shape[1:]) or resized

    with ThreadPoolExecutor(4) as pool:
        read_files = list(pool.map(read, paths))
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for path, result in zip(paths, read_files, strict=True):
        if isinstance(result, str):
            reasons[result].append(path.name)
    if reasons:
        _check_share(reasons, len(paths), report)
    if size is not None and sizes - {size[::-1]}:
        report(f"{_range(sizes)} are all resized to {size[1]}x{size[0]}")
    return [None if isinstance(result, str) else result for result in read_files]


def _check_share(reasons: dict[str, list[str]], count: int, report: Callable[[str], None]) -> None:
    """Reports unusable files, with each reason once. Raises TrainingError if they are many."""
    bad = sum(map(len, reasons.values()))
    words = listed([f"{listed(names)} ({reason})" for reason, names in reasons.items()])
    sentence = f"{bad} of {count} image files cannot be used: {words}"
    if bad > TOLERATED * count:
        raise TrainingError(f"{sentence}; remove them, at most {TOLERATED:.0%} are skipped")
    report(sentence)


def _range(sizes: set[tuple[int, int]]) -> str:
    """The smallest and the largest (width, height) in words."""
    if len(sizes) == 1:
        return "images of {}x{}".format(*next(iter(sizes)))
    (w, h), *_, (wide, high) = sorted(sizes, key=lambda size: (math.prod(size), size))
    return f"images of {len(sizes)} sizes, from {w}x{h} to {wide}x{high},"


def take(images: Images, positions: NDArray[np.int64]) -> Images:
    """The images at `positions`."""
    if isinstance(images, np.ndarray):
        return images[positions]
    return [images[i] for i in positions]


def digest(images: Images) -> str:
    """SHA-256 over the number, shapes and bytes of the images, in order."""
    state = hashlib.sha256(str(len(images)).encode())
    for image in images:
        state.update(str(image.shape).encode())
        state.update(np.ascontiguousarray(image).data)
    return state.hexdigest()
