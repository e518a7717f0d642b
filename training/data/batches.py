"""Training batches: crops, mirrors, negatives, noise and defects, all from one seeded generator.

The generator of a batch depends only on (seed, epoch, number of the batch), so a resumed run sees
exactly the batches of an uninterrupted one, and all processes see the same batches.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from codec.arrays import U8, Mask
from training.config.run import TrainConfig
from training.data.ahead import computed_ahead
from training.data.corruption import add_noise, corrupt, mask_pixels, spots
from training.data.defects import Bank, draw, draw_bank
from training.data.image_files import Images
from training.distributed import SINGLE_PROCESS, ProcessGroup

# Epoch, and number of the batch in it.
Place = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """The training images of a run and the recipe that makes batches of them."""

    images: Images
    config: TrainConfig
    shapes: Sequence[Mask]
    bank: Bank | None
    """shapes of the drawn defects, if the configuration asks for defects"""
    device: torch.device
    group: ProcessGroup
    resident: Tensor | None
    """the images on the device, uint8 [N, C, H, W], if batches are only selections of them"""
    assembled: Callable[[Place], tuple[U8, U8]] | None = None
    """what gives the batches that are assembled before they are asked for"""

    def per_epoch(self) -> int:
        """Batches in an epoch."""
        whole = max(1, len(self.images) // self.config.batch_size)
        return self.config.epoch_steps or whole

    def batch(self, epoch: int, number: int) -> tuple[Tensor, Tensor]:
        """(input, target), uint8 [B, C, H, W] on the device: the rows of this process.

        Without corruption both are the same tensor.
        """
        if self.resident is not None:
            chosen = self._choose(self.resident, epoch, number)
            return chosen, chosen
        assemble = self.assembled or self.assemble
        source, target = assemble((epoch, number))
        there = torch.from_numpy(target).to(self.device)
        same = source is target
        return there if same else torch.from_numpy(source).to(self.device), there

    def assemble(self, place: Place) -> tuple[U8, U8]:
        """(input, target) of a batch, the rows of this process; one array if both are equal."""
        epoch, number = place
        rng = np.random.default_rng((self.config.seed, epoch, number))
        positions = self._positions(epoch, number)
        source, target = self._assemble(positions, rng)
        rows = self.group.rows(len(positions))
        cut = target[rows]
        return cut if source is target else source[rows], cut

    def after(self, place: Place) -> Place | None:
        """The place of the next batch; None after the last."""
        epoch, number = place
        if number + 1 < self.per_epoch():
            return epoch, number + 1
        return (epoch + 1, 0) if epoch + 1 < self.config.epochs else None

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch from number `first` on."""
        for number in range(first, self.per_epoch()):
            yield self.batch(epoch, number)

    def _positions(self, epoch: int, number: int) -> NDArray[np.int64]:
        """Positions of the images of a batch: pass after pass over all, each in another order."""
        size, count = self.config.batch_size, len(self.images)
        if size >= count:
            rng = np.random.default_rng((self.config.seed, epoch, number, 1))
            return rng.integers(0, count, size)
        turns, place = divmod(number, count // size)
        order = _order(self.config.seed, epoch, turns, count)
        return order[place * size : (place + 1) * size]

    def _choose(self, images: Tensor, epoch: int, number: int) -> Tensor:
        """Images of a batch on the device, mirrored and negated as in `_assemble`."""
        rng = np.random.default_rng((self.config.seed, epoch, number))
        positions = self._positions(epoch, number)
        rows = self.group.rows(len(positions))
        mirrored, negated = _draw_signs(len(positions), self.config, rng)
        batch = images[torch.from_numpy(positions[rows]).to(self.device)]
        if mirrored is not None:
            chosen = torch.from_numpy(mirrored[rows]).to(self.device)
            batch = torch.where(chosen[:, None, None, None], batch.flip(3), batch)
        if negated is not None:
            chosen = torch.from_numpy(negated[rows]).to(self.device)
            batch = torch.where(chosen[:, None, None, None], 255 - batch, batch)
        return batch

    def _assemble(self, positions: NDArray[np.int64], rng: np.random.Generator) -> tuple[U8, U8]:
        """(input, target) of the whole batch; the same array without corruption."""
        config = self.config
        images = [self.images[i] for i in positions]
        target = np.stack([self._crop(image, rng) for image in images] if config.crop else images)
        mirrored, negated = _draw_signs(len(target), config, rng)
        if mirrored is not None:
            target[mirrored] = target[mirrored][..., ::-1]
        if negated is not None:
            target[negated] = 255 - target[negated]
        if config.noise_in_target:
            target = add_noise(target, config.noise_in_target, rng)
        return self._corrupted(target, rng), target

    def _corrupted(self, images: U8, rng: np.random.Generator) -> U8:
        """The inputs for the targets `images`; the same array without corruption."""
        config = self.config
        if config.corruptions:
            images = corrupt(images, config.corruptions, self.shapes, rng)
        if self.bank is not None:
            chosen = rng.random(len(images)) < config.defects
            drawn = images.copy()
            drawn[chosen] = draw(images[chosen], images, self.bank, rng)[0]
            images = drawn
        if config.masking:
            images = mask_pixels(images, config.masking, rng)
        if config.input_noise:
            images = add_noise(images, config.input_noise, rng)
        return images

    def _crop(self, image: U8, rng: np.random.Generator) -> U8:
        """A random square of `image`, resized in half of the cases, turned if configured."""
        side = self.config.crop
        scale = rng.uniform(*self.config.scale_jitter) if rng.random() < 0.5 else 1.0
        cut = min(*image.shape[1:], round(side / scale))
        top = rng.integers(0, image.shape[1] - cut + 1)
        left = rng.integers(0, image.shape[2] - cut + 1)
        piece = image[:, top : top + cut, left : left + cut]
        if cut != side:
            piece = _resize(piece, side)
        return np.rot90(piece, int(rng.integers(4)), axes=(1, 2)) if self.config.rotate else piece


CPU = torch.device("cpu")


def make_batches(
    config: TrainConfig,
    images: Images,
    device: torch.device = CPU,
    group: ProcessGroup = SINGLE_PROCESS,
) -> Batches:
    """The batches of a run. Images that are only selected are copied to the device once."""
    height, width = config.crop or config.model.height, config.crop or config.model.width
    size = min(height, width)
    resident = None
    if isinstance(images, np.ndarray) and not _changes(config):
        resident = torch.from_numpy(np.ascontiguousarray(images)).to(device)
    return Batches(
        images=images,
        config=config,
        shapes=spots(config.seed, size) if config.corruptions else [],
        bank=draw_bank(config.seed, height, width) if config.defects else None,
        device=device,
        group=group,
        resident=resident,
    )


@contextmanager
def assembled_ahead(batches: Batches, workers: int) -> Iterator[Batches]:
    """The same batches, assembled by processes before they are asked for; with 0 as they are."""
    if not workers or batches.resident is not None:
        yield batches
        return
    with computed_ahead(batches.assemble, batches.after, workers) as assembled:
        yield replace(batches, assembled=assembled)


def _changes(config: TrainConfig) -> bool:
    """Whether a batch is more than a selection of images, some mirrored or negated."""
    corrupted = config.corruptions or config.defects or config.masking or config.input_noise
    return bool(config.crop or corrupted or config.noise_in_target)


@functools.lru_cache(maxsize=4)
def _order(seed: int, epoch: int, turn: int, count: int) -> NDArray[np.int64]:
    """A permutation of `count` images, cached because many batches take a part of it."""
    return np.random.default_rng((seed, epoch, turn, 2)).permutation(count)


def _resize(image: U8, side: int) -> U8:
    planes = [
        Image.fromarray(plane).resize((side, side), Image.Resampling.LANCZOS) for plane in image
    ]
    return np.stack([np.asarray(plane) for plane in planes])


def _draw_signs(
    count: int, config: TrainConfig, rng: np.random.Generator
) -> tuple[Mask | None, Mask | None]:
    """Which of `count` images are mirrored and which negated, bool [B]; None where none can be."""
    mirrored = rng.random(count) < 0.5 if config.flip else None
    negated = rng.random(count) < config.inversion if config.inversion else None
    return mirrored, negated
