"""The segmenter: a small U-Net that sees an image and gives a logit for each of its pixels.

It is trained on drawn defects like the second network of DRAEM (Zavrtanik, Kristan and Skocaj, ICCV
2021), but sees no reconstruction, and it is cheap: it begins at a quarter of the resolution, with
all pixels of a cell as channels, and ends there with one logit for each of these pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from codec.graphs.segmenter import STRIDE
from training.config.checks import Channels, check_fields, require
from training.models.base import ResidualBlock

# Pixels along a side of a cell of the finest level; each further level halves the size.
CELL = 4
LEVELS = 3
WIDTHS = (32, 64, 96)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterConfig:
    """The network: channels of the images, and of its three levels, finest first."""

    channels: Channels = 1
    widths: tuple[int, ...] = WIDTHS

    def __post_init__(self) -> None:
        check_fields(self, "segmenter.")
        require(
            len(self.widths) == LEVELS and all(width >= 1 for width in self.widths),
            f"segmenter.widths is {self.widths}; three positive numbers expected",
        )


class Segmenter(nn.Module):
    """Images to logits, above 0 where a pixel is rather part of a defect."""

    def __init__(self, config: SegmenterConfig) -> None:
        super().__init__()
        self.config = config
        fine, middle, coarse = config.widths
        self.stem = _block(config.channels * CELL**2, fine, 3)
        self.to_middle = _down(fine, middle)
        self.to_coarse = _down(middle, coarse)
        self.context = ResidualBlock(coarse)
        self.from_coarse = _Up(coarse, middle)
        self.from_middle = _Up(middle, fine)
        self.last = nn.Conv2d(fine, CELL**2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, H, W] in [0, 1], sides multiples of 16, to logits [B, H, W]."""
        fine = self.stem(functional.pixel_unshuffle(x - 0.5, CELL))
        middle = self.to_middle(fine)
        coarse = self.context(self.to_coarse(middle))
        fine = self.from_middle(self.from_coarse(coarse, middle), fine)
        return functional.pixel_shuffle(self.last(fine), CELL)[:, 0]


class _Up(nn.Module):
    """Adds a coarse map to a map of twice its size."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.change = nn.Conv2d(coarse, fine, 1)
        self.merge = _block(fine, fine, 3)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        larger = functional.interpolate(self.change(coarse), scale_factor=2.0, mode="nearest")
        merged: Tensor = self.merge(fine + larger)
        return merged


def _block(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def _down(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.PixelUnshuffle(2), _block(4 * inputs, outputs, 1), ResidualBlock(outputs)
    )


def build_segmenter(config: SegmenterConfig, seed: int = 0) -> Segmenter:
    """A new network; the same seed gives the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Segmenter(config)


def segment(network: Segmenter, x: Tensor) -> Tensor:
    """Logits [B, H, W] of x [B, C, H, W] in [0, 1], of any size.

    Bottom and right edges are repeated up to a multiple of 16, as in `codec.graphs.segmenter`.
    """
    height, width = x.shape[2:]
    missing = (0, -width % STRIDE, 0, -height % STRIDE)
    if any(missing):
        x = functional.pad(x, missing, mode="replicate")
    logits: Tensor = network(x)
    return logits[:, :height, :width]
