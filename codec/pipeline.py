"""The main path: images to records, records to images, images to scores.

    image --fit--> rows --encoder--> mu --quantise--> codes --code--> payload --pack--> record
    record --> payload --> codes --dequantise--> z --decoder--> x_hat --unfit--> image
    image, and what its record decodes to --> scores, heat map, p-value --> evidence

`Model` composes the pure steps of this package around two graphs; whatever runs the graphs
(onnxruntime in this process, a micro-batching queue in front of it, torch while a model is being
exported) only has to be a `Graphs`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from codec.bundle.bundle import Bundle
from codec.errors import InvalidInput, ResiduumError
from codec.graphs.tiled import tiled
from codec.grouping import Array, each, grouped
from codec.images.files import F32, U8, fit, to_pixels, unfit
from codec.quantise import I32, dequantise, octaves, quantise
from codec.rate_control import Rate, psnr, reaching_psnr, within_bytes
from codec.record.evidence import Region, cut_regions, pack_evidence, paste_regions
from codec.record.frame import MAX_RECORD_PIXELS, attach
from codec.record_coder import Coded, RecordCoder
from codec.scores import scores as anomaly
from codec.scores.regions import hot_boxes
from codec.scores.scores import Score

DEFAULT_RATE = Rate()
# Scoring holds an image many times over, in floats; compressing does not.
MAX_SCORED_PIXELS = 2**22


class Graphs(Protocol):
    """The two halves of a model; see codec.graphs.onnx for shapes."""

    def encode(self, x: U8) -> tuple[Array, Array]: ...

    def decode(self, latent: Array) -> F32: ...


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """One image after the encoder.

    `goal [H, W, C]` is what a perfect record would decode to: the image, or under `resize` the
    resized one. `rows [R, C, h, w]` are its fitted pixels, `latents [R, D, h', w']` their means or
    indices as float32, `aside`, of the same shape, what else the encoder says of each, log-variance
    or distance to the codebook.
    """

    goal: U8
    rows: U8
    size: tuple[int, int] | None
    latents: F32
    aside: F32


@dataclass(frozen=True, slots=True)
class Compressed:
    """A record, its quality level, and how many of its bytes are evidence."""

    record: bytes
    quality: int
    evidence_bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """An image `[H, W, C]`; in the regions of its evidence, if any, it is the original's pixels."""

    image: U8
    regions: list[Region]


