"""`Scorer`: anomaly scores of images, and evidence of anomalous regions in records.

An image is scored against its own decoded record; codec.scores.scores has the formulas.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from codec.arrays import F32, U8
from codec.bundle.fitted_detectors import needs_segmenter
from codec.bundle.npz import score_names
from codec.codec import Codec
from codec.errors import InvalidInput
from codec.images.files import restore_geometry
from codec.outcomes import attempt, merge, required, succeeded
from codec.quantise import dequantise
from codec.rate_control import Rate
from codec.record.evidence import cut_regions, pack_evidence
from codec.record.frame import attach
from codec.record_coder import Coded
from codec.results import Compressed, EncodedImage
from codec.scores import scores as formulas
from codec.scores.candidate_scores import CandidateScores
from codec.scores.conformal import check_false_alarm_rate, p_value
from codec.scores.guarantees import rate_bound
from codec.scores.regions import Region, find_regions, regions_at_rate
from codec.scores.scores import Score


@dataclass(frozen=True, slots=True, eq=False)
class RawScore:
    """What a verdict is based on: the single scores of an image by name, those of the candidates
    included, its heat map `[H, W]` as in `Score`, and the size of its record in bytes.
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
        self._segments = needs_segmenter(codec.manifest)

    @property
    def heatmap_vmax(self) -> float:
        """The heat-map value that is drawn in full colour, in the unit of the heat maps."""
        return float(self._calibration.heatmap_vmax[0])

    @property
    def calibration_images(self) -> int:
        """Number of held-out normal images that p-values are computed from."""
        return len(self._calibration.fused)

    @property
    def false_alarm_rate_bound(self) -> float:
        """What the share of normal images flagged at the default rate does not exceed, with a
        probability of 95 %.
        """
        return rate_bound(self.calibration_images, self.manifest.score.false_alarm_rate)

    def score(self, images: Sequence[U8], false_alarm_rate: float | None = None) -> list[Score]:
        """Scores of images `[H, W, C]` uint8 at the default quality.

        An image is anomalous if its p-value is at or below `false_alarm_rate`, by default that of
        the model. Raises InvalidInput, which names the image.
        """
        return required(self.score_each(images, false_alarm_rate), "image")

    def score_each(
        self, images: Sequence[U8], false_alarm_rate: float | None = None
    ) -> list[Score | InvalidInput]:
        """Like `score`, with the error of an image in its place. Raises InvalidInput for a
        false-alarm rate that the calibration does not support.
        """
        accepted = self.check_rate(false_alarm_rate)
        encoded = self._codec.run_encoder_each(images)
        return merge(encoded, self._verdicts(succeeded(encoded), accepted), InvalidInput)

    def raw_scores(self, images: Sequence[U8]) -> Iterator[RawScore]:
        """Single scores of images `[H, W, C]` uint8. Raises InvalidInput, which names the image."""
        return self._raw_scores(required(self._codec.run_encoder_each(images), "image"))

    def compress_with_evidence(
        self, images: Sequence[U8], rate: Rate, false_alarm_rate: float | None = None
    ) -> list[Compressed]:
        """Like `Codec.compress_at`; records of images that are anomalous, as in `score`, also hold
        their anomalous regions, which do not count towards the rate. Raises InvalidInput, which
        names the image.
        """
        return required(self.compress_with_evidence_each(images, rate, false_alarm_rate), "image")

    def compress_with_evidence_each(
        self, images: Sequence[U8], rate: Rate, false_alarm_rate: float | None = None
    ) -> list[Compressed | InvalidInput]:
        """Like `compress_with_evidence`, with the error of an image in its place. Raises
        InvalidInput for a rate that the model does not have or the calibration does not support.
        """
        self._codec.check_rate(rate)
        accepted = self.check_rate(false_alarm_rate)
        encoded = self._codec.run_encoder_each(images)
        outcomes = merge(
            encoded, self._codec.compress_encoded(succeeded(encoded), rate), InvalidInput
        )
        kept = [
            (plain, image)
            for plain, image in zip(outcomes, encoded, strict=True)
            if not (isinstance(plain, InvalidInput) or isinstance(image, InvalidInput))
        ]
        verdicts = self._verdicts([image for _, image in kept], accepted)
        compressed = [
            attempt(InvalidInput, self._with_evidence, plain, image, score)
            for (plain, image), score in zip(kept, verdicts, strict=True)
        ]
        return merge(outcomes, compressed, InvalidInput)

    def _with_evidence(self, plain: Compressed, encoded: EncodedImage, score: Score) -> Compressed:
        if not score.anomalous:
            return plain
        boxes = find_regions(score.heatmap, self.heatmap_vmax)
        evidence = pack_evidence(cut_regions(encoded.image.target, boxes))
        record = attach(plain.record, evidence, self._codec.model_id)
        return Compressed(record, plain.quality, len(record) - len(plain.record))

    def _verdicts(self, encoded: Sequence[EncodedImage], false_alarm_rate: float) -> list[Score]:
        calibration, fused = self._calibration, self.manifest.score.fused
        names, verdicts = score_names(self.manifest.score), []
        for raw in self._raw_scores(encoded):
            scores = [raw.scores[name] for name in names]
            mean, std = calibration.score_mean, calibration.score_std
            value = formulas.fuse(scores, mean, std, fused, names, calibration.score_weight)
            p = p_value(value, calibration.fused)
            anomalous = p <= false_alarm_rate
            regions = self._regions(raw.heatmap, false_alarm_rate) if anomalous else ()
            verdict = Score(value, p, anomalous, raw.scores, raw.heatmap, raw.record_bytes, regions)
            verdicts.append(verdict)
        return verdicts

    def _regions(self, heatmap: F32, false_alarm_rate: float) -> tuple[Region, ...]:
        peaks = self._calibration.heatmap_peaks
        return regions_at_rate(heatmap, false_alarm_rate, self.heatmap_vmax, peaks)

    def _raw_scores(self, encoded: Sequence[EncodedImage]) -> Iterator[RawScore]:
        level = self.manifest.quality_default
        coded = self._codec.records.quantise([(one, level) for one in encoded])
        written = self._codec.records.write_with_bits(coded)
        logits = self._codec.segment(encoded) if self._segments else []
        decoded = self._codec.decode(coded)  # last, since it takes the most memory
        for i, one in enumerate(encoded):
            found = self._candidates(one)
            if self._segments:
                found.add_segmenter(logits[i])
            scores, heatmap = self._residual_scores(one, decoded[i], found)
            record, scores["rate"] = written[i]
            scores["latent"] = self._latent_score(one, coded[i])
            yield RawScore(scores | found.scores(), heatmap, len(record))

    def _candidates(self, encoded: EncodedImage) -> CandidateScores:
        """The candidates of the detectors, which look at the image and not at its record."""
        target = encoded.image.target
        size = (target.shape[0], target.shape[1])
        found = CandidateScores(self.manifest.score, self._codec.bundle.detectors, size)
        found.add_detectors(target)
        return found

    def _residual_scores(
        self, encoded: EncodedImage, y: F32, candidates: CandidateScores
    ) -> tuple[dict[str, float], F32]:
        spec, variance = self.manifest.input, self._calibration.residual_variance
        x = encoded.image.target.transpose(2, 0, 1)
        restored = restore_geometry(y, encoded.image.size, spec)
        if variance.shape[1:] != (1, 1) and variance.shape != x.shape:
            variance = variance.mean((1, 2), keepdims=True)
        return formulas.single_scores(x, restored, variance, self.manifest.score, candidates)

    def _latent_score(self, encoded: EncodedImage, coded: Coded) -> float:
        if self.manifest.latent.kind == "indices":
            return float(encoded.log_var_or_distance.mean())
        latent = dequantise(coded.codes, self._codec.bundle.steps[coded.level])
        z = latent.transpose(1, 0, 2, 3).reshape(latent.shape[1], -1)
        calibration = self._calibration
        return formulas.latent_distance(z, calibration.latent_mean, calibration.latent_variance)

    def check_rate(self, false_alarm_rate: float | None) -> float:
        """The false-alarm rate, by default that of the model. Raises InvalidInput if it is not
        supported by the calibration.
        """
        default = self.manifest.score.false_alarm_rate
        rate = default if false_alarm_rate is None else false_alarm_rate
        return check_false_alarm_rate(rate, self.calibration_images)
