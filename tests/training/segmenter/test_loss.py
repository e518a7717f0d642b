"""The loss of a segmenter, against scipy and calculations in float64."""

import numpy as np
import torch
from scipy import ndimage

from training.segmenter.loss import close_holes, dice_loss, focal_loss, mask_loss


def drawn(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 3, (3, 9, 7)), (rng.random((3, 9, 7)) < 0.3).astype(np.float64)


def test_holes_are_closed_as_scipy_closes_them():
    masks = np.random.default_rng(0).random((4, 30, 41)) < 0.06
    found = close_holes(masks)
    for mask, closed in zip(masks, found, strict=True):
        # Outside of the image scipy sees zeros, so it gets a border that the closing cannot reach.
        wide = ndimage.binary_closing(np.pad(mask, 9), np.ones((5, 5)))[9:-9, 9:-9]
        inner = (slice(4, -4), slice(4, -4))
        np.testing.assert_array_equal(closed[inner].astype(bool), wide[inner])
        assert (closed >= mask).all()


def test_the_focal_loss_is_that_of_lin_et_al():
    logits, mask = drawn()
    p = 1 / (1 + np.exp(-logits))
    right = np.where(mask > 0, p, 1 - p)
    expected = 4 * ((1 - right) ** 2 * -np.log(right)).mean()
    found = focal_loss(torch.from_numpy(logits), torch.from_numpy(mask))
    np.testing.assert_allclose(float(found), expected, rtol=1e-9)


def test_the_dice_loss_counts_each_image_alike():
    logits, mask = drawn(1)
    p = 1 / (1 + np.exp(-logits))
    each = [
        1 - (2 * (a * b).sum() + 1) / (a.sum() + b.sum() + 1) for a, b in zip(p, mask, strict=True)
    ]
    found = dice_loss(torch.from_numpy(logits), torch.from_numpy(mask))
    np.testing.assert_allclose(float(found), np.mean(each), rtol=1e-9)


def test_only_images_with_defects_count_in_the_dice_loss():
    logits, mask = (torch.from_numpy(values) for values in drawn(2))
    expected = focal_loss(logits, mask) + 0.2 * dice_loss(logits[:2], mask[:2])
    assert float(mask_loss(logits, mask, 2)) == float(expected)


def test_extreme_logits_give_finite_gradients():
    logits = torch.tensor([[[-1e4, 1e4], [1e4, -1e4]]], requires_grad=True)
    mask = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])
    mask_loss(logits, mask, 1).backward()
    assert bool(logits.grad.isfinite().all())
