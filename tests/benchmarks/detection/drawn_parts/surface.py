"""What may be wrong with the surface of a part: cracks, dents, stains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codec.arrays import F32
from detection.drawn_parts.part import Crack, Dent, Stain
from detection.drawn_parts.shapes import Point, covered, polyline


def cracks(found: Sequence[Crack], u: F32, v: F32, softness: float) -> F32:
    """Factors of the surface: each branch is thinner than the one that it leaves."""
    factor = np.ones_like(u)
    for crack in found:
        for number, line in enumerate(crack.lines):
            half = np.float32(crack.width / (2 + number))
            inside = covered(polyline(u, v, (line,)) - half, softness)
            np.minimum(factor, 1 - np.float32(crack.depth) * inside, out=factor)
    return factor


def dents(found: Sequence[Dent], u: F32, v: F32, light: Point) -> F32:
    """Light added to the surface: the slope of each hollow towards the light."""
    added = np.zeros_like(u)
    for dent in found:
        cos, sin = np.cos(dent.angle), np.sin(dent.angle)
        x, y = u - np.float32(dent.middle[0]), v - np.float32(dent.middle[1])
        along = (np.float32(cos) * x + np.float32(sin) * y) / np.float32(dent.axes[0])
        across = (np.float32(cos) * y - np.float32(sin) * x) / np.float32(dent.axes[1])
        bell = np.exp(-(along**2) - across**2)
        toward = (cos * light[0] + sin * light[1]), (cos * light[1] - sin * light[0])
        slope = along * np.float32(toward[0]) + across * np.float32(toward[1])
        added -= np.float32(2.3 * dent.slope) * slope * bell
    return added


def stains(found: Sequence[Stain], u: F32, v: F32) -> F32:
    """Factors of the surface: half of the depth inside, all of it near the rim."""
    factor = np.ones_like(u)
    for stain in found:
        x, y = u - np.float32(stain.middle[0]), v - np.float32(stain.middle[1])
        angle, radius = np.arctan2(y, x), np.hypot(x, y)
        outline = np.ones_like(u)
        for number in range(len(stain.waves) // 2):
            cosine, sine = stain.waves[2 * number : 2 * number + 2]
            outline += np.float32(cosine) * np.cos((number + 2) * angle)
            outline += np.float32(sine) * np.sin((number + 2) * angle)
        share = radius / (np.float32(stain.radius) * outline.clip(0.3))
        inside = covered((share - 1) * np.float32(stain.radius), 3.0)
        rim = np.exp(-(((share - 0.92) / 0.1) ** 2))
        factor *= 1 - np.float32(stain.depth) * inside * (0.5 + 0.5 * rim)
    return factor
