"""Families with one latent vector per image: a plain sigma-VAE, and ResLag with side branches.

ResLag joins every encoder level to the latent vector: a 1x1 convolution brings level k to a side
tensor of about 1024 values ("light"; 4096 in "original"), all are flattened and joined. The
decoder splits the vector's image into the same tensors and merges each into the main path by a
running mean: (main + side) / 2, then (2 main + side) / 3, (3 main + side) / 4 and so on.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from training.config.model import POINT_FAMILIES, ModelConfig
from training.models.base import LOG_VAR_RANGE, SLOPE, GaussianModel, ResidualBlock, down, up
from training.models.latents import Posterior

# Precision of codes of variance 1: about 5 % of their spread.
POINT_LOG_VAR = 2 * math.log(0.05)
SIDE_VALUES = {"light": 1024, "original": 4096}


class Shape(NamedTuple):
    """A feature map without its batch dimension."""

    channels: int
    height: int
    width: int


def side_shapes(config: ModelConfig) -> list[Shape]:
    """Shapes that are flattened and joined into the latent vector, finest level first.

    Without side branches only the coarsest feature map is.
    """
    shapes = []
    for level, width in enumerate(config.widths, start=1):
        height, breadth = config.height >> level, config.width >> level
        if config.side != "none":
            width = max(1, round(SIDE_VALUES[config.side] / (height * breadth)))
        shapes.append(Shape(width, height, breadth))
    return shapes if config.side != "none" else shapes[-1:]


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


class GlobalEncoder(nn.Module):
    """x [B, C, H, W] in [0, 1] to mu and log_var, joined as [B, 2 D]."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        shapes = side_shapes(config)
        inputs = (config.channels, *config.widths[:-1])
        self.levels = nn.ModuleList(
            nn.Sequential(
                down(before, width, 3 if level == 0 else 1),
                *(ResidualBlock(width) for _ in range(config.depth)),
            )
            for level, (before, width) in enumerate(zip(inputs, config.widths, strict=True))
        )
        self.sides = nn.ModuleList(
            nn.Conv2d(width, shape.channels, 1)
            for width, shape in zip(config.widths[-len(shapes) :], shapes, strict=True)
        )
        outputs = config.latent * (1 if config.family in POINT_FAMILIES else 2)
        self.head = dense(sum(map(math.prod, shapes)), config.hidden, outputs)

    def forward(self, x: Tensor) -> Tensor:
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        used = features[-len(self.sides) :]
        flat = [side(h).flatten(1) for side, h in zip(self.sides, used, strict=True)]
        joined: Tensor = self.head(torch.cat(flat, dim=1))
        return joined


class GlobalDecoder(nn.Module):
    """z [B, D] to x_hat [B, C, H, W] in [0, 1]."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.shapes = side_shapes(config)
        widths = config.widths[::-1]
        inputs = config.latent + config.rate_aware
        # The input layer; checkpoints have its weights under this name.
        self.foot = dense(inputs, config.hidden[::-1], sum(map(math.prod, self.shapes)))
        self.sides = nn.ModuleList(
            nn.Conv2d(shape.channels, width, 1)
            for shape, width in zip(self.shapes[::-1], widths, strict=False)
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(*(ResidualBlock(width) for _ in range(config.depth))) for width in widths
        )
        self.ups = nn.ModuleList(up(before, width) for before, width in itertools.pairwise(widths))
        self.out = nn.Sequential(
            nn.Conv2d(widths[-1], 4 * config.channels, 3, padding=1), nn.PixelShuffle(2)
        )

    def forward(self, z: Tensor) -> Tensor:
        parts = self.foot(z).split([math.prod(shape) for shape in self.shapes], dim=1)
        tensors = [
            side(part.reshape(-1, *shape))
            for side, part, shape in zip(self.sides, parts[::-1], self.shapes[::-1], strict=True)
        ]
        main = self.blocks[0](tensors[0])
        for k, (grow, block) in enumerate(zip(self.ups, self.blocks[1:], strict=True), start=1):
            main = grow(main)
            if k < len(tensors):
                main = running_mean(main, tensors[k], k)
            main = block(main)
        return torch.sigmoid(self.out(main))


def running_mean(main: Tensor, side: Tensor, k: int) -> Tensor:
    """The mean of k + 1 tensors, k of which are already averaged in `main`."""
    return (k * main + side) / (k + 1)


class GlobalVae(GaussianModel):
    """Autoencoder with one latent vector; `config.side` chooses the ResLag branches.

    The family "autoencoder" has codes instead of posteriors. They are normalised to mean 0 and
    variance 1, which gives quantisation, sparsity and sampling a scale. The variance of the
    posterior is a constant, the precision at which codes are stored.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self.encoder = GlobalEncoder(config)
        self.decoder = GlobalDecoder(config)
        self.normalise = Standardise(config.latent) if self.point else None

    def encode(self, x: Tensor) -> Posterior:
        """x [B, C, H, W] in [0, 1] to a posterior of [B, D]."""
        if self.normalise is not None:
            code = self.normalise(self.encoder(x))
            return Posterior(code, torch.full_like(code, POINT_LOG_VAR))
        mu, log_var = self.encoder(x).chunk(2, dim=1)
        return Posterior(mu, log_var.clamp(*LOG_VAR_RANGE))

    def decode_latent(self, latent: Tensor) -> Tensor:
        """[B, D], with the rate channel if rate-aware, to x_hat [B, C, H, W] in [0, 1]."""
        x_hat: Tensor = self.decoder(latent)
        return x_hat
