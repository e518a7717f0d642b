"""Results of the calls: frozen dataclasses, the same from a server and from a bundle."""

from dataclasses import dataclass, field
from typing import Any

from residuum_client.arrays import F32, U8


@dataclass(frozen=True, slots=True, kw_only=True)
class Compressed:
    """A record with its quality level, and how many of its bytes are evidence."""

    record: bytes
    quality: int
    evidence_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Box:
    """A rectangle of an image, in pixels; `top` and `left` are those of its first pixel."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Restored:
    """An image, uint8 `[H, W, C]`. In the boxes of its evidence it equals the original exactly."""

    image: U8
    evidence: tuple[Box, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A place where an image is anomalous: a box around values of the heat map that are rare in
    normal images, or around the largest if none is.

    - `box`: in pixels of the heat map, which has the size of the image unless the model resizes it.
    - `area`: how many pixels of the box have such values.
    - `value`: the largest value of the heat map in the box, in its unit.
    - `p_value`: (1 + number of calibration images whose heat maps reach `value` anywhere) /
      (n + 1), in (0, 1]; None if the bundle does not have their largest values.
    """

    box: Box
    area: int
    value: float
    p_value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How much an image differs from the images that its model was trained on.

    - `value`: the anomaly score, without unit; the larger, the less normal.
    - `p_value`: (1 + number of calibration scores at least as high) / (n + 1), in (0, 1]; the n
      calibration scores are those of held-out normal images.
    - `anomalous`: whether `p_value` is at or below the false-alarm rate.
    - `scores`: the single scores by name; those named in the manifest's `score.fused` make up
      `value`, as the sum of their standardised values. `residual` and `peak` are in nats per pixel,
      `structure` has no unit, `rate` is in bits, `latent` in nats; for models of indices `latent`
      is a squared distance to the codebook, without unit. Candidates of the bundle, such as
      `cells8-peak5`, are logarithms without unit.
    - `record_bytes`: size of the record that the image has at the model's default quality.
    - `heatmap`: float32 `[H, W]` in nats per pixel, or without unit if the manifest's
      `score.heatmap` names candidates; None unless it was asked for.
    - `heatmap_vmax`: the value of the heat map to draw in full colour. One normal image in ten
      reaches it at one pixel or more.
    - `regions`: where an anomalous image is so, the hottest first; at most 100, which do not
      overlap. Images that are normal have none, and servers of earlier versions give none.
    """

    value: float
    p_value: float
    anomalous: bool
    scores: dict[str, float]
    record_bytes: int
    heatmap_vmax: float
    heatmap: F32 | None = field(default=None, compare=False, repr=False)
    regions: tuple[Region, ...] = ()

    @property
    def heat_scale(self) -> float:
        """Former name of `heatmap_vmax`, and its name in the protocol."""
        return self.heatmap_vmax


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """Facts about one model.

    - `model_id`: SHA-256 of everything that decoding depends on, 32 bytes. Only models of the same
      id decode its records.
    - `height`, `width`: in pixels; None for models that take any size.
    - `fit`: exact, resize, pad or tile: how the model treats an image of another size.
    - `quality_levels`: the levels are 0 up to this number, exclusive.
    - `false_alarm_rate`: the default of `score`, in (0, 1).
    - `false_alarm_rate_bound`: what the share of normal images that are flagged at that rate does
      not exceed, with 95 % confidence; 0 if unknown.
    - `calibration_images`: how many held-out normal images the p-values are based on.
    - `provider`: the device of its graphs, cpu or cuda.
    - `bundle_bytes`: size of its bundle; 0 if unknown.
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
    false_alarm_rate_bound: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A model with its card, in Markdown, and its whole manifest, parsed from JSON."""

    model: ModelInfo
    card: str
    manifest: dict[str, Any]
