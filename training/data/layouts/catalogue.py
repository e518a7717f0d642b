"""What a data set consists of: its image files by purpose, with labels and masks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codec.errors import printable
from training.data.layouts.rules import Layout, Part

# Part of the normal images that is held out for testing where the layout does not divide them.
TEST_SHARE = 0.1
LISTED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One image file."""

    path: Path
    name: str
    """path below the data folder, with `/`"""
    kind: str
    """the folder or the label that says what it shows, such as good or scratch"""
    defect: bool = False
    masks: tuple[Path, ...] = ()
    """files that mark the defects of the image, together"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """The images of a data folder. No defect is among those for training or validation."""

    layout: str
    tree: str
    """the folders of that layout, in words"""
    train: Sequence[Item]
    validation: Sequence[Item] = ()
    """empty if a part of the training images is to be held out instead"""
    test: Sequence[Item] = ()
    skipped: str = ""
    """what else was found, in words"""
    warnings: Sequence[str] = ()
    """sentences about what is wrong with the folder"""

    def sentence(self) -> str:
        """The line that says what was recognised."""
        defect = sum(item.defect for item in self.test)
        parts = [f"layout {self.layout}: {len(self.train)} normal for training"]
        if self.validation:
            parts.append(f"{len(self.validation)} normal for validation")
        if self.test:
            parts.append(f"{len(self.test) - defect} normal and {defect} defect for testing")
        else:
            parts.append("none for testing")
        if defect:
            masked = sum(item.defect and bool(item.masks) for item in self.test)
            parts.append(f"{masked} with mask")
        return ", ".join(parts) + (f"; skipped {self.skipped}" if self.skipped else "")


def assemble(
    layout: Layout,
    images: Sequence[tuple[Item, Part]],
    skipped: Sequence[str],
    warnings: Sequence[str],
) -> Catalogue:
    """The catalogue of images of which each belongs to a part of the data set."""
    parts: dict[Part, list[Item]] = {"train": [], "validation": [], "test": [], "undivided": []}
    for item, part in images:
        parts[part].append(item)
    undivided = [item for item in parts["undivided"] if not item.defect]
    defects = [item for item in parts["undivided"] if item.defect]
    undivided, held_out = hold_out_test(undivided) if defects else (undivided, [])
    learned = [item for part in ("train", "validation") for item in parts[part]]
    if left_out := sum(item.defect for item in learned):
        skipped = [*skipped, f"{left_out} defect among the images for training"]
    return Catalogue(
        layout=layout.name,
        tree=layout.tree,
        train=[item for item in [*parts["train"], *undivided] if not item.defect],
        validation=[item for item in parts["validation"] if not item.defect],
        test=[*parts["test"], *held_out, *defects],
        skipped=", ".join(filter(None, skipped)),
        warnings=warnings,
    )


def hold_out_test(normal: Sequence[Item]) -> tuple[list[Item], list[Item]]:
    """(training, test): a tenth of the normal images is for testing, at least 2 are for training.

    The digests of the names choose, not a seed: training, export and evaluation agree on them
    whatever their options, and on every machine.
    """
    wanted = min(max(1, round(TEST_SHARE * len(normal))), max(0, len(normal) - 2))
    by_digest = sorted(normal, key=lambda item: hashlib.sha256(_bytes(item.name)).digest())
    held_out = {item.name for item in by_digest[:wanted]}
    return (
        [item for item in normal if item.name not in held_out],
        [item for item in normal if item.name in held_out],
    )


def listed(names: Sequence[str]) -> str:
    """Names for a message, at most LISTED of them, without what a terminal would act on."""
    return printable(", ".join(names[:LISTED]) + (", …" if names[LISTED:] else ""))


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")
