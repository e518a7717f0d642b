"""What a segmenter learns: the mask of the drawn defects. Pure functions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from codec.arrays import Mask

# Holes of masks that are at most about twice as wide belong to the defect.
CLOSING = 2
FOCUS = 2.0
# Brings the focal loss, whose factor is 1/4 where p is 1/2, to the size of the cross entropy.
SCALE = 4.0
DICE = 0.2


def close_holes(masks: Mask) -> Mask:
    """Morphological closing of masks [B, H, W] by a square of 5 x 5 pixels."""
    # In numpy, since max_pool2d takes a sixth of the time of a step.
    return ~_dilated(~_dilated(masks))


def _dilated(masks: Mask) -> Mask:
    for axis in (1, 2):
        for _ in range(CLOSING):
            lines = masks.swapaxes(0, axis)
            masks = masks.copy()
            grown = masks.swapaxes(0, axis)
            grown[1:] |= lines[:-1]
            grown[:-1] |= lines[1:]
    return masks


def focal_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """4 (1 - p)² (-ln p), p the probability of the true class of a pixel: the mean over [B, H, W].

    Lin et al., "Focal loss for dense object detection", ICCV 2017, eq. 4 with gamma 2.
    """
    entropy = functional.binary_cross_entropy_with_logits(logits, mask, reduction="none")
    return SCALE * ((1 - torch.exp(-entropy)) ** FOCUS * entropy).mean()


def dice_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """1 - (2 Σ p m + 1) / (Σ p + Σ m + 1) of each image [B, H, W]: the mean.

    Milletari, Navab and Ahmadi, "V-Net", 2016, here with sums instead of sums of squares.
    """
    p = torch.sigmoid(logits)
    both, sums = (p * mask).sum((1, 2)), p.sum((1, 2)) + mask.sum((1, 2))
    return (1 - (2 * both + 1) / (sums + 1)).mean()


def mask_loss(logits: Tensor, mask: Tensor, drawn: int) -> Tensor:
    """The loss of logits [B, H, W]; the first `drawn` > 0 images have defects."""
    return focal_loss(logits, mask) + DICE * dice_loss(logits[:drawn], mask[:drawn])
