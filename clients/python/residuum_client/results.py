"""What the answers hold: frozen dataclasses, the same from a server and from a bundle."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressed:
    """A record, its quality level, and how many of its bytes are evidence."""

    record: bytes
    quality: int
    evidence_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Box:
    """Part of an image, in pixels; `top` and `left` are those of its first pixel."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Restored:
    """An image uint8 [H, W, C]; in the boxes of its evidence it is the original, exactly."""

    image: NDArray[np.uint8]
    evidence: tuple[Box, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How far an image is from what its model was trained on.

    `value` has no unit, larger means less normal; `p_value` in (0, 1] is the share of held-out
    normal images at least as unusual; `anomalous` compares it with the false-alarm rate.
    `scores` are the parts of `value` by name, in nats or bits. `heatmap` is float32 [H, W] in nats
    per pixel where it was asked for, and `heat_scale` what one normal image in ten reaches.
    """

    value: float
    p_value: float
    anomalous: bool
    scores: dict[str, float]
    record_bytes: int
    heat_scale: float
    heatmap: NDArray[np.float32] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """Facts of one model. `height` and `width` are None for models that take any size.

    `fit` is exact, resize, pad or tile: what happens to an image of another size. `model_id` is the
    SHA-256 that a record must have been made with; `bundle_bytes` is 0 where it is not known.
    """

    name: str
    version: str
    model_id: bytes
    family: str
    channels: int
    height: int | None
    width: int | None
    fit: str
    default_quality: int
    quality_levels: int
    false_alarm_rate: float
    calibration_images: int
    provider: str
    bundle_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A model with its card (Markdown) and its whole manifest (parsed JSON)."""

    model: ModelInfo
    card: str
    manifest: dict[str, Any]
