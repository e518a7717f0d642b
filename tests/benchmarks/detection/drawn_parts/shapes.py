"""Signed distances to simple shapes, and the share of a pixel that they cover."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from codec.arrays import F32

Point = tuple[float, float]
Line = Sequence[Point]
FAR = np.float32(1e3)


def covered(distance: F32, softness: float) -> F32:
    """How much of a pixel is inside, in [0, 1]; edges are `softness` pixels wide."""
    return (0.5 - distance / np.float32(softness)).clip(0, 1)


def disc(u: F32, v: F32, middle: Point, radius: float) -> F32:
    """Pixels outside of a disc, negative inside."""
    away: F32 = np.hypot(u - np.float32(middle[0]), v - np.float32(middle[1]))
    return away - np.float32(radius)


def rounded_box(u: F32, v: F32, half: Point, corner: float) -> F32:
    """Pixels outside of a box around the origin with round corners, negative inside."""
    x = np.abs(u) - np.float32(half[0] - corner)
    y = np.abs(v) - np.float32(half[1] - corner)
    outside: F32 = np.hypot(x.clip(0), y.clip(0))
    return outside + np.minimum(np.maximum(x, y), 0) - np.float32(corner)


def segment(u: F32, v: F32, start: Point, end: Point) -> F32:
    """Pixels to the line from `start` to `end`."""
    x, y = u - np.float32(start[0]), v - np.float32(start[1])
    a, b = end[0] - start[0], end[1] - start[1]
    along = ((x * np.float32(a) + y * np.float32(b)) / np.float32(a * a + b * b + 1e-9)).clip(0, 1)
    away: F32 = np.hypot(x - along * np.float32(a), y - along * np.float32(b))
    return away


def polyline(u: F32, v: F32, lines: Sequence[Line]) -> F32:
    """Pixels to the nearest of several lines of two or more points each."""
    nearest = np.full(u.shape, FAR, np.float32)
    for line in lines:
        for start, end in itertools.pairwise(line):
            np.minimum(nearest, segment(u, v, start, end), out=nearest)
    return nearest
