"""Structural kinds of defects that only rank scores: shaded, as light and material make them.

Training draws flat fills inside masks; these have rims, gradients, shadows and directions.
"""

from __future__ import annotations

import numpy as np

from codec.arrays import F32, F64, U8
from training.data.defects.arrays import blur, sample, smooth_noise
from training.data.defects.place import Rng, Scene, Spot, place

# Levels of 255 at the peak of a faint and of a strong defect.
FAINT, STRONG = (8.0, 24.0), (45.0, 110.0)


def _sign(rng: Rng) -> float:
    return 1.0 if rng.random() < 0.5 else -1.0


def _tint(spot: Spot, rng: Rng) -> F32:
    """Factors [C, 1, 1] near 1, one for each channel."""
    return rng.uniform(0.7, 1.0, (len(spot.image), 1, 1)).astype(np.float32)


def _slope(height: F32, rng: Rng) -> F32:
    """How bright a surface of that height [h, w] is under light from a side; peak 1."""
    angle = rng.uniform(0, 2 * np.pi)
    if min(height.shape) < 2:
        return height * 0
    down, across = np.gradient(height)
    shade = np.cos(angle) * across + np.sin(angle) * down
    scaled: F32 = (shade / max(float(np.abs(shade).max()), 1e-6)).astype(np.float32)
    return scaled


def _crack(image: U8, scene: Scene, rng: Rng, levels: tuple[float, float]) -> None:
    """A dark core with a bright rim on the side that light falls on, or its negative."""
    spot = place(image, scene.bank.choose(("crack", "crack", "scratch"), rng), rng)
    size = rng.uniform(*levels) * (1 if rng.random() < 0.75 else -1)
    rim = _slope(blur(spot.mask, 1), rng).clip(0, 1) * (1 - spot.mask)
    spot.write(spot.pixels() + _tint(spot, rng) * size * (rng.uniform(0.3, 0.8) * rim - spot.mask))


def crack(image: U8, scene: Scene, rng: Rng) -> None:
    """A crack of strong contrast."""
    _crack(image, scene, rng, STRONG)


def hairline(image: U8, scene: Scene, rng: Rng) -> None:
    """A crack that is hardly visible."""
    _crack(image, scene, rng, FAINT)


def fibre(image: U8, scene: Scene, rng: Rng) -> None:
    """A curly fibre, dark or bright, with its shadow one or two pixels away."""
    spot = place(image, scene.bank.choose(("fibre",), rng), rng)
    away = (int(rng.integers(-2, 3)), int(rng.integers(1, 3)))
    shadow = blur(np.roll(spot.mask, away, (0, 1)), 1) * (1 - spot.mask)
    size = rng.uniform(*STRONG)
    spot.write(spot.pixels() + _tint(spot, rng) * size * (_sign(rng) * spot.mask - 0.5 * shadow))


def dust(image: U8, scene: Scene, rng: Rng) -> None:
    """Grains on the surface, bright on one side and dark on the other."""
    spot = place(image, scene.bank.choose(("grains",), rng), rng)
    level = rng.uniform(40, 215) * _tint(spot, rng)
    body = level + _slope(blur(spot.mask, 1), rng) * np.float32(60)
    spot.blend(body, rng.uniform(0.7, 1))


def chip(image: U8, scene: Scene, rng: Rng) -> None:
    """A piece broken out at an edge: what is on one side of it covers the other side."""
    spot = place(image, scene.bank.choose(("polygon", "blob"), rng), rng, 100)
    pixels = spot.pixels()
    gray = pixels.mean(0)
    ordered = np.argsort(gray.ravel())
    half = max(1, len(ordered) // 4)
    side = ordered[:half] if rng.random() < 0.5 else ordered[-half:]
    drawn = pixels.reshape(len(pixels), -1)[:, rng.choice(side, gray.size)]
    spot.blend(blur(drawn.reshape(pixels.shape), int(rng.integers(0, 2))), 1.0)


def dent(image: U8, scene: Scene, rng: Rng) -> None:
    """A smooth hollow or bump: light on one side, shade on the other."""
    spot = place(image, scene.bank.choose(("ellipse", "blob"), rng), rng)
    height = blur(spot.mask, max(1, min(spot.mask.shape) // 5))
    spot.write(spot.pixels() + _slope(height, rng) * np.float32(rng.uniform(14, 45)))


def stain(image: U8, scene: Scene, rng: Rng) -> None:
    """A tint with soft borders, in a third of the cases darkest at its rim, like dried liquid."""
    spot = place(image, scene.bank.choose(("blob", "ellipse"), rng), rng)
    soft = blur(spot.mask, max(1, min(spot.mask.shape) // 8))
    if rng.random() < 0.35:
        soft = 0.35 * soft + 2.6 * soft * (1 - soft)
    share = rng.uniform(0.06, 0.22, (len(image), 1, 1)).astype(np.float32)
    pixels = spot.pixels()
    goal = np.float32(0 if rng.random() < 0.65 else 255)
    spot.write(pixels + soft * share * (goal - pixels))


def smear(image: U8, scene: Scene, rng: Rng) -> None:
    """Polished in one direction: detail along it is averaged, with a weak gloss."""
    spot = place(image, scene.bank.choose(("blob", "ellipse", "polygon"), rng), rng)
    height, width = spot.mask.shape
    angle = rng.uniform(0, np.pi)
    rows: F64 = spot.top + np.arange(height)[:, None] + np.zeros((1, width))
    columns: F64 = spot.left + np.arange(width) + np.zeros((height, 1))
    reach = np.linspace(-1, 1, 5) * rng.uniform(2, 6)
    along = [
        sample(image, rows + far * np.sin(angle), columns + far * np.cos(angle)) for far in reach
    ]
    gloss = blur(spot.mask, max(1, min(height, width) // 6)) * np.float32(rng.uniform(-4, 12))
    spot.blend(np.mean(along, 0, dtype=np.float32) + gloss, rng.uniform(0.6, 1))


def scuff(image: U8, scene: Scene, rng: Rng) -> None:
    """Many parallel hairlines, each lighter or darker."""
    spot = place(image, scene.bank.choose(("scuff",), rng), rng)
    uneven = np.float32(0.4) + np.abs(smooth_noise(rng, spot.size, 2.0)).clip(0, 1.5)
    size = _sign(rng) * rng.uniform(*FAINT)
    spot.write(spot.pixels() + spot.mask * uneven * np.float32(0.7 * size))


STRONG_KINDS = {"crack": crack, "fibre": fibre, "dust": dust, "chip": chip}
FAINT_KINDS = {
    "hairline": hairline,
    "dent": dent,
    "stain": stain,
    "smear": smear,
    "scuff": scuff,
}
