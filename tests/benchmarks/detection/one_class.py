"""Small images by class: one class against the rest, and Fashion-MNIST against MNIST.

Each set has the layout of MVTec AD without masks. The images are written once for each source;
sets of one class are hard links to them, so that thirty sets take the room of three.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from codec.atomic import staged
from training.config.run import DataConfig
from training.data.datasets import CIFAR_JPEG, find_idx, images
from training.data.idx import read_idx
from training.data.image_files import Split
from training.metrics.images import evenly

CLASSES = 10
LABELS = {"train": "train-labels-idx1-ubyte", "test": "t10k-labels-idx1-ubyte"}
# Of two sources, evenly chosen: training images, and test images of each.
TRAINING, TESTED = 10_000, 5_000


@dataclass(frozen=True, slots=True)
class Source:
    """Images with classes."""

    folder: str
    """below the data"""
    channels: int


SOURCES = {
    "mnist": Source("mnist", 1),
    "fashion": Source("fashion_mnist", 1),
    "cifar10": Source("cifar10_jpeg", 3),
}
PAIRS = {
    "fashion-against-mnist": ("fashion", "mnist"),
    "mnist-against-fashion": ("mnist", "fashion"),
}


def names(source: str) -> list[str]:
    """The sets of one class against the rest: mnist-0 to mnist-9."""
    return [f"{source}-{number}" for number in range(CLASSES)]


NAMES = (*(name for source in SOURCES for name in names(source)), *PAIRS)


def find(name: str, data: Path, made: Path) -> Path | None:
    """The folder of a set, written below `made`. None if its source is absent."""
    source, _, number = name.rpartition("-")
    needed = PAIRS.get(name, (source,))
    if not all((data / SOURCES[one].folder).is_dir() for one in needed):
        return None
    if not (made / name).exists():
        pools = [_pool(one, data, made) for one in needed]
        with staged(made / name) as folder:
            if name in PAIRS:
                _link_pair(pools[0], pools[1], folder)
            else:
                _link_class(pools[0], int(number), folder)
    return made / name


def _pool(name: str, data: Path, made: Path) -> Path:
    """All images of a source: SPLIT/CLASS/NUMBER.png."""
    source, pool = SOURCES[name], made / f"{name}-images"
    if not pool.exists():
        with staged(pool) as folder:
            for split in ("train", "test"):
                _write(source, data / source.folder, split, folder / split)
    return pool


def _write(source: Source, data: Path, split: Split, out: Path) -> None:
    classes = _classes(data, split)
    for number in range(CLASSES):
        (out / str(number)).mkdir(parents=True)
    pixels = images(DataConfig(channels=source.channels), data, split)
    for index, (image, label) in enumerate(zip(pixels, classes.tolist(), strict=True)):
        picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0).squeeze()))
        picture.save(out / str(label) / f"{index:05d}.png", compress_level=1)


def _classes(data: Path, split: Split) -> np.ndarray:
    if (data / CIFAR_JPEG).exists():
        with np.load(data / CIFAR_JPEG, allow_pickle=False) as archive:
            return np.asarray(archive[f"y_{split}"])
    path = find_idx(data, LABELS[split])
    if path is None:
        raise FileNotFoundError(f"{data} has no {LABELS[split]}")
    return read_idx(path)


def _link_class(pool: Path, number: int, out: Path) -> None:
    _link((pool / "train" / str(number)).iterdir(), out / "train" / "good")
    for folder in sorted((pool / "test").iterdir()):
        kind = "good" if folder.name == str(number) else f"class_{folder.name}"
        _link(folder.iterdir(), out / "test" / kind)


def _link_pair(normal: Path, foreign: Path, out: Path) -> None:
    _link(_some(normal / "train", TRAINING), out / "train" / "good")
    _link(_some(normal / "test", TESTED), out / "test" / "good")
    _link(_some(foreign / "test", TESTED), out / "test" / "foreign")


def _some(folder: Path, count: int) -> list[Path]:
    """Images evenly chosen by number, of all classes."""
    files = sorted(folder.glob("*/*.png"), key=lambda path: path.name)
    return [files[i] for i in evenly(len(files), count)]


def _link(files: Iterator[Path] | list[Path], folder: Path) -> None:
    folder.mkdir(parents=True)
    for path in files:
        os.link(path, folder / path.name)


def averaged(
    results: dict[str, dict[str, list[dict[str, Any]]]],
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Figures by set and method with the sets of a source as one: means over its classes, by seed.

    Methods that a class lacks, or of which it has fewer seeds, are cut to what all classes have.
    """
    merged = {
        name: methods for name, methods in results.items() if name.rpartition("-")[0] not in SOURCES
    }
    for source in SOURCES:
        present = [results[name] for name in names(source) if results.get(name)]
        if not present:
            continue
        methods = [method for method in present[0] if all(method in one for one in present)]
        merged[f"{source}, one class against the rest ({len(present)} classes)"] = {
            method: _means([one[method] for one in present]) for method in methods
        }
    return merged


def _means(of_classes: list[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    seeds = zip(*of_classes, strict=False)
    return [
        {
            measure: _mean([one.get(measure) for one in seed])
            for measure in ("image", "pixel", "minutes")
        }
        for seed in seeds
    ]


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None
