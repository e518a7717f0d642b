"""Batches of normal images, some with drawn defects, and the masks of these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from codec.arrays import U8, Mask
from training.config.run import TrainConfig
from training.data.ahead import computed_ahead
from training.data.batches import Batches, make_batches
from training.data.defects import RANKING_KINDS, Bank, draw, draw_bank
from training.data.image_files import Images

# For each image in a batch of the autoencoder a batch has about PIXELS pixels, and from LEAST to
# MOST images.
PIXELS, LEAST, MOST = 2**14, 0.5, 4
SHARE = 0.6
# Brightness of an image is multiplied and shifted by up to this.
CONTRAST, BRIGHTNESS = 0.1, 0.03
# Held-out images, at most; each is there once as it is and once with a defect.
JUDGED, JUDGED_PIXELS = 64, 2**21


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnBatches:
    """The training batches of a segmenter; each depends on the seed and its number only."""

    clean: Batches
    others: Images
    bank: Bank
    seed: int
    drawn: int
    """images of a batch that have defects: its first ones"""

    def batch(self, number: int) -> tuple[U8, Mask]:
        """Images [B, C, H, W] and masks [B, H, W] of their defects."""
        rng = np.random.default_rng((self.seed, number, 3))
        epoch, place = divmod(number, self.clean.per_epoch())
        images = self.clean.batch(epoch, place)[0].cpu().numpy().copy()
        masks = np.zeros((len(images), *images.shape[2:]), np.bool_)
        images[: self.drawn], masks[: self.drawn] = draw(
            images[: self.drawn], self.others, self.bank, rng
        )
        return vary_brightness(images, rng), masks


def make_drawn_batches(config: TrainConfig, images: Images, seed: int) -> DrawnBatches:
    """Batches of crops or whole images as in the run of `config`, without its corruptions."""
    images_each = PIXELS / (_height(config) * _width(config))
    size = max(1, int(config.batch_size * min(MOST, max(LEAST, images_each))))
    return DrawnBatches(
        clean=make_batches(_clean(config, size, seed), images),
        others=images,
        bank=draw_bank(seed, _height(config), _width(config)),
        seed=seed,
        drawn=round(SHARE * size),
    )


def draw_judged(config: TrainConfig, held_out: Images, others: Images, seed: int) -> tuple[U8, U8]:
    """Held-out images [N, C, H, W], and the same with one defect each of the kinds that rank."""
    height, width = _height(config), _width(config)
    size = max(1, min(JUDGED, JUDGED_PIXELS // (height * width)))
    clean = make_batches(_clean(config, size, seed), held_out).batch(0, 0)[0].numpy()
    bank = draw_bank(seed + 1, height, width)
    rng = np.random.default_rng((seed, 4))
    return clean, draw(clean, others, bank, rng, RANKING_KINDS, 1)[0]


def drawn_ahead(
    batches: DrawnBatches, first: int, stop: int, workers: int
) -> Iterator[tuple[U8, Mask]]:
    """The batches `first` to `stop` - 1; the next ones are drawn while one is in use."""

    def after(number: int) -> int | None:
        return number + 1 if number + 1 < stop else None

    with computed_ahead(batches.batch, after, workers) as batch:
        for number in range(first, stop):
            yield batch(number)


def vary_brightness(images: U8, rng: np.random.Generator) -> U8:
    """Images [B, C, H, W], each with a random contrast and brightness."""
    factor = rng.uniform(1 - CONTRAST, 1 + CONTRAST, (len(images), 1))
    shift = 255 * rng.uniform(-BRIGHTNESS, BRIGHTNESS, (len(images), 1))
    # What each of the 256 levels becomes in each image.
    levels = (np.arange(256) * factor + shift).round().clip(0, 255).astype(np.uint8)
    return np.stack([own[image] for own, image in zip(levels, images, strict=True)])


def _clean(config: TrainConfig, size: int, seed: int) -> TrainConfig:
    return replace(
        config,
        batch_size=size,
        seed=seed,
        epoch_steps=0,
        inversion=0.0,
        corruptions=0.0,
        defects=0.0,
        masking=0.0,
        input_noise=0.0,
        noise_in_target=0.0,
    )


def _height(config: TrainConfig) -> int:
    return config.crop or config.model.height


def _width(config: TrainConfig) -> int:
    return config.crop or config.model.width
