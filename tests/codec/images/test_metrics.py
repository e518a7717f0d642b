"""Distortion of restored images."""

import math

import numpy as np
import pytest

from codec.images.metrics import psnr, squared_error


def test_psnr_is_that_of_the_definition() -> None:
    image = np.full((4, 4, 3), 100, np.uint8)
    assert psnr(squared_error(image, image)) == math.inf
    assert psnr(squared_error(image, image + 1)) == pytest.approx(20 * np.log10(255))
    there, back = squared_error(image, 255 - image), squared_error(255 - image, image)
    assert there == back == pytest.approx((55 / 255) ** 2)


def test_the_error_is_exact_for_large_images() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 256, (900, 1100, 1), dtype=np.uint8) for _ in range(2))
    total = int(((a.astype(np.int64) - b) ** 2).sum())
    assert squared_error(a, b) == total / a.size / 255.0**2


def test_squared_error_is_in_units_of_full_scale() -> None:
    black, white = np.zeros((2, 3, 1), np.uint8), np.full((2, 3, 1), 255, np.uint8)
    assert squared_error(black, white) == 1.0
    assert squared_error(white, black) == 1.0
