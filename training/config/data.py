"""How images are read from a folder: a frozen, checked dataclass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from training.config.checks import one_of, require

Source = Literal["auto", "idx", "cifar10", "cifar100", "celeba", "folder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """The form in which images are read, and which of them are held out.

    A run derives it from its configuration (`TrainConfig.data`), a bundle from its manifest.
    """

    channels: int = 1
    """1 gray, 3 RGB"""
    size: tuple[int, int] | None = None
    """(height, width) in pixels to which every image is resized; None keeps the sizes"""
    min_side: int = 0
    """pixels; an image with a shorter side is an error"""
    source: Source = "auto"
    """kind of data; auto recognises it"""
    seed: int = 0
    """chooses the validation images"""
    validation_fraction: float = 0.1
    """part of the training images that is held out"""

    def __post_init__(self) -> None:
        one_of("source", self.source, get_args(Source))
        require(self.channels in (1, 3), f"channels is {self.channels}; 1 or 3 expected")
        require(self.seed >= 0, f"seed is {self.seed}; 0 or more expected")
        part = self.validation_fraction
        require(0 <= part < 1, f"validation_fraction is {part}; expected in [0, 1)")
        require(part > 0, "validation_fraction is 0; a positive number expected")
