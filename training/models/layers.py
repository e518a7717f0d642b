"""Building blocks that every family shares.

Sizes grow by a convolution and a PixelShuffle, never by a transposed convolution, which is 1.6
times slower on a CPU; they shrink by a PixelUnshuffle and a 1x1 convolution for the same reason.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.1
LOG_VAR_RANGE = (-14.0, 4.0)


def zero_init(layer: nn.Module) -> nn.Module:
    """The layer with all its parameters set to 0, so that its output starts at 0."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def append_rate_channel(z: Tensor, log2_step_scale: Tensor | None) -> Tensor:
    """Append log2 of the step multiplier of each image [B] to z: [B, D, ...] to [B, D + 1, ...].

    The default multiplier is 1.
    """
    plane = z.new_zeros(len(z)) if log2_step_scale is None else log2_step_scale.to(z.dtype)
    plane = plane.reshape(-1, *([1] * (z.dim() - 1))).expand(-1, 1, *z.shape[2:])
    return torch.cat([z, plane], dim=1)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions added to their input; the identity at the start of training."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        last = nn.BatchNorm2d(width)
        nn.init.zeros_(last.weight)
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm2d(width),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            last,
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, h, w] to the same shape."""
        return functional.leaky_relu(x + self.body(x), SLOPE)


class Standardise(nn.Module):
    """[B, D] to mean 0 and variance 1 over the images seen so far.

    Batch normalisation with its running statistics in training too: those of a batch of 128 would
    put an error of 6 % on every code.
    """

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.statistics = nn.BatchNorm1d(dims, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, D] to the same shape."""
        if self.training:
            self.statistics(x.detach())
        mean, variance = map(self.statistics.get_buffer, ("running_mean", "running_var"))
        return (x - mean) * torch.rsqrt(variance + self.statistics.eps)


def down(inputs: int, outputs: int, kernel: int = 1) -> nn.Sequential:
    """[B, inputs, h, w] to [B, outputs, h/2, w/2]."""
    return nn.Sequential(
        nn.PixelUnshuffle(2),
        nn.Conv2d(4 * inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(SLOPE),
    )


def up(inputs: int, outputs: int) -> nn.Sequential:
    """[B, inputs, h, w] to [B, outputs, 2h, 2w]."""
    return nn.Sequential(
        nn.Conv2d(inputs, 4 * outputs, 3, padding=1), nn.PixelShuffle(2), nn.LeakyReLU(SLOPE)
    )


def dense(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Module:
    """[B, inputs] to [B, outputs] through fully connected layers of the sizes `hidden`."""
    sizes = (inputs, *hidden)
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [
            nn.Linear(before, after, bias=False),
            nn.BatchNorm1d(after),
            nn.LeakyReLU(SLOPE),
        ]
    last = nn.Linear(sizes[-1], outputs)
    return nn.Sequential(*layers, last) if layers else last
