"""Measurements of images, and the points and curves made from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from codec.arrays import F64, U8
from codec.images import comparison

SMALLEST_ERROR = 1e-12
# One file per image, or all images of the set in one.
Layout = Literal["single", "together"]
# One model of ours, models of ours that were trained for one rate each, PCA, a classical codec.
Kind = Literal["ours", "many", "pca", "classical"]


@dataclass(frozen=True, slots=True, eq=False)
class Measurement:
    """One setting of one codec, image by image.

    `stored` and `payload` are bytes `[n]`, `errors` mean squared errors `[n]` of pixels in [0, 1],
    `model` the bytes of the model that a decoder needs, 0 without a model. Images in one file share
    its bytes evenly. All images have the same number of values.
    """

    stored: F64
    payload: F64
    errors: F64
    model: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """Means over images: bytes, and PSNR in dB of the mean squared error and mean of the PSNRs."""

    setting: str
    stored: float
    payload: float
    psnr: float
    mean_psnr: float
    model: int = 0


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of one codec in one layout, in ascending PSNR."""

    codec: str
    kind: Kind
    layout: Layout
    points: tuple[Point, ...]


def squared_error(image: U8, restored: U8) -> float:
    """Mean squared error of two images of one shape, pixels in [0, 1]."""
    if image.shape != restored.shape:
        raise ValueError(f"an image of {image.shape} came back as {restored.shape}")
    return comparison.squared_error(image, restored)


def psnr(error: float) -> float:
    """Decibels of a mean squared error of pixels in [0, 1], at most 120."""
    return comparison.psnr(max(error, SMALLEST_ERROR))


def summarise(setting: str, found: Measurement) -> Point:
    """The means over all images."""
    return Point(
        setting=setting,
        stored=float(found.stored.mean()),
        payload=float(found.payload.mean()),
        psnr=psnr(float(found.errors.mean())),
        mean_psnr=float(np.mean([psnr(error) for error in found.errors])),
        model=found.model,
    )


def curve(codec: str, kind: Kind, layout: Layout, points: Sequence[Point]) -> Curve:
    """The points in ascending PSNR, as a curve."""
    return Curve(codec, kind, layout, tuple(sorted(points, key=lambda point: point.psnr)))
