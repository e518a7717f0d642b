"""The image sets: test images, the stated part of them for slow codecs, training images."""

import functools
import hashlib
import io
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from rate_distortion.measurement import U8
from training.idx import IMAGES, find_idx, read_idx
from training.images import find_images, read_images

# Single files and small atlases are measured on this many images, evenly spread over the split.
PART = 1024


@dataclass(frozen=True, slots=True)
class Spec:
    """A set by name: where it lies, what to know of it, at which PSNRs bytes are told.

    `block` is the side of the blocks that PCA works on, 0 for whole images; `mirrored` adds mirror
    images to its training images.
    """

    name: str
    title: str
    folder: str
    training_folder: str
    channels: int
    targets: tuple[float, ...]
    note: str = ""
    block: int = 0
    mirrored: bool = False

    @property
    def ladder(self) -> str:
        """The qualities of the classical codecs that suit it; see classic.LADDERS."""
        return "photographs" if self.block else "small"


SPECS = {
    spec.name: spec
    for spec in (
        Spec("mnist", "MNIST", "mnist", "mnist", 1, (21.0, 23.0, 25.0)),
        Spec("fashion", "Fashion-MNIST", "fashion_mnist", "fashion_mnist", 1, (20.0, 22.0, 23.0)),
        Spec(
            "cifar10",
            "CIFAR-10 (JPEG copy)",
            "cifar10_jpeg",
            "cifar10_jpeg",
            3,
            (22.0, 24.0, 25.0),
            note="The only copy at hand has gone through JPEG (quality 75, 4:2:0) before: its "
            "images are a little easier than the originals, for every codec, and JPEG's "
            "artefacts are part of what is coded.",
        ),
        Spec(
            "faces",
            "Faces (LFW, 64x64 gray)",
            "faces_lfw_gray64/test",
            "faces_lfw_gray64/train",
            1,
            (24.0, 25.0, 26.0, 27.0, 28.0),
            mirrored=True,
        ),
        Spec(
            "kodak",
            "Kodak",
            "kodak",
            "bsds500/train",
            3,
            (26.0, 28.0, 30.0),
            note="PCA works on blocks of 16x16 RGB pixels and has learnt from the 200 "
            "training photographs of BSDS500.",
            block=16,
        ),
    )
}


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Test images `[H, W, C]` uint8 of one number of values; positions `[n]` of the part."""

    spec: Spec
    images: Sequence[U8]
    part: npt.NDArray[np.int64]

    @property
    def pixels(self) -> int:
        """Pixels of an image."""
        height, width = self.images[0].shape[:2]
        return int(height * width)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes of all images, one after another."""
        return sha256(self.images)

    @functools.cached_property
    def part_digest(self) -> str:
        """SHA-256 of the bytes of the images of the part."""
        return sha256(self.of_part)

    @property
    def of_part(self) -> Sequence[U8]:
        """The images of the part."""
        return [self.images[i] for i in self.part]


def load(spec: Spec, data: Path, limit: int) -> ImageSet:
    """The test images of a set, at most `limit` of them, evenly spread. Raises TrainingError."""
    images = _read(spec, data / spec.folder, "test")
    images = [images[i] for i in spread(len(images), limit)]
    if len({image.size for image in images}) != 1:
        raise ValueError(f"{spec.title}: images of different numbers of values")
    return ImageSet(spec, images, spread(len(images), PART))


def training_images(spec: Spec, data: Path) -> Sequence[U8]:
    """What PCA learns from: `[H, W, C]` uint8."""
    return _read(spec, data / spec.training_folder, "train")


def spread(count: int, chosen: int) -> npt.NDArray[np.int64]:
    """Positions of `chosen` of `count` things at even distances; all where there are no more."""
    chosen = min(count, chosen)
    return np.arange(chosen) * count // max(1, chosen)


def sha256(images: Sequence[U8]) -> str:
    """SHA-256 of the bytes of images, one after another, in hexadecimal."""
    state = hashlib.sha256()
    for image in images:
        state.update(np.ascontiguousarray(image).data)
    return state.hexdigest()


def _read(spec: Spec, folder: Path, split: str) -> Sequence[U8]:
    if path := find_idx(folder, IMAGES[split]) if folder.is_dir() else None:
        return list(read_idx(path)[..., None])
    if (archive := folder / "cifar10_jpeg.npz").exists():
        return _cifar(archive, split)
    found = read_images(find_images(folder), spec.channels)
    return [np.ascontiguousarray(image.transpose(1, 2, 0)) for image in found]


def _cifar(path: Path, split: str) -> Sequence[U8]:
    with np.load(path, allow_pickle=False) as archive:
        joined, ends = archive[f"jpeg_{split}"].tobytes(), archive[f"offsets_{split}"].tolist()
    files = (io.BytesIO(joined[a:b]) for a, b in itertools.pairwise(ends))
    return [np.asarray(Image.open(file).convert("RGB")) for file in files]
