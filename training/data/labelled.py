"""Test images with what is known about their defects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codec.arrays import Mask
from training.config.run import DataConfig
from training.data.datasets import Reporter, images, silent, source_of
from training.data.image_files import Images, read_each
from training.data.layouts import Item, recognise
from training.data.layouts.catalogue import listed
from training.data.masks import read_masks
from training.errors import TrainingError


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledImages:
    """Test images with the truth about each."""

    images: Images
    defect: Mask
    """[N], True where the image is anomalous"""
    masks: list[Mask | None]
    """[H, W] of the first mask file's size, True on defects; None if no pixel is known to be one"""
    names: list[str]
    """of the files below the data folder; numbers where one file holds all images"""
    kinds: list[str]
    """what the layout calls each image, such as good or scratch; empty where one file holds all"""


def labelled_test(config: DataConfig, folder: Path, report: Reporter = silent) -> LabelledImages:
    """The test images with their labels; all are normal where no defects are marked.

    `report` gets what was recognised, and a sentence about each kind of problem. Raises
    TrainingError.
    """
    if source_of(config, folder) != "folder":
        normal = images(config, folder, "test")
        count = len(normal)
        return LabelledImages(
            images=normal,
            defect=np.zeros(count, np.bool_),
            masks=[None] * count,
            names=[f"test image {index}" for index in range(count)],
            kinds=[],
        )
    catalogue = recognise(folder, config.layout)
    report(catalogue.sentence())
    for warning in catalogue.warnings:
        report(warning)
    if not catalogue.test:
        raise TrainingError(
            f"evaluation needs test images: {folder} holds only images for training; expected for "
            f"example {folder / 'test' / 'good'} and {folder / 'test' / 'bad'}"
        )
    paths = [item.path for item in catalogue.test]
    everything = read_each(paths, config.channels, config.size, report)
    pairs = zip(catalogue.test, everything, strict=True)
    items = [item for item, image in pairs if image is not None]
    return LabelledImages(
        images=[image for image in everything if image is not None],
        defect=np.array([item.defect for item in items], np.bool_),
        masks=_masks(items, report),
        names=[item.name for item in items],
        kinds=[item.kind for item in items],
    )


def _masks(items: Sequence[Item], report: Reporter) -> list[Mask | None]:
    """The mask of each image; `report` gets one line for each kind of unusable mask."""
    masks: list[Mask | None] = []
    unreadable, empty, missing = [], [], []
    for item in items:
        mask = None
        try:
            mask = read_masks(item.masks) if item.defect and item.masks else None
        except TrainingError as error:
            unreadable.append(str(error))
        if mask is not None and not mask.any():
            empty.append(item.name)
            mask = None
        if item.defect and not item.masks:
            missing.append(item.name)
        masks.append(mask)
    if unreadable:
        report(f"{len(unreadable)} masks cannot be read: {listed(unreadable)}")
    if empty:
        report(f"{len(empty)} masks mark no pixel and are ignored: {listed(empty)}")
    if missing and any(item.masks for item in items):
        report(f"{len(missing)} defect images have no mask: {listed(missing)}")
    return masks