class Model:
    """A bundle and its graphs, ready for work. Thread-safe if the graphs are."""

    def __init__(self, bundle: Bundle, graphs: Graphs) -> None:
        self.manifest = bundle.manifest
        self.model_id = bundle.model_id
        self._bundle = bundle
        self._graphs = tiled(graphs, self.manifest.input)
        self._coder = RecordCoder(bundle)

    @property
    def heat_scale(self) -> float:
        """Heat-map value, nats per pixel, to draw in full colour; see codec.scores.scores."""
        return float(self._bundle.calibration.heat_scale[0])

    @property
    def calibration_images(self) -> int:
        """How many held-out normal images stand behind the p-values."""
        return len(self._bundle.calibration.fused)

    def compress(self, images: Sequence[U8], quality: int | None = None) -> list[bytes]:
        """Records of images `[H, W, C]` uint8. Raises InvalidInput, which names the image."""
        return [made.record for made in self.compress_at(images, Rate(quality=quality))]

    def compress_at(
        self,
        images: Sequence[U8],
        rate: Rate = DEFAULT_RATE,
        *,
        evidence: bool = False,
        false_alarm_rate: float | None = None,
    ) -> list[Compressed]:
        """Records of images `[H, W, C]` uint8 at a rate; see codec.rate_control.

        With `evidence` each image is judged as by `score`, and the record of an anomalous one keeps
        its hot regions too, beyond what `rate` allows. Raises InvalidInput, which names the image.
        """
        if rate.quality is not None:
            self._check_level(rate.quality)
        if false_alarm_rate is not None and not evidence:
            raise InvalidInput("a false-alarm rate is given, but no evidence is asked for")
        alarm = self._alarm(false_alarm_rate) if evidence else None
        encoded = self._encode(images)
        made = [Compressed(record, level, 0) for level, record in self._choose(encoded, rate)]
        if alarm is None:
            return made
        judged = zip(made, encoded, self._verdicts(encoded, alarm), strict=True)
        return each("image", list(judged), lambda image: self._with_evidence(*image))

    def decompress(self, records: Sequence[bytes]) -> list[U8]:
        """Images `[H, W, C]` uint8 of records. Raises RecordError, which names the record."""
        return [restored.image for restored in self.restore(records)]

    def restore(self, records: Sequence[bytes]) -> list[Restored]:
        """Images of records, and which regions of them are evidence. Raises RecordError."""
        read = self._coder.read(records)
        images = self._pixels([coded for coded, _ in read])
        return [
            Restored(paste_regions(image, regions), regions)
            for image, (_, regions) in zip(images, read, strict=True)
        ]

    def score(self, images: Sequence[U8], false_alarm_rate: float | None = None) -> list[Score]:
        """Scores of images `[H, W, C]` uint8 against their decoded records, at the default quality.

        An image is anomalous if its p-value is at or below the false-alarm rate. Raises
        InvalidInput.
        """
        alarm = self._alarm(false_alarm_rate)
        return self._verdicts(self._encode(images), alarm)

    def raw_scores(self, images: Sequence[U8]) -> Iterator[tuple[dict[str, float], F32, int]]:
        """Single scores by name, heat map `[H, W]` and record size in bytes of each image, before
        any verdict.
        """
        return self._raw_scores(self._encode(images))

    def _verdicts(self, encoded: Sequence[Encoded], alarm: float) -> list[Score]:
        calibration, spec = self._bundle.calibration, self.manifest.score
        results = []
        for scores, heatmap, size in self._raw_scores(encoded):
            row = [scores[name] for name in anomaly.NAMES]
            value = anomaly.fuse(row, calibration.score_mean, calibration.score_std, spec.fused)
            p = anomaly.p_value(value, calibration.fused)
            results.append(Score(value, p, p <= alarm, scores, heatmap, size))
        return results

    def _raw_scores(
        self, encoded: Sequence[Encoded]
    ) -> Iterator[tuple[dict[str, float], F32, int]]:
        each("image", encoded, _check_scored)
        coded = [self._coded(one, self.manifest.quality_default) for one in encoded]
        decoded, records = self._decode(coded), self._coder.write(coded)
        bits = self._coder.bits(coded)
        for i, one in enumerate(encoded):
            scores, heatmap = self._residual_scores(one, decoded[i])
            scores["rate"] = bits[i]
            scores["latent"] = self._latent_score(one, coded[i])
            yield scores, heatmap, len(records[i])

    def _residual_scores(self, encoded: Encoded, y: F32) -> tuple[dict[str, float], F32]:
        spec, variance = self.manifest.input, self._bundle.calibration.residual_variance
        x = encoded.rows.astype(np.float32) / np.float32(255.0)
        whole, restored = unfit(x, encoded.size, spec), unfit(y, encoded.size, spec)
        if variance.shape[1:] != (1, 1) and variance.shape != whole.shape:
            variance = variance.mean((1, 2), keepdims=True)
        return anomaly.single_scores(whole, restored, variance, self.manifest.score)

    def _latent_score(self, encoded: Encoded, coded: Coded) -> float:
        if self.manifest.latent.kind == "indices":
            return float(encoded.aside.mean())
        latent = dequantise(coded.codes, self._bundle.steps[coded.level])
        z = latent.transpose(1, 0, 2, 3).reshape(latent.shape[1], -1)
        calibration = self._bundle.calibration
        return anomaly.latent_distance(z, calibration.latent_mean, calibration.latent_variance)

    def _choose(self, encoded: Sequence[Encoded], rate: Rate) -> list[tuple[int, bytes]]:
        """Level and record of each image."""
        levels, count = self.manifest.quality_levels, len(encoded)

        def at(pairs: Sequence[tuple[int, int]]) -> list[Coded]:
            return [self._coded(encoded[i], level) for i, level in pairs]

        def ideal(pairs: Sequence[tuple[int, int]]) -> list[float]:
            return self._coder.ideal_bytes(at(pairs))

        def record(pairs: Sequence[tuple[int, int]]) -> list[bytes]:
            return self._coder.write(at(pairs))

        def decibels(pairs: Sequence[tuple[int, int]]) -> list[float]:
            images = zip(pairs, self._pixels(at(pairs)), strict=True)
            return [psnr(encoded[i].goal, image) for (i, _), image in images]

        if rate.target_bytes is not None:
            return within_bytes(count, levels, ideal, record, rate.target_bytes)
        if rate.target_psnr is not None:
            chosen = reaching_psnr(count, levels, decibels, rate.target_psnr)
        else:
            default = self.manifest.quality_default
            chosen = [default if rate.quality is None else rate.quality] * count
        return list(zip(chosen, record(list(enumerate(chosen))), strict=True))

    def _with_evidence(self, plain: Compressed, encoded: Encoded, score: Score) -> Compressed:
        """The record as it is, or with the hot regions of an anomalous image behind it."""
        if not score.anomalous:
            return plain
        regions = cut_regions(encoded.goal, hot_boxes(score.heatmap, self.heat_scale))
        record = attach(plain.record, pack_evidence(regions), self.model_id)
        return Compressed(record, plain.quality, len(record) - len(plain.record))

    def _encode(self, images: Sequence[U8]) -> list[Encoded]:
        fitted = each("image", images, self._fit)
        both = grouped([rows for _, rows, _ in fitted], self._means)
        return [Encoded(*parts, b[:, 0], b[:, 1]) for parts, b in zip(fitted, both, strict=True)]

    def _fit(self, image: U8) -> tuple[U8, U8, tuple[int, int] | None]:
        fitted = fit(image, self.manifest.input)
        if fitted.size is None:
            return fitted.rows[0].transpose(1, 2, 0), fitted.rows, None
        if fitted.size[0] * fitted.size[1] > MAX_RECORD_PIXELS:
            raise InvalidInput(
                f"image is {fitted.size[0]}x{fitted.size[1]}, at most {MAX_RECORD_PIXELS} pixels"
            )
        return image, fitted.rows, fitted.size

    def _means(self, x: U8) -> F32:
        """Both outputs of the encoder, `[R, 2, D, h, w]`; float32 holds indices exactly."""
        first, second = self._graphs.encode(x)
        if not (np.isfinite(first).all() and np.isfinite(second).all()):
            raise ResiduumError("the encoder gave values that are not finite")
        both = np.stack([first, second], axis=1, dtype=np.float32, casting="unsafe")
        return both.reshape(*both.shape[:3], *(both.shape[3:] or (1, 1)))

    def _coded(self, encoded: Encoded, level: int) -> Coded:
        if self.manifest.latent.kind == "indices":
            codes: I32 = encoded.latents.astype(np.int32)
        else:
            codes = quantise(encoded.latents, self._bundle.steps[level])
        return Coded(codes, level, encoded.size)

    def _pixels(self, coded: Sequence[Coded]) -> list[U8]:
        spec = self.manifest.input
        rows = zip(coded, self._decode(coded), strict=True)
        return [to_pixels(unfit(y, one.size, spec)) for one, y in rows]

    def _decode(self, coded: Sequence[Coded]) -> list[F32]:
        return grouped([self._latents(one) for one in coded], self._restore)

    def _latents(self, coded: Coded) -> F32:
        """What codes stand for, as the decoder wants it, `[R, D, h, w]` float32."""
        latents = dequantise(coded.codes, self._bundle.steps[coded.level])
        if not self.manifest.latent.rate_aware:
            return latents
        plane = np.full_like(latents[:, :1], octaves(coded.level))
        return np.concatenate([latents, plane], axis=1)

    def _restore(self, latent: F32) -> F32:
        if self.manifest.latent.kind == "indices":
            return self._graphs.decode(latent.astype(np.int32))
        if self.manifest.latent.grid == (1, 1):
            return self._graphs.decode(latent[:, :, 0, 0])
        return self._graphs.decode(latent)

    def _alarm(self, false_alarm_rate: float | None) -> float:
        """The false-alarm rate asked for, or the model's. Raises InvalidInput."""
        default = self.manifest.score.false_alarm_rate
        rate = default if false_alarm_rate is None else false_alarm_rate
        return anomaly.check_rate(rate, self.calibration_images)

    def _check_level(self, quality: int) -> None:
        levels = self.manifest.quality_levels
        if not 0 <= quality < levels:
            raise InvalidInput(f"quality {quality}, the model has levels 0..{levels - 1}")


def _check_scored(image: Encoded) -> None:
    height, width = image.goal.shape[:2]
    if height * width > MAX_SCORED_PIXELS:
        raise InvalidInput(
            f"image is {height}x{width}, at most {MAX_SCORED_PIXELS} pixels are scored"
        )
