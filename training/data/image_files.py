"""Image files as arrays in memory.

A folder of image files has one of three layouts, which are tried in this order:

train/good, test/<kind>, ground_truth/<kind>/NAME_mask.png     MVTec AD; "good" is normal
train, test                                                    all images below train
anything else                                                  all images below the folder
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from codec.arrays import U8, Mask
from training.errors import TrainingError

Split = Literal["train", "test"]
# uint8 [N, C, H, W], or a list of [C, H, W] of different sizes.
Images = Sequence[U8] | U8

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".avif", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm"}
)
# Share of the files that may be unreadable.
TOLERATED = 0.05
LISTED = 10
# The errors that Pillow raises for damaged files, collected by damaging files.
UNREADABLE = (
    OSError,
    SyntaxError,
    ValueError,
    RuntimeError,  # of Pillow's AVIF reader
    EOFError,
    Image.DecompressionBombError,
)
_GOOD = "good"


def find_images(folder: Path) -> list[Path]:
    """All image files below `folder`, sorted; hidden ones are left out."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def image_paths(folder: Path, split: Split) -> list[Path]:
    """The image files of a split. Raises TrainingError if there are none."""
    if split == "test":
        below = folder / "test"
        if not below.exists() and find_images(folder):
            raise TrainingError(
                f"evaluation needs test images: {below} does not exist; found only images for "
                "training"
            )
    elif _is_mvtec(folder):
        below = folder / "train" / _GOOD
    else:
        below = folder / "train" if (folder / "train").is_dir() else folder
    paths = find_images(below) if below.is_dir() else []
    if not paths:
        endings = " ".join(sorted(SUFFIXES))
        raise TrainingError(f"{below} holds no image files; their names end in {endings}")
    return paths


def is_defect(folder: Path, path: Path) -> bool:
    """True if the layout marks a test image as anomalous."""
    return _is_mvtec(folder) and path.parent.name != _GOOD


def _is_mvtec(folder: Path) -> bool:
    return (folder / "train" / _GOOD).is_dir()


def to_array(image: Image.Image, channels: int, size: tuple[int, int] | None = None) -> U8:
    """A picture as uint8 [C, H, W], turned upright; `size` (height, width) resizes it (Lanczos)."""
    image = ImageOps.exif_transpose(image).convert("L" if channels == 1 else "RGB")
    if size is not None and image.size != size[::-1]:
        image = image.resize(size[::-1], Image.Resampling.LANCZOS)
    array = np.asarray(image, dtype=np.uint8).reshape(image.height, image.width, channels)
    return np.ascontiguousarray(array.transpose(2, 0, 1))


def fit_images(pixels: U8, channels: int, size: tuple[int, int] | None) -> U8:
    """uint8 [N, H, W, C] to [N, `channels`, *`size`], resized only where that is needed."""
    if pixels.shape[3] == channels and size in (None, pixels.shape[1:3]):
        return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))
    images = (Image.fromarray(a[..., 0] if a.shape[2] == 1 else a) for a in pixels)
    return np.stack([to_array(image, channels, size) for image in images])


def read_images(
    paths: Sequence[Path],
    channels: int,
    size: tuple[int, int] | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> list[U8]:
    """The readable files as uint8 [C, H, W]; more than 5 % unreadable raise TrainingError.

    `report` gets a sentence about skipped files, and one about images of several sizes.
    """
    sizes: set[tuple[int, int]] = set()

    def read(path: Path) -> U8 | None:
        try:
            with Image.open(path) as image:
                sizes.add(image.size)
                return to_array(image, channels, size)
        except UNREADABLE:
            return None

    with ThreadPoolExecutor(4) as pool:
        arrays = list(pool.map(read, paths))
    bad = [path for path, array in zip(paths, arrays, strict=True) if array is None]
    if bad:
        names = ", ".join(path.name for path in bad[:LISTED]) + (", …" if bad[LISTED:] else "")
        sentence = f"{len(bad)} of {len(paths)} image files are unreadable: {names}"
        if len(bad) > TOLERATED * len(paths):
            raise TrainingError(f"{sentence}; at most {TOLERATED:.0%} are skipped")
        report(sentence)
    if size is not None and len(sizes) > 1:
        report(f"{_range(sizes)} are all resized to {size[1]}x{size[0]}")
    return [array for array in arrays if array is not None]


def _range(sizes: set[tuple[int, int]]) -> str:
    """The smallest and the largest (width, height) in words."""
    (w, h), (wide, high) = min(sizes, key=math.prod), max(sizes, key=math.prod)
    return f"images of {len(sizes)} sizes, from {w}x{h} to {wide}x{high},"


def read_mask(folder: Path, path: Path) -> Mask | None:
    """The mask [H, W] of a test image, True on defects; None without a mask file."""
    mask = folder / "ground_truth" / path.parent.name / f"{path.stem}_mask.png"
    if not mask.exists():
        return None
    return np.asarray(read_images([mask], 1)[0][0] >= 128, dtype=np.bool_)


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
