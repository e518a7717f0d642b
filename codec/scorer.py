"""`Scorer`: anomaly scores of images, and evidence of anomalous regions in records.

An image is scored against its own decoded record; codec.scores.scores has the formulas.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from codec.arrays import F32, U8
from codec.bundle.npz import SCORE_NAMES
from codec.codec import Codec, Rate
from codec.errors import InvalidInput
from codec.images.files import restore_geometry
from codec.quantise import dequantise
from codec.record.evidence import cut_regions, pack_evidence
from codec.record.frame import attach
from codec.record_coder import Coded
from codec.results import Compressed, EncodedImage
from codec.scores import scores as formulas
from codec.scores.regions import find_regions
from codec.scores.scores import Score

# Scoring needs many float copies of an image, which compressing does not.
MAX_SCORED_PIXELS = 2**22


@dataclass(frozen=True, slots=True, eq=False)
class RawScore:
    """What a verdict is based on: the single scores of an image by name, its heat map `[H, W]` in
    nats per pixel, and the size of its record in bytes.
    """

    scores: dict[str, float]
    heatmap: F32
    record_bytes: int


class Scorer:
    """Scores images with the model of a codec. Thread-safe if its graphs are."""

    def __init__(self, codec: Codec) -> None:
        self.manifest = codec.manifest
        self._codec = codec
        self._calibration = codec.bundle.calibration

    @property
    def heatmap_vmax(self) -> float:
        """The heat-map value that is drawn in full colour, nats per pixel."""
        return float(self._calibration.heatmap_vmax[0])

    @property
    def calibration_images(self) -> int:
        """Number of held-out normal images that p-values are computed from."""
        return len(self._calibration.fused)

    def score(self, images: Sequence[U8], false_alarm_rate: float | None = None) -> list[Score]:
        """Scores of images `[H, W, C]` uint8 at the default quality.

        An image is anomalous if its p-value is at or below `false_alarm_rate`, by default that of
        the model. Raises InvalidInput.
        """
        accepted = self._accepted(false_alarm_rate)
        return self._verdicts(self._codec.run_encoder(images), accepted)

    def raw_scores(self, images: Sequence[U8]) -> Iterator[RawScore]:
        """Single scores of images `[H, W, C]` uint8. Raises InvalidInput."""
        return self._raw_scores(self._codec.run_encoder(images))

    def compress_with_evidence(
        self, images: Sequence[U8], rate: Rate, false_alarm_rate: float | None = None
    ) -> list[Compressed]:
        """Like `Codec.compress_at`; records of images that are anomalous, as in `score`, also hold
        their anomalous regions, which do not count towards the rate. Raises InvalidInput, which
        names the image.
        """
        self._codec.check_rate(rate)
        accepted = self._accepted(false_alarm_rate)
        encoded = self._codec.run_encoder(images)
        plain = self._codec.compress_encoded(encoded, rate)
        compressed = []
        for index, score in enumerate(self._verdicts(encoded, accepted)):
            try:
                compressed.append(self._with_evidence(plain[index], encoded[index], score))
            except InvalidInput as error:
                raise error.at("image", index) from error
        return compressed

    def _with_evidence(self, plain: Compressed, encoded: EncodedImage, score: Score) -> Compressed:
        if not score.anomalous:
            return plain
        boxes = find_regions(score.heatmap, self.heatmap_vmax)
        evidence = pack_evidence(cut_regions(encoded.image.target, boxes))
        record = attach(plain.record, evidence, self._codec.model_id)
        return Compressed(record, plain.quality, len(record) - len(plain.record))

    def _verdicts(self, encoded: Sequence[EncodedImage], false_alarm_rate: float) -> list[Score]:
        calibration, fused = self._calibration, self.manifest.score.fused
        verdicts = []
        for raw in self._raw_scores(encoded):
            scores = [raw.scores[name] for name in SCORE_NAMES]
            value = formulas.fuse(scores, calibration.score_mean, calibration.score_std, fused)
            p = formulas.p_value(value, calibration.fused)
            anomalous = p <= false_alarm_rate
            verdicts.append(Score(value, p, anomalous, raw.scores, raw.heatmap, raw.record_bytes))
        return verdicts

    def _raw_scores(self, encoded: Sequence[EncodedImage]) -> Iterator[RawScore]:
        for index, one in enumerate(encoded):
            _check_size(one, index)
        coded = [self._codec.quantise(one, self.manifest.quality_default) for one in encoded]
        decoded, records = self._codec.decode(coded), self._codec.records.write(coded)
        bits = self._codec.records.bits(coded)
        for i, one in enumerate(encoded):
            scores, heatmap = self._residual_scores(one, decoded[i])
            scores["rate"] = bits[i]
            scores["latent"] = self._latent_score(one, coded[i])
            yield RawScore(scores, heatmap, len(records[i]))

    def _residual_scores(self, encoded: EncodedImage, y: F32) -> tuple[dict[str, float], F32]:
        spec, variance = self.manifest.input, self._calibration.residual_variance
        x = encoded.image.tiles.astype(np.float32) / np.float32(255.0)
        size = encoded.image.size
        whole, restored = restore_geometry(x, size, spec), restore_geometry(y, size, spec)
        if variance.shape[1:] != (1, 1) and variance.shape != whole.shape:
            variance = variance.mean((1, 2), keepdims=True)
        return formulas.single_scores(whole, restored, variance, self.manifest.score)

    def _latent_score(self, encoded: EncodedImage, coded: Coded) -> float:
        if self.manifest.latent.kind == "indices":
            return float(encoded.log_var_or_distance.mean())
        latent = dequantise(coded.codes, self._codec.bundle.steps[coded.level])
        z = latent.transpose(1, 0, 2, 3).reshape(latent.shape[1], -1)
        calibration = self._calibration
        return formulas.latent_distance(z, calibration.latent_mean, calibration.latent_variance)

    def _accepted(self, false_alarm_rate: float | None) -> float:
        """The false-alarm rate, by default that of the model. Raises InvalidInput."""
        default = self.manifest.score.false_alarm_rate
        rate = default if false_alarm_rate is None else false_alarm_rate
        return formulas.check_false_alarm_rate(rate, self.calibration_images)


def _check_size(encoded: EncodedImage, index: int) -> None:
    height, width = encoded.image.target.shape[:2]
    if height * width > MAX_SCORED_PIXELS:
        raise InvalidInput(
            f"image {index}: image is {height}x{width}, "
            f"at most {MAX_SCORED_PIXELS} pixels are scored"
        )
