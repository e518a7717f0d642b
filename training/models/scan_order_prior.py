"""The prior of latent maps in training: a differentiable model of the entropy coder.

Position by position in the order of codec.priors.scan_order, and at each position group of channels
by group, a value is Gaussian with

    mean   b + sum of w * neighbours           + sum of w * earlier channels here
    scale  a s^c + sum of v^2 * |neighbours|   + sum of v^2 * |earlier channels here|

where s is the step multiplier. It uses only values that are decoded earlier, so the rate that
training minimises is one that a decoder can achieve.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from codec.priors.scan_order import SCAN_ORDER, CodingPass
from training.models.latents import Posterior

LEAST_SCALE = 0.02
# First weight of a neighbour's magnitude, before it is squared.
FIRST_WEIGHT = 0.2


class ScanOrderPrior(nn.Module):
    """z [B, D, h, w] and log2 s [B] to mean and log-variance of each value, given earlier ones."""

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.passes = nn.ModuleList(PassPrior(latent, one) for one in SCAN_ORDER)

    def forward(self, z: Tensor, log2_step_scale: Tensor | None = None) -> Posterior:
        mean, scale = torch.zeros_like(z), torch.ones_like(z)
        log2_step_scale = z.new_zeros(len(z)) if log2_step_scale is None else log2_step_scale
        for coding_pass, pass_prior in zip(SCAN_ORDER, self.passes, strict=True):
            place = (..., *coding_pass.grid)
            if z[place].numel():
                mean[place], scale[place] = pass_prior(z, log2_step_scale)
        return Posterior(mean, 2 * (scale + LEAST_SCALE).log())


class PassPrior(nn.Module):
    """The values of one pass: their means and scales [B, D, a, b]."""

    def __init__(self, latent: int, coding_pass: CodingPass) -> None:
        super().__init__()
        self.coding_pass = coding_pass
        steps = [step for group in coding_pass.neighbour_groups for step in group]
        self.distance = max((abs(down) for down, _ in steps), default=0)
        self.mean_bias = nn.Parameter(torch.zeros(latent))
        self.scale_bias = nn.Parameter(torch.zeros(2, latent))
        self.mean_here = nn.Parameter(torch.zeros(latent, latent))
        self.scale_here = nn.Parameter(torch.full((latent, latent), FIRST_WEIGHT / latent))
        self.register_buffer("earlier", earlier(latent), persistent=False)
        if self.distance:
            around = torch.zeros(3, 3)
            for down, across in steps:
                around[1 + down // self.distance, 1 + across // self.distance] = 1
            self.register_buffer("around", around, persistent=False)
            self.mean_around = nn.Parameter(torch.zeros(latent, latent, 3, 3))
            alone = FIRST_WEIGHT * torch.eye(latent)[..., None, None].expand(-1, -1, 3, 3)
            self.scale_around = nn.Parameter(alone + FIRST_WEIGHT / latent)

    earlier: Tensor
    around: Tensor

    def forward(self, z: Tensor, log2_step_scale: Tensor) -> tuple[Tensor, Tensor]:
        here = z[..., *self.coding_pass.grid]
        level, slope = self.scale_bias[..., None, None]
        mean = self.mean_bias[:, None, None] + self._here(self.mean_here, here)
        scale = (level + slope * log2_step_scale[:, None, None, None]).exp()
        scale = scale + self._here(self.scale_here**2, here.abs())
        if self.distance:
            mean = mean + self._around(self.mean_around, z)
            scale = scale + self._around(self.scale_around**2, z.abs())
        return mean, scale

    def _here(self, weight: Tensor, values: Tensor) -> Tensor:
        return functional.conv2d(values, (weight * self.earlier)[..., None, None])

    def _around(self, weight: Tensor, values: Tensor) -> Tensor:
        """A convolution whose taps are `distance` apart, only at the positions of the pass."""
        at, distance = self.coding_pass, self.distance
        padded = functional.pad(values, (distance,) * 4)[..., at.line :, at.column :]
        sums = functional.conv2d(padded, weight * self.around, stride=at.stride, dilation=distance)
        rows, columns = values[0, 0, *at.grid].shape
        return sums[..., :rows, :columns]


def earlier(latent: int) -> Tensor:
    """[D, D], 1 where the second channel is decoded before the first at the same position.

    Components come in the order of their variance; the sixteenth with the largest ones is first.
    """
    group = torch.zeros(latent)
    for part in (latent // 16, latent // 4):
        group[part:] += 1
    return (group[:, None] > group[None]).float()
