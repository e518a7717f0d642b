"""A part as gray values in [0, 1], before light and noise: everything is drawn in one pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from codec.arrays import F32
from detection.drawn_parts import glyphs
from detection.drawn_parts.part import (
    CORNER,
    HALF,
    POCKET,
    Burr,
    Hole,
    Lot,
    Mark,
    Part,
    Scratch,
)
from detection.drawn_parts.shapes import Point, covered, disc, polyline, rounded_box, segment
from detection.drawn_parts.surface import cracks, dents, stains
from detection.drawn_parts.view import SIDE, Texture, View

CHAMFER = 3.0
# Room around a shape in pixels: its pose, soft edges, and its shading.
_ROOM = 8.0


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """Coordinates of the part at each pixel, and the direction of the light."""

    u: F32
    v: F32
    light: Point
    """towards the light"""
    softness: float

    def box(self, middle: Point, radius: float) -> tuple[slice, slice]:
        """Rows and columns that a shape of this radius may reach."""
        low = [max(0, int(SIDE / 2 + m - radius - _ROOM)) for m in (middle[1], middle[0])]
        high = [min(SIDE, int(SIDE / 2 + m + radius + _ROOM) + 1) for m in (middle[1], middle[0])]
        return slice(low[0], max(low[0], high[0])), slice(low[1], max(low[1], high[1]))


def render(part: Part, lot: Lot, view: View, texture: Texture) -> F32:
    """The part on the belt: [SIDE, SIDE]."""
    canvas = _canvas(view)
    outline = _outline(part.burrs, canvas)
    metal = covered(outline, canvas.softness)
    shadow = 1 - np.float32(0.45) * (1 - (outline / 9).clip(0, 1)) ** 2
    belt = lot.belt * (1 + 0.16 * texture.belt) * shadow
    surface: F32 = lot.gray * (1 + lot.brushing * texture.brushed)
    surface += _bevel(outline, canvas, CHAMFER, 0.22)
    _pocket(surface, lot, texture, canvas)
    for hole in part.holes:
        _hole(metal, surface, hole, canvas)
    for mark in part.marks:
        _mark(surface, mark, lot, canvas)
    surface *= stains(part.stains, canvas.u, canvas.v)
    surface += dents(part.dents, canvas.u, canvas.v, canvas.light)
    surface *= cracks(part.cracks, canvas.u, canvas.v, canvas.softness)
    for scratch in part.scratches:
        _scratch(surface, scratch, canvas)
    image: F32 = metal * surface + (1 - metal) * belt
    return image


def _canvas(view: View) -> Canvas:
    places = np.arange(SIDE, dtype=np.float32) - np.float32((SIDE - 1) / 2)
    x, y = places - np.float32(view.shift[0]), places[:, None] - np.float32(view.shift[1])
    cos, sin = np.float32(np.cos(view.angle)), np.float32(np.sin(view.angle))
    light = (float(np.cos(view.azimuth)), float(np.sin(view.azimuth)))
    return Canvas(cos * x + sin * y, cos * y - sin * x, light, view.softness)


def _outline(burrs: Sequence[Burr], canvas: Canvas) -> F32:
    """Pixels outside of the plate, with bumps and nicks."""
    distance = rounded_box(canvas.u, canvas.v, HALF, CORNER)
    for burr in burrs:
        rows, columns = canvas.box(burr.middle, 2.5 * burr.radius)
        u, v = canvas.u[rows, columns], canvas.v[rows, columns]
        away = ((u - burr.middle[0]) ** 2 + (v - burr.middle[1]) ** 2) / burr.radius**2
        distance[rows, columns] -= np.float32(burr.height) * np.exp(-away)
    return distance


def _bevel(distance: F32, canvas: Canvas, width: float, depth: float) -> F32:
    """Light on the chamfer inside an outline: the edges that face it are brighter."""
    down, right = np.gradient(distance)
    facing = right * np.float32(canvas.light[0]) + down * np.float32(canvas.light[1])
    band = covered(distance, canvas.softness) * covered(-width - distance, canvas.softness)
    return (np.float32(depth) * facing * band).astype(np.float32)


def _pocket(surface: F32, lot: Lot, texture: Texture, canvas: Canvas) -> None:
    """A turned recess around the bore: rings instead of brushing, a little darker."""
    box = canvas.box((0.0, 0.0), POCKET)
    u, v = canvas.u[box], canvas.v[box]
    radius = np.hypot(u, v)
    rings = np.interp(radius, np.arange(len(texture.turned)) / 2, texture.turned)
    turned = lot.gray * (0.86 + 1.1 * lot.brushing * rings.astype(np.float32))
    share = covered(radius - np.float32(POCKET), canvas.softness)
    surface[box] += share * (turned - surface[box])
    facing = (u * canvas.light[0] + v * canvas.light[1]) / radius.clip(1)
    wall = covered(np.abs(radius - np.float32(POCKET)) - 1, canvas.softness)
    surface[box] -= np.float32(0.15) * facing.astype(np.float32) * wall


def _hole(metal: F32, surface: F32, hole: Hole, canvas: Canvas) -> None:
    """Cuts a hole and shades its chamfer, whose far side faces the light."""
    box = canvas.box(hole.middle, hole.radius + hole.rim)
    u, v = canvas.u[box], canvas.v[box]
    distance = disc(u, v, hole.middle, hole.radius)
    metal[box] *= 1 - covered(distance, canvas.softness)
    toward = (u - hole.middle[0]) * canvas.light[0] + (v - hole.middle[1]) * canvas.light[1]
    facing = (toward / (distance + hole.radius).clip(1)).astype(np.float32)
    rim = covered(distance - np.float32(hole.rim), canvas.softness)
    surface[box] -= np.float32(0.2) * facing * rim


def _mark(surface: F32, mark: Mark, lot: Lot, canvas: Canvas) -> None:
    """Engraves a character: a dark groove and a bright edge on the side away from the light."""
    lines = glyphs.strokes(mark.character, mark.place, mark.scale)
    half = mark.scale * glyphs.WIDTH / 2, mark.scale * glyphs.HEIGHT / 2
    box = canvas.box((mark.place[0] + half[0], mark.place[1] + half[1]), max(half))
    u, v = canvas.u[box], canvas.v[box]
    stroke = np.float32(lot.stroke)
    groove = covered(polyline(u, v, lines) - stroke, canvas.softness)
    x, y = u + np.float32(canvas.light[0]), v + np.float32(canvas.light[1])
    edge = covered(polyline(x, y, lines) - stroke, canvas.softness) * (1 - groove)
    surface[box] *= 1 - np.float32(lot.engraving) * groove + np.float32(0.5 * lot.engraving) * edge


def _scratch(surface: F32, scratch: Scratch, canvas: Canvas) -> None:
    """Draws the groove, and the burnished ridge next to it."""
    groove, ridge = np.zeros_like(surface), np.zeros_like(surface)
    for (start, end), half in _tapered(scratch):
        middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
        box = canvas.box(middle, float(np.hypot(end[0] - start[0], end[1] - start[1])) / 2)
        u, v = canvas.u[box], canvas.v[box]
        inside = covered(segment(u, v, start, end) - half, canvas.softness)
        np.maximum(groove[box], inside, out=groove[box])
        x, y = u + np.float32(1.6 * canvas.light[0]), v + np.float32(1.6 * canvas.light[1])
        shifted = covered(segment(x, y, start, end) - half, canvas.softness)
        np.maximum(ridge[box], shifted, out=ridge[box])
    surface *= 1 + np.float32(scratch.depth) * (0.7 * ridge * (1 - groove) - 0.6 * groove)


def _tapered(scratch: Scratch) -> Iterator[tuple[tuple[Point, Point], np.float32]]:
    """The segments of a scratch and half their widths, thin at both ends."""
    count = len(scratch.line) - 1
    for i in range(count):
        share = np.sin(np.pi * (i + 0.5) / count)
        yield (scratch.line[i], scratch.line[i + 1]), np.float32(scratch.width * share / 2)
