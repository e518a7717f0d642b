"""Shapes that fill an area: polygons, ellipses, rectangles, grains, and blobs of smooth noise."""

from __future__ import annotations

import numpy as np

from codec.arrays import F32, F64
from training.data.defects.arrays import smooth_noise
from training.data.defects.lines import Drawing, Rng, fitted


def _fill(drawing: Drawing, points: F64) -> None:
    drawing.polygon(points.ravel().tolist(), fill=255)


def _turned(points: F64, angle: float) -> F64:
    cos, sin = np.cos(angle), np.sin(angle)
    turned: F64 = points @ np.array([[cos, -sin], [sin, cos]])
    return turned


def polygon(drawing: Drawing, side: float, width: float, rng: Rng) -> None:  # noqa: ARG001
    """Three to nine corners around the middle."""
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 10)))
    radii = rng.uniform(0.35, 1, len(angles))
    _fill(drawing, fitted(np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1), side))


def ellipse(drawing: Drawing, side: float, width: float, rng: Rng) -> None:  # noqa: ARG001
    """At most five times as long as wide, in any direction."""
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    points = np.stack([np.cos(angles), rng.uniform(0.2, 1) * np.sin(angles)], 1)
    _fill(drawing, fitted(_turned(points, rng.uniform(0, np.pi)), side))


def rectangle(drawing: Drawing, side: float, width: float, rng: Rng) -> None:  # noqa: ARG001
    """At most six times as long as wide; upright in two thirds of the cases."""
    half = rng.uniform(0.16, 1)
    points = np.array([[-1, -half], [1, -half], [1, half], [-1, half]])
    angle = np.pi / 2 * rng.integers(2) if rng.random() < 0.67 else rng.uniform(0, np.pi)
    _fill(drawing, fitted(_turned(points, angle), side))


def grains(drawing: Drawing, side: float, width: float, rng: Rng) -> None:
    """A cluster of 3 to 40 small spots."""
    count = int(rng.integers(3, 41))
    middles = fitted(rng.normal(0, 1, (count, 2)).clip(-2, 2), 0.9 * side) + 0.05 * side
    radii = width * rng.uniform(0.4, 1.0, (count, 2))
    for (x, y), (a, b) in zip(middles.tolist(), radii.tolist(), strict=True):
        drawing.ellipse((x - a, y - b, x + a, y + b), fill=255)


def blob(side: int, rng: Rng) -> F32:
    """Smooth noise above a threshold, near the middle of [side, side]; in [0, 1]."""
    noise = smooth_noise(rng, (side, side), side * float(np.exp(rng.uniform(-3.2, -1.4))))
    places = np.linspace(-1, 1, side, dtype=np.float32)
    field = noise - rng.uniform(1.5, 4) * (places[:, None] ** 2 + places**2)
    threshold = np.quantile(field, rng.uniform(0.5, 0.92))
    sharpness = np.exp(rng.uniform(1, 4))
    mask: F32 = (0.5 + sharpness * (field - threshold)).clip(0, 1).astype(np.float32)
    return mask
