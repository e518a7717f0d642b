"""Shapes made of lines: scratches, cracks, rings, fibres and scuffs, drawn by Pillow.

Each function draws on a square canvas of `side` units and takes widths in the same units.
"""

from __future__ import annotations

import numpy as np
from PIL import ImageDraw

from codec.arrays import F64

Drawing = ImageDraw.ImageDraw
Rng = np.random.Generator


def line(drawing: Drawing, points: F64, width: float) -> None:
    """A line through points (x, y), [N, 2]."""
    drawing.line(points.ravel().tolist(), fill=255, width=max(1, round(width)), joint="curve")


def walk(rng: Rng, steps: int, turn: float, bend: float) -> F64:
    """A path of steps of length 1 from the origin, [steps + 1, 2].

    `turn` is the deviation of the turn at a step, `bend` that of the turn of all steps together,
    both in radians.
    """
    turns = rng.normal(rng.normal(0, bend) / steps, turn, steps)
    return _path(rng.uniform(0, 2 * np.pi) + np.cumsum(turns))


def _jagged(rng: Rng, steps: int, direction: float) -> F64:
    """A path that keeps its direction, with corners: each step has its own angle."""
    bend = np.linspace(0, rng.normal(0, 0.5), steps)
    return _path(direction + bend + rng.normal(0, 0.6, steps))


def _path(angles: F64) -> F64:
    """Steps of length 1 at these angles in radians, from the origin."""
    moves = np.stack([np.cos(angles), np.sin(angles)], 1)
    return np.concatenate([np.zeros((1, 2)), np.cumsum(moves, 0)])


def fitted(points: F64, side: float) -> F64:
    """Points moved and scaled so that they fill a square of `side`."""
    low, high = points.min(0), points.max(0)
    middle = (low + high) / 2
    moved: F64 = side / 2 + (points - middle) * (0.94 * side / max((high - low).max(), 1e-9))
    return moved


def scratch(drawing: Drawing, side: float, width: float, rng: Rng) -> None:
    """Straight, curved, or with corners; of one width or thinner at both ends."""
    kind = rng.random()
    if kind < 0.25:
        points = walk(rng, int(rng.integers(1, 5)), 1.0, 0.0)
    else:
        points = walk(rng, 24, 0.05, 0.3 if kind < 0.5 else 2.0)
    points = fitted(points, side)
    if len(points) < 10 or rng.random() < 0.5:
        line(drawing, points, width)
        return
    profile = np.sin(np.linspace(0.15, np.pi - 0.15, len(points) - 1)) * width
    for start, end, thick in zip(points[:-1], points[1:], profile, strict=True):
        line(drawing, np.stack([start, end]), thick)


def crack(drawing: Drawing, side: float, width: float, rng: Rng) -> None:
    """A jagged path with up to four thinner branches."""
    direction = rng.uniform(0, 2 * np.pi)
    trunk = _jagged(rng, 22, direction)
    paths = [(trunk, width)]
    for _ in range(int(rng.integers(0, 5))):
        start = trunk[rng.integers(2, len(trunk) - 2)]
        away = direction + rng.uniform(0.4, 1.3) * (1 - 2 * rng.integers(2))
        paths.append((start + _jagged(rng, int(rng.integers(4, 12)), away), 0.7 * width))
    everything = fitted(np.concatenate([path for path, _ in paths]), side)
    for path, thick in paths:
        own, everything = everything[: len(path)], everything[len(path) :]
        line(drawing, own, thick)


def ring(drawing: Drawing, side: float, width: float, rng: Rng) -> None:
    """The contour of an ellipse with a few waves, whole or an arc."""
    turn = 2 * np.pi if rng.random() < 0.6 else rng.uniform(1.5, 5)
    angles = rng.uniform(0, 2 * np.pi) + np.linspace(0, turn, 48)
    waves = rng.integers(2, 6)
    radii = 1 + rng.uniform(0, 0.25) * np.sin(waves * angles + rng.uniform(0, 2 * np.pi))
    flat = rng.uniform(0.35, 1)
    points = np.stack([radii * np.cos(angles), flat * radii * np.sin(angles)], 1)
    angle = rng.uniform(0, np.pi)
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    line(drawing, fitted(points @ turned, side), width)


def fibre(drawing: Drawing, side: float, width: float, rng: Rng) -> None:
    """A curly hair: its curvature changes slowly and it may cross itself."""
    turns = np.cumsum(rng.normal(0, 0.03, 60)) + rng.normal(0, 0.06)
    angles = rng.uniform(0, 2 * np.pi) + np.cumsum(turns)
    points = np.cumsum(np.stack([np.cos(angles), np.sin(angles)], 1), 0)
    line(drawing, fitted(points, side), min(width, side / 20))


def scuff(drawing: Drawing, side: float, width: float, rng: Rng) -> None:
    """A bundle of parallel hairlines of different lengths."""
    angle = rng.uniform(0, np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    for _ in range(int(rng.integers(4, 14))):
        middle = side / 2 + across * rng.uniform(-0.3, 0.3) * side
        start, end = np.sort(rng.uniform(-0.48, 0.48, 2)) * side
        line(drawing, np.stack([middle + along * start, middle + along * end]), width / 3)
