"""The main path: images to records, records to images, images to scores.

    image --fit--> rows --encoder--> mu --quantise--> codes --code--> payload --pack--> record
    record --> payload --> codes --dequantise--> z --decoder--> x_hat --unfit--> image
    image, and what its record decodes to --> scores, heat map, p-value

`Model` composes the pure steps of this package around two graphs; whatever runs the graphs
(onnxruntime in this process, a micro-batching queue in front of it, torch while a model is being
exported) only has to be a `Graphs`.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from codec import anomaly
from codec.anomaly import Score
from codec.bundle import Bundle
from codec.entropy import RangeCoder, Shape
from codec.errors import InvalidInput, RecordError, ResiduumError
from codec.images import F32, MAX_TILES, U8, Fitted, fit, tile_grid, to_pixels, unfit
from codec.quantise import I32, dequantise, quantise
from codec.record import MAX_RECORD_PIXELS, Record, pack, unpack
from codec.tiling import tiled

Array = npt.NDArray[Any]
T = TypeVar("T")
S = TypeVar("S")
K = TypeVar("K", bound=Hashable)
# What one call of a graph may hold, in pixels: it bounds the memory of large batches of large
# images.
MAX_CALL_PIXELS = 2**22
MAX_CALL_ROWS = 256


class Graphs(Protocol):
    """The two halves of a model; see codec.onnx for shapes."""

    def encode(self, x: U8) -> tuple[Array, Array]: ...

    def decode(self, latent: Array) -> F32: ...


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """One image after the encoder: its fitted rows, their codes `[R, D, h, w]`, and what else the
    encoder says of each, log-variance or distance to the codebook, in the same shape.
    """

    fitted: Fitted
    codes: I32
    aside: F32


class Model:
    """A bundle and its graphs, ready for work. Thread-safe if the graphs are."""

    def __init__(self, bundle: Bundle, graphs: Graphs) -> None:
        self.manifest = bundle.manifest
        self.model_id = bundle.model_id
        self._bundle = bundle
        self._graphs = tiled(graphs, self.manifest.input)
        self._coders: dict[int, RangeCoder] = {}

    @property
    def heat_scale(self) -> float:
        """Heat-map value, nats per pixel, to draw in full colour; see codec.anomaly."""
        return float(self._bundle.calibration.heat_scale[0])

    @property
    def calibration_images(self) -> int:
        """How many held-out normal images stand behind the p-values."""
        return len(self._bundle.calibration.fused)

    def compress(self, images: Sequence[U8], quality: int | None = None) -> list[bytes]:
        """Records of images `[H, W, C]` uint8. Raises InvalidInput, which names the image."""
        level = self._level(quality)
        return self._records(self._encode(images, level), level)

    def decompress(self, records: Sequence[bytes]) -> list[U8]:
        """Images `[H, W, C]` uint8 of records. Raises RecordError, which names the record."""
        parsed = self._parse(records)
        rows = self._decode([(codes, level) for codes, level, _ in parsed])
        return [
            to_pixels(unfit(y, size, self.manifest.input))
            for y, (_, _, size) in zip(rows, parsed, strict=True)
        ]

    def score(self, images: Sequence[U8], false_alarm_rate: float | None = None) -> list[Score]:
        """Scores of images `[H, W, C]` uint8 against their decoded records, at the default quality.

        An image is anomalous if its p-value is at or below the false-alarm rate. Raises
        InvalidInput.
        """
        calibration, spec = self._bundle.calibration, self.manifest.score
        rate = spec.false_alarm_rate if false_alarm_rate is None else false_alarm_rate
        anomaly.check_rate(rate, len(calibration.fused))
        results = []
        for scores, heatmap, size in self.raw_scores(images):
            row = [scores[name] for name in anomaly.NAMES]
            value = anomaly.fuse(row, calibration.score_mean, calibration.score_std, spec.fused)
            p = anomaly.p_value(value, calibration.fused)
            results.append(Score(value, p, p <= rate, scores, heatmap, size))
        return results

    def raw_scores(self, images: Sequence[U8]) -> Iterator[tuple[dict[str, float], F32, int]]:
        """Single scores by name, heat map `[H, W]` and record size in bytes of each image, before
        any verdict.
        """
        level = self.manifest.quality_default
        coded = self._encode(images, level)
        decoded = self._decode([(c.codes, level) for c in coded])
        for one, y in zip(coded, decoded, strict=True):
            yield self._raw(one, y, level)

    def _raw(self, coded: Coded, y: F32, level: int) -> tuple[dict[str, float], F32, int]:
        calibration, spec = self._bundle.calibration, self.manifest.input
        x = coded.fitted.rows.astype(np.float32) / np.float32(255.0)
        size = coded.fitted.size
        whole, variance = unfit(x, size, spec), calibration.residual_variance
        if variance.shape[1:] != (1, 1) and variance.shape != whole.shape:
            variance = variance.mean((1, 2), keepdims=True)
        scores, heatmap = anomaly.single_scores(
            whole, unfit(y, size, spec), variance, self.manifest.score
        )
        scores["rate"] = float(self._bundle.priors[level].bits(coded.codes).sum())
        scores["latent"] = self._latent_score(coded, level)
        return scores, heatmap, len(self._records([coded], level)[0])

    def _records(self, coded: Sequence[Coded], level: int) -> list[bytes]:
        payloads = _alike(
            [one.codes for one in coded],
            [one.codes.shape for one in coded],
            lambda codes, _: self._coder(level).encode_all(np.stack(codes)),
        )
        return [
            pack(Record(level, one.fitted.size, payload), self.model_id)
            for one, payload in zip(coded, payloads, strict=True)
        ]

    def _latent_score(self, coded: Coded, level: int) -> float:
        if self.manifest.latent.kind == "indices":
            return float(coded.aside.mean())
        z, calibration = _columns(self._latent(coded.codes, level)), self._bundle.calibration
        return anomaly.latent_distance(z, calibration.latent_mean, calibration.latent_variance)

    def _encode(self, images: Sequence[U8], level: int) -> list[Coded]:
        fitted = _each("image", images, self._fit)
        shapes = [f.rows.shape[1:] for f in fitted]
        both = _grouped([f.rows for f in fitted], shapes, lambda x: self._codes(x, level))
        return [
            Coded(f, b[:, 0].astype(np.int32), b[:, 1]) for f, b in zip(fitted, both, strict=True)
        ]

    def _decode(self, coded: Sequence[tuple[I32, int]]) -> list[F32]:
        keys = [(codes.shape[1:], level) for codes, level in coded]
        latents = [self._latent(codes, level) for codes, level in coded]
        return _grouped(latents, keys, self._restore)

    def _fit(self, image: U8) -> Fitted:
        fitted = fit(image, self.manifest.input)
        if fitted.size and fitted.size[0] * fitted.size[1] > MAX_RECORD_PIXELS:
            raise InvalidInput(
                f"image is {fitted.size[0]}x{fitted.size[1]}, at most {MAX_RECORD_PIXELS} pixels"
            )
        return fitted

    def _codes(self, x: U8, level: int) -> F32:
        """Codes and the encoder's second output, `[R, 2, D, h, w]`; float32 holds codes exactly."""
        first, second = self._graphs.encode(x)
        if not (np.isfinite(first).all() and np.isfinite(second).all()):
            raise ResiduumError("the encoder gave values that are not finite")
        indices = self.manifest.latent.kind == "indices"
        codes = first if indices else quantise(first, self._bundle.steps[level])
        both = np.stack([codes, second], axis=1, dtype=np.float32, casting="unsafe")
        return both.reshape(*both.shape[:3], *(both.shape[3:] or (1, 1)))

    def _latent(self, codes: I32, level: int) -> F32:
        """What codes `[R, D, h, w]` stand for: latents, or the indices themselves, as float32."""
        return dequantise(codes, self._bundle.steps[level])

    def _restore(self, latent: F32) -> F32:
        if self.manifest.latent.kind == "indices":
            return self._graphs.decode(latent.astype(np.int32))
        if self.manifest.latent.grid == (1, 1):
            return self._graphs.decode(latent[:, :, 0, 0])
        return self._graphs.decode(latent)

    def _parse(self, data: Sequence[bytes]) -> list[tuple[I32, int, tuple[int, int] | None]]:
        """Codes, level and size of each record; payloads of one level and shape are read together.

        Raises RecordError, which names the record.
        """
        records = _each("record", data, self._open)
        keys = [(record.quality, self._shape(record.size)) for record in records]
        found = _alike(
            [record.payload for record in records],
            keys,
            lambda payloads, key: self._coder(key[0]).decode_all(payloads, key[1]),
        )
        codes = _each("record", found, self._checked)
        return [(c, record.quality, record.size) for c, record in zip(codes, records, strict=True)]

    def _open(self, data: bytes) -> Record:
        record = unpack(data, self.model_id, sized=self.manifest.input.sized)
        if record.quality >= self.manifest.quality_levels:
            raise RecordError(
                f"quality level {record.quality}, the model has {self.manifest.quality_levels}"
            )
        self._shape(record.size)
        return record

    def _checked(self, codes: I32 | RecordError) -> I32:
        if isinstance(codes, RecordError):
            raise codes
        codebook = self.manifest.latent.codebook
        if codebook is not None and (codes.min() < 0 or codes.max() >= codebook):
            raise RecordError(f"an index outside 0..{codebook - 1}")
        return codes

    def _shape(self, size: tuple[int, int] | None) -> Shape:
        """Shape `[R, D, h, w]` of the latents of an image that a record says to be of this size."""
        spec, grid = self.manifest.input, self.manifest.latent.grid
        dims = self.manifest.latent.dims
        if grid is not None:
            down, across = tile_grid(size, spec) if size else (1, 1)
            if down * across > MAX_TILES:
                raise RecordError(f"{down * across} tiles, at most {MAX_TILES} are decoded")
            return (down * across, dims, *grid)
        height, width = size or (spec.stride, spec.stride)
        return (1, dims, -(-height // spec.stride), -(-width // spec.stride))

    def _level(self, quality: int | None) -> int:
        levels = self.manifest.quality_levels
        if quality is None:
            return self.manifest.quality_default
        if not 0 <= quality < levels:
            raise InvalidInput(f"quality {quality}, the model has levels 0..{levels - 1}")
        return quality

    def _coder(self, level: int) -> RangeCoder:
        coder = self._coders.get(level)
        if coder is None:
            coder = self._coders[level] = RangeCoder(self._bundle.priors[level])
        return coder


def _columns(codes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`[R, D, h, w]` to `[D, R * h * w]`, the coder's layout."""
    return codes.transpose(1, 0, 2, 3).reshape(codes.shape[1], -1)


def _each(what: str, items: Sequence[T], step: Callable[[T], S]) -> list[S]:
    """The step's result for each item; an error is told with the index of its item."""
    results = []
    for index, item in enumerate(items):
        try:
            results.append(step(item))
        except ResiduumError as error:
            raise type(error)(f"{what} {index}: {error}") from error
    return results


def _alike(
    items: Sequence[T], keys: Sequence[K], step: Callable[[list[T], K], Sequence[S]]
) -> list[S]:
    """The step's results for items in their order; it gets those with equal keys together."""
    found: dict[int, S] = {}
    groups: dict[K, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    for key, indices in groups.items():
        results = step([items[index] for index in indices], key)
        found.update(zip(indices, results, strict=True))
    return [found[index] for index in range(len(items))]


def _grouped(
    parts: Sequence[Array], keys: Sequence[object], run: Callable[[Any], Any]
) -> list[Any]:
    """Runs arrays `[R_i, ...]` with equal keys together, in bounded calls, and gives the results
    part by part.
    """
    results: list[Any] = [None] * len(parts)
    groups: dict[object, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    for indices in groups.values():
        rows = (
            np.concatenate([parts[i] for i in indices]) if len(indices) > 1 else parts[indices[0]]
        )
        limit = _rows_per_call(rows)
        done = [run(rows[start : start + limit]) for start in range(0, len(rows), limit)]
        whole = np.concatenate(done) if len(done) > 1 else done[0]
        ends = np.cumsum([len(parts[i]) for i in indices])
        for i, piece in zip(indices, np.split(whole, ends[:-1]), strict=True):
            results[i] = piece
    return results


def _rows_per_call(rows: Array) -> int:
    pixels = max(1, int(rows[0].size))
    return max(1, min(MAX_CALL_ROWS, MAX_CALL_PIXELS // pixels))
