"""Defects on a batch of images, and the mask of what they changed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codec.arrays import U8, Mask
from training.data.defects.bank import Bank
from training.data.defects.kinds import RANKING_KINDS, TRAINING_KINDS, apply
from training.data.defects.place import Rng, Scene
from training.data.image_files import Images
from training.errors import TrainingError

# A pixel has changed if one of its channels differs by more levels than this.
INVISIBLE = 2
# Defects that change fewer pixels are drawn again; one pixel is enough in the second half of tries.
LEAST = 4
TRIES = 32


def draw(
    images: U8,
    others: Images,
    bank: Bank,
    rng: Rng,
    kinds: Sequence[str] = TRAINING_KINDS,
    most: int = 3,
) -> tuple[U8, Mask]:
    """Copies of images [B, C, H, W] with 1 to `most` defects in each, and masks [B, H, W].

    A mask is True where a channel changed by more than 2 levels, which is at least 4 pixels where
    32 tries can give that; all other pixels are those of `images`. A mask is empty only if none of
    these tries changed anything. `others` are normal images, uint8
    [C, h, w] of any size, that regions and textures come from; without any, the images themselves
    are. Equal generators give equal results. Raises TrainingError for kinds that do not exist,
    arrays that are not uint8 [B, C, H, W], and others with another number of channels.
    """
    _check(images, others, kinds)
    scene = Scene(others if len(others) else images, bank)
    result, masks = images.copy(), np.zeros((len(images), *images.shape[2:]), np.bool_)
    left = np.arange(len(images))
    for attempt in range(TRIES):
        for image in left.tolist():
            result[image] = images[image]
            for _ in range(int(rng.integers(1, most + 1))):
                apply(kinds[int(rng.integers(len(kinds)))], result[image], scene, rng)
        clean, drawn = images[left], result[left]
        changed = _changed(clean, drawn)
        masks[left] = changed
        result[left] = np.where(changed[:, None], drawn, clean)
        left = left[changed.sum((1, 2)) < (LEAST if attempt < TRIES // 2 else 1)]
        if not len(left):
            break
    return result, masks


def _changed(clean: U8, drawn: U8) -> Mask:
    """Where a channel differs by more than 2 levels: [B, H, W]."""
    difference = np.maximum(clean, drawn) - np.minimum(clean, drawn)
    return np.asarray((difference > INVISIBLE).any(1))


def _check(images: U8, others: Images, kinds: Sequence[str]) -> None:
    known = (*TRAINING_KINDS, *RANKING_KINDS)
    if not kinds or (unknown := sorted(set(kinds) - set(known))):
        found = f"unknown kinds {unknown}" if kinds else "no kinds"
        raise TrainingError(f"{found} of defects; they can be {', '.join(known)}")
    if images.dtype != np.uint8 or images.ndim != 4 or 0 in images.shape[1:]:
        raise TrainingError(
            f"images are {images.dtype} {list(images.shape)}; uint8 [B, C, H, W] expected"
        )
    if len(others) and len(others[0]) != images.shape[1]:
        raise TrainingError(
            f"the other images have {len(others[0])} channels; {images.shape[1]} expected"
        )
