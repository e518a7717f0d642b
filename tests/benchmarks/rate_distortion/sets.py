"""The image sets: test images, training images, and the PSNRs at which bytes are reported."""

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

from codec.arrays import U8
from training.data.datasets import IMAGES, find_idx
from training.data.idx import read_idx
from training.data.image_files import find_images, read_images


@dataclass(frozen=True, slots=True)
class Spec:
    """A set by name: its folders, and the PSNRs at which bytes are reported.

    `goals` are bytes that ours should not exceed at `targets`, None without a goal; `below_pca` is
    the share that ours should save against PCA at all of them. `block` is the side of the blocks
    that PCA works on, 0 for whole images; `mirrored` adds mirror images to its training images.
    """

    name: str
    title: str
    folder: str
    training_folder: str
    channels: int
    targets: tuple[float, ...]
    goals: tuple[float | None, ...] = ()
    below_pca: float = 0.0
    note: str = ""
    block: int = 0
    mirrored: bool = False

    @property
    def photographs(self) -> bool:
        """Whether images are large: rates in bits per pixel, compared by BD-rate."""
        return self.block > 0


SPECS = {
    spec.name: spec
    for spec in (
        Spec("mnist", "MNIST", "mnist", "mnist", 1, (23.0, 25.0), (12.0, 17.0)),
        Spec("fashion", "Fashion-MNIST", "fashion_mnist", "fashion_mnist", 1, (22.0,), (16.0,)),
        Spec(
            "cifar10",
            "CIFAR-10",
            "cifar10_jpeg",
            "cifar10_jpeg",
            3,
            (22.0, 24.0, 25.0),
            (None, 40.0, None),
            note="This copy of CIFAR-10 has gone through JPEG (quality 75, 4:2:0) before: its "
            "images are a little easier than the originals, for every codec, and JPEG's "
            "artefacts are part of what is coded.",
        ),
        Spec(
            "faces",
            "Faces, 64x64 gray",
            "faces_lfw_gray64/test",
            "faces_lfw_gray64/train",
            1,
            (24.0, 25.0, 26.0, 27.0, 28.0),
            below_pca=0.4,
            note="Labeled Faces in the Wild; PCA has learnt from the training faces and their "
            "mirror images.",
            mirrored=True,
        ),
        Spec(
            "kodak",
            "Kodak",
            "kodak",
            "bsds500/train",
            3,
            (26.0, 28.0, 30.0, 32.0),
            note="PCA works on blocks of 16x16 RGB pixels and has learnt from the 200 "
            "training photographs of BSDS500.",
            block=16,
        ),
    )
}


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Test images `[H, W, C]` uint8 of one number of values."""

    spec: Spec
    images: Sequence[U8]

    @property
    def pixels(self) -> int:
        """Pixels of an image."""
        height, width = self.images[0].shape[:2]
        return int(height * width)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes of all images, one after another, in hexadecimal."""
        state = hashlib.sha256()
        for image in self.images:
            state.update(np.ascontiguousarray(image).data)
        return state.hexdigest()


def load(spec: Spec, data: Path, limit: int) -> ImageSet:
    """The test images of a set, at most `limit` of them, evenly spread.

    Raises TrainingError where there are none, ValueError for images of different sizes.
    """
    images = _read(spec, data / spec.folder, "test")
    images = [images[i] for i in spread(len(images), limit)]
    if len({image.size for image in images}) != 1:
        raise ValueError(f"{spec.title}: images of different numbers of values")
    return ImageSet(spec, images)


def training_images(spec: Spec, data: Path) -> Sequence[U8]:
    """What PCA learns from: `[H, W, C]` uint8."""
    return _read(spec, data / spec.training_folder, "train")


def spread(count: int, chosen: int) -> npt.NDArray[np.int64]:
    """Positions of `chosen` of `count` things at even distances; at most all of them."""
    chosen = min(count, chosen)
    return np.arange(chosen) * count // max(1, chosen)


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
