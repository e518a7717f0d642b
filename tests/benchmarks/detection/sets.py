"""The sets of the benchmark: where each is, and its images at the sizes that baselines take.

All have the layout of MVTec AD: train/good, test/good, test/TYPE, ground_truth/TYPE/NAME_mask.png.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from codec.atomic import staged

PLACES = {
    "pcb": "deeppcb/pcb",
    "screw": "mvtec_ad/screw",
    "tile": "magnetic_tile/tile",
    "juice_bottle": "mvtec_loco_ad/juice_bottle",
}
NORMALISED = "screw-normalised"
PARTS = "parts"
NAMES = ("pcb", NORMALISED, "screw", "tile", "juice_bottle", PARTS)


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Images of a set at one size, [N, S, S, C] in [0, 1]."""

    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What is known of the test images."""

    defect: np.ndarray
    """[N]"""
    masks: np.ndarray | None
    """[N, S, S] of defects; None if a defective image has no mask"""


def find(name: str, data: Path, made: Path) -> Path | None:
    """The folder of a set; one that is made is written below `made`. None if its source is absent.

    In the normalised copy of screw the brightness is not a sign of the class, as it is in ours.
    """
    if name == PARTS:
        return _made(made / PARTS, _draw)
    source = data / PLACES["screw" if name == NORMALISED else name]
    if not (source / "train").is_dir():
        return None
    if name != NORMALISED:
        return source
    return _made(made / NORMALISED, lambda folder: normalise(source, folder))


def _made(folder: Path, write: Callable[[Path], None]) -> Path:
    if not folder.exists():
        with staged(folder) as temporary:
            write(temporary)
    return folder


def _draw(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "detection.drawn_parts", "--out", folder], check=True)


def normalise(source: Path, out: Path) -> None:
    """A copy of a set of gray images, each with the mean and deviation of the training images.

    These are averaged over the training images.
    """
    training = [_levels(path) for path in sorted((source / "train" / "good").glob("*.png"))]
    mean = np.mean([image.mean() for image in training])
    deviation = np.mean([image.std() for image in training])
    for path in sorted(source.rglob("*.png")):
        copy = out / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if "ground_truth" in path.relative_to(source).parts:
            shutil.copy(path, copy)
            continue
        image = _levels(path)
        scaled = (image - image.mean()) / max(image.std(), 1e-6) * deviation + mean
        Image.fromarray(scaled.round().clip(0, 255).astype(np.uint8)).save(copy)


def _levels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("L"), np.float64)


def test_files(folder: Path) -> list[Path]:
    """The test images, good and defective, in the order of all arrays."""
    return sorted((folder / "test").glob("*/*.png"))


def pictures(folder: Path, side: int, colour: bool) -> Pictures:
    """All images at side x side pixels; `colour` keeps the channels of RGB images."""
    training = sorted((folder / "train" / "good").glob("*.png"))
    with Image.open(training[0]) as first:
        mode = "RGB" if colour and first.mode == "RGB" else "L"
    return Pictures(_read(training, side, mode), _read(test_files(folder), side, mode))


def _read(paths: list[Path], side: int, mode: str) -> np.ndarray:
    found = []
    for path in paths:
        with Image.open(path) as image:
            resized = image.convert(mode).resize((side, side), Image.Resampling.LANCZOS)
        found.append(np.asarray(resized, np.float32).reshape(side, side, -1) / 255)
    return np.stack(found)


def longest_side(folder: Path) -> int:
    """Pixels of the first training image."""
    with Image.open(min((folder / "train" / "good").glob("*.png"))) as image:
        return max(image.size)


def truth(folder: Path, side: int) -> Truth:
    """Labels of the test images, and masks at side x side pixels (nearest neighbours)."""
    files = test_files(folder)
    defect = np.array([path.parent.name != "good" for path in files])
    masks = np.zeros((len(files), side, side), np.bool_)
    for index in np.flatnonzero(defect):
        path = files[index]
        place = folder / "ground_truth" / path.parent.name / f"{path.stem}_mask.png"
        if not place.exists():
            return Truth(defect, None)
        with Image.open(place) as mask:
            small = mask.convert("L").resize((side, side), Image.Resampling.NEAREST)
        masks[index] = np.asarray(small) > 127
    return Truth(defect, masks)
