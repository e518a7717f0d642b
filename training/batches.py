"""Training batches: crops, turns, mirrors, negatives and corruption, all from one seeded generator.

The generator of a batch depends on (seed, epoch, number of the batch) alone, so a resumed run sees
exactly the batches of an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.config import TrainConfig
from training.corruption import Mask, corrupt, spots
from training.data import Images

U8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """The training images of a run and the recipe that makes batches of them."""

    images: Images
    config: TrainConfig
    shapes: Sequence[Mask]

    def per_epoch(self) -> int:
        """Batches in an epoch."""
        whole = max(1, len(self.images) // self.config.batch_size)
        return self.config.epoch_steps or whole

    def batch(self, epoch: int, number: int) -> tuple[U8, U8]:
        """(input, target) of one batch, uint8 [B, C, H, W]; the same array without corruption."""
        config = self.config
        rng = np.random.default_rng((config.seed, epoch, number))
        positions = self._positions(epoch, number)
        if config.crop:
            target = np.stack([self._crop(self.images[i], rng) for i in positions])
        else:
            target = np.stack([self.images[i] for i in positions])
        target = _mirror_and_negate(target, config, rng)
        if not config.corruptions:
            return target, target
        return corrupt(target, config.corruptions, self.shapes, rng), target

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[U8, U8]]:
        """The batches of an epoch from number `first` on."""
        for number in range(first, self.per_epoch()):
            yield self.batch(epoch, number)

    def _positions(self, epoch: int, number: int) -> NDArray[np.int64]:
        """Which images: pass after pass over all of them, each in an order of its own."""
        size, count = self.config.batch_size, len(self.images)
        if size >= count:
            rng = np.random.default_rng((self.config.seed, epoch, number, 1))
            return rng.integers(0, count, size)
        turns, place = divmod(number, count // size)
        order = np.random.default_rng((self.config.seed, epoch, turns, 2)).permutation(count)
        return order[place * size : (place + 1) * size]

    def _crop(self, image: U8, rng: np.random.Generator) -> U8:
        """A random square of `image`, enlarged or reduced in half of the cases, maybe turned."""
        side = self.config.crop
        scale = rng.uniform(*self.config.scale_jitter) if rng.random() < 0.5 else 1.0
        cut = min(*image.shape[1:], round(side / scale))
        top = rng.integers(0, image.shape[1] - cut + 1)
        left = rng.integers(0, image.shape[2] - cut + 1)
        piece = image[:, top : top + cut, left : left + cut]
        if cut != side:
            piece = _resize(piece, side)
        return np.rot90(piece, int(rng.integers(4)), axes=(1, 2)) if self.config.rotate else piece


def make_batches(config: TrainConfig, images: Images) -> Batches:
    """The batches of a run."""
    size = config.crop or min(config.model.height, config.model.width)
    shapes = spots(config.seed, size) if config.corruptions else []
    return Batches(images=images, config=config, shapes=shapes)


def _resize(image: U8, side: int) -> U8:
    planes = [
        Image.fromarray(plane).resize((side, side), Image.Resampling.LANCZOS) for plane in image
    ]
    return np.stack([np.asarray(plane) for plane in planes])


def _mirror_and_negate(images: U8, config: TrainConfig, rng: np.random.Generator) -> U8:
    if config.flip:
        chosen = rng.random(len(images)) < 0.5
        images[chosen] = images[chosen][..., ::-1]
    if config.inversion:
        chosen = rng.random(len(images)) < config.inversion
        images[chosen] = 255 - images[chosen]
    return images
