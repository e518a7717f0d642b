"""How the camera sees a part: pose, light, focus and noise, and the texture of metal and belt."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from codec.arrays import F32, U8
from detection.drawn_parts.part import Rng

SIDE = 256
# Light comes from the upper left, radians from the x axis with y downwards.
AZIMUTH = -2.3
# Levels of noise that do not depend on the light, and of a white pixel by shot noise.
READ_NOISE, SHOT_NOISE = 1.3, 2.4
_RUNS, _GRAIN = 18, 5


@dataclass(frozen=True, slots=True)
class View:
    """The camera and the light of one image."""

    shift: tuple[float, float]
    """pixels"""
    angle: float
    """radians"""
    azimuth: float
    """radians"""
    gain: float
    slope: tuple[float, float]
    """change of the light from the middle to the border, right and down, in [-1, 1]"""
    softness: float
    """width of an edge in pixels"""
    noise: float = 1.0
    """times the usual noise"""


@dataclass(frozen=True, slots=True, eq=False)
class Texture:
    """What is random about a surface: fields [SIDE, SIDE] of deviation 1."""

    brushed: F32
    turned: F32
    """over the radius of the pocket, [n] in steps of half a pixel"""
    belt: F32


def draw_view(rng: Rng) -> View:
    """A usual view: the part is in its place to about a pixel."""
    return View(
        shift=(rng.normal(0, 0.9), rng.normal(0, 0.9)),
        angle=rng.normal(0, 0.006),
        azimuth=AZIMUTH + rng.normal(0, 0.08),
        gain=1 + rng.normal(0, 0.025),
        slope=(0.05 + rng.normal(0, 0.025), 0.03 + rng.normal(0, 0.025)),
        softness=rng.uniform(1.1, 1.5),
    )


def drifted(view: View, share: float) -> View:
    """The view after that share of a day: less light, from lower; a moved camera; more noise."""
    right, down = view.shift
    return replace(
        view,
        shift=(right + 3.5 * share, down - 2.0 * share),
        angle=view.angle + 0.008 * share,
        gain=view.gain * (1 - 0.22 * share),
        slope=(view.slope[0] + 0.08 * share, view.slope[1]),
        softness=view.softness + 0.5 * share,
        noise=view.noise * (1 + 0.8 * share),
    )


def draw_texture(rng: Rng) -> Texture:
    """Brushed metal, rings of a lathe, and a woven belt that has moved on."""
    fine = rng.standard_normal((SIDE, _RUNS + 1)).astype(np.float32)
    brushed = 0.8 * _stretched(fine) + 0.5 * rng.standard_normal((SIDE, SIDE)).astype(np.float32)
    turned = np.convolve(rng.standard_normal(90), (0.5, 0.7, 0.5), "same").astype(np.float32)
    grain = rng.standard_normal((SIDE // _GRAIN + 2, SIDE // _GRAIN + 2)).astype(np.float32)
    coarse = _stretched(_stretched(grain).T).T
    return Texture(brushed, turned, 0.6 * coarse + _weave(rng))


def _weave(rng: Rng) -> F32:
    """Threads of five pixels, at any phase along the belt."""
    places = np.arange(SIDE, dtype=np.float32)
    across = np.sin(2 * np.pi * (places / 5.2 + rng.random()))
    along = np.sin(2 * np.pi * (places / 6.1 + 0.3))
    return np.outer(along, across).astype(np.float32)


def _stretched(values: F32) -> F32:
    """Rows [h, n] interpolated linearly to [h, SIDE]."""
    places = np.linspace(0, values.shape[1] - 1.001, SIDE)
    left = places.astype(np.int64)
    right = (places - left).astype(np.float32)
    return values[:, left] + right * (values[:, left + 1] - values[:, left])


def lit(image: F32, view: View) -> F32:
    """An image in [0, 1] under the light of a view, in levels."""
    places = np.linspace(-1, 1, SIDE, dtype=np.float32)
    right, down = view.slope
    field = 1 + right * places + (down * places)[:, None]
    vignette = 1 - 0.06 * (places**2 + (places**2)[:, None])
    levels: F32 = 255 * np.float32(view.gain) * image * field * vignette
    return levels.astype(np.float32)


def expose(levels: F32, view: View, rng: Rng) -> U8:
    """Gray levels with the noise of a sensor, rounded."""
    shot = SHOT_NOISE**2 * levels.clip(0) / 255
    deviation = view.noise * np.sqrt(READ_NOISE**2 + shot)
    noisy = levels + deviation * rng.standard_normal(levels.shape).astype(np.float32)
    return noisy.round().clip(0, 255).astype(np.uint8)
