"""`Codec`: images to records and back.

    image --prepare--> tiles --encoder--> means --quantise--> codes --range coder--> record
    record --range coder--> codes --dequantise--> latents --decoder--> x_hat --> image

The two graphs are anything with the methods of `codec.graphs.protocol.Graphs`: onnxruntime in this
process, a micro-batching queue in front of it, or torch while a model is being exported.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from codec.arrays import F32, U8, Array
from codec.bundle.bundle import Bundle
from codec.errors import InvalidInput, RecordError
from codec.graphs import segmenter
from codec.graphs.batches import batches, calls, join, split
from codec.graphs.protocol import Graphs
from codec.graphs.tiled import tiled
from codec.images.comparison import psnr, squared_error
from codec.images.files import prepare, restore_geometry, to_pixels
from codec.outcomes import attempt, merge, required, succeeded
from codec.quantise import dequantise, log2_step_scale, quantise
from codec.rate_control import (
    DEFAULT_RATE,
    Rate,
    coarsest_reaching,
    finest_fitting,
    level_by_ideal_bytes,
    level_by_psnr,
    level_by_record_bytes,
)
from codec.record.evidence import paste_regions
from codec.record_coder import Coded, RecordCoder, group_by
from codec.results import Compressed, EncodedImage, Restored


class Codec:
    """Compresses and decompresses with the model of a bundle. Thread-safe if the graphs are."""

    def __init__(self, bundle: Bundle, graphs: Graphs) -> None:
        self.bundle = bundle
        self.manifest = bundle.manifest
        self.model_id = bundle.model_id
        self.records = RecordCoder(bundle)
        self._graphs = tiled(graphs, self.manifest.input)

    def compress(self, images: Sequence[U8], quality: int | None = None) -> list[bytes]:
        """Records of images `[H, W, C]` uint8. Raises InvalidInput, which names the image."""
        return [one.record for one in self.compress_at(images, Rate(quality=quality))]

    def compress_at(self, images: Sequence[U8], rate: Rate = DEFAULT_RATE) -> list[Compressed]:
        """Like `compress` at any rate. Raises InvalidInput, which names the image."""
        return required(self.compress_each(images, rate), "image")

    def compress_each(
        self, images: Sequence[U8], rate: Rate = DEFAULT_RATE
    ) -> list[Compressed | InvalidInput]:
        """Like `compress_at`, with the error of an image in its place. Raises InvalidInput for a
        rate that the model does not have.
        """
        self.check_rate(rate)
        encoded = self.run_encoder_each(images)
        compressed = self.compress_encoded(succeeded(encoded), rate)
        return merge(encoded, compressed, InvalidInput)

    def compress_encoded(
        self, encoded: Sequence[EncodedImage], rate: Rate
    ) -> list[Compressed | InvalidInput]:
        """Like `compress_each`, for images that are already encoded."""
        if rate.target_bytes is not None:
            return self._within_bytes(encoded, rate.target_bytes)
        if rate.target_psnr is not None:
            levels = self._levels_by_psnr(encoded, rate.target_psnr)
        else:
            default = self.manifest.quality_default
            levels = [default if rate.quality is None else rate.quality] * len(encoded)
        coded = [
            self.quantise(one, level)
            for one, level in zip(encoded, levels, strict=True)
            if not isinstance(level, InvalidInput)
        ]
        records = zip(self.records.write(coded), succeeded(levels), strict=True)
        return merge(levels, (Compressed(*pair) for pair in records), InvalidInput)

    def decompress(self, records: Sequence[bytes]) -> list[U8]:
        """Images `[H, W, C]` uint8 of records. Raises RecordError, which names the record."""
        return [restored.image for restored in self.restore(records)]

    def restore(self, records: Sequence[bytes]) -> list[Restored]:
        """Like `decompress`, with the regions of the images that are evidence."""
        return required(self.restore_each(records), "record")

    def restore_each(self, records: Sequence[bytes]) -> list[Restored | RecordError]:
        """Like `restore`, with the error of a record in its place."""
        read = self.records.read_each(records)
        good = succeeded(read)
        images = self._images([coded for coded, _ in good])
        restored = [
            Restored(paste_regions(image, regions), regions)
            for image, (_, regions) in zip(images, good, strict=True)
        ]
        return merge(read, restored, RecordError)

    def check_rate(self, rate: Rate) -> None:
        """Raises InvalidInput for a quality level that the model does not have."""
        levels = self.manifest.quality_levels
        if rate.quality is not None and not 0 <= rate.quality < levels:
            raise InvalidInput(f"quality is {rate.quality}, the model has levels 0..{levels - 1}")

    def run_encoder(self, images: Sequence[U8]) -> list[EncodedImage]:
        """Runs the encoder over images `[H, W, C]`. Raises InvalidInput, which names the image."""
        return required(self.run_encoder_each(images), "image")

    def run_encoder_each(self, images: Sequence[U8]) -> list[EncodedImage | InvalidInput]:
        """Like `run_encoder`, with the error of an image in its place."""
        spec = self.manifest.input
        outcomes = [attempt(InvalidInput, prepare, image, spec) for image in images]
        prepared = succeeded(outcomes)
        encoded: dict[int, EncodedImage | InvalidInput] = {}
        tiles = [one.tiles for one in prepared]
        for batch in _batches(tiles):
            parts = [tiles[i] for i in batch]
            latents, others = self._encode_tiles(join(parts))
            outputs = zip(batch, split(latents, parts), split(others, parts), strict=True)
            encoded |= {i: _finite(EncodedImage(prepared[i], *pair)) for i, *pair in outputs}
        return merge(outcomes, (encoded[i] for i in range(len(prepared))), InvalidInput)

    def quantise(self, encoded: EncodedImage, level: int) -> Coded:
        """Codes of an image at a quality level."""
        if self.manifest.latent.kind == "indices":
            return Coded(encoded.latents, level, encoded.image.size)
        codes = quantise(encoded.latents, self.bundle.steps[level])
        return Coded(codes, level, encoded.image.size)

    def decode(self, coded: Sequence[Coded]) -> list[F32]:
        """Runs the decoder: tiles `[R, C, h, w]` of each image, in [0, 1]."""
        decoded = dict(self._decoded(coded))
        return [decoded[i] for i in range(len(coded))]

    def segment(self, encoded: Sequence[EncodedImage]) -> list[F32]:
        """Runs the segmenter: logits `[H, W]` of each image."""
        spec, tiles = self.manifest.input, [one.image.tiles for one in encoded]
        found: dict[int, F32] = {}
        for batch in _batches(tiles):
            parts = [tiles[i] for i in batch]
            outputs = [segmenter.segment(self._graphs, call) for call in calls(join(parts))]
            logits = join(outputs)[:, None]
            for i, own in zip(batch, split(logits, parts), strict=True):
                found[i] = restore_geometry(own, encoded[i].image.size, spec)[0]
        return [found[i] for i in range(len(encoded))]

    def _decoded(self, coded: Sequence[Coded]) -> Iterator[tuple[int, F32]]:
        """Indices and tiles of images, each batch when it is decoded: floats take much memory."""
        for batch in _batches([one.codes for one in coded]):
            latents = [self._latents(coded[i]) for i in batch]
            tiles = join([self._graphs.decode(call) for call in calls(join(latents))])
            yield from zip(batch, split(tiles, latents), strict=True)

    def _within_bytes(
        self, encoded: Sequence[EncodedImage], target: int
    ) -> list[Compressed | InvalidInput]:
        """Records of at most `target` bytes; at the next finer level they would have more."""
        levels = self.manifest.quality_levels
        ideal: list[dict[int, float]] = [{} for _ in encoded]
        while tries := _tries([level_by_ideal_bytes(sizes, target, levels) for sizes in ideal]):
            coded = [self.quantise(encoded[i], level) for i, level in tries]
            for (i, level), size in zip(tries, self.records.ideal_bytes(coded), strict=True):
                ideal[i][level] = size
        written: list[dict[int, bytes]] = [{} for _ in encoded]
        while tries := _tries(
            [
                level_by_record_bytes(records, guess, target, levels)
                for records, guess in zip(written, ideal, strict=True)
            ]
        ):
            coded = [self.quantise(encoded[i], level) for i, level in tries]
            for (i, level), record in zip(tries, self.records.write(coded), strict=True):
                written[i][level] = record
        chosen = [attempt(InvalidInput, finest_fitting, records, target) for records in written]
        return [
            level if isinstance(level, InvalidInput) else Compressed(records[level], level)
            for records, level in zip(written, chosen, strict=True)
        ]

    def _levels_by_psnr(
        self, encoded: Sequence[EncodedImage], target: float
    ) -> list[int | InvalidInput]:
        """The coarsest level of each image that reaches `target` dB."""
        levels = self.manifest.quality_levels
        reached: list[dict[int, float]] = [{} for _ in encoded]
        while tries := _tries([level_by_psnr(values, target, levels) for values in reached]):
            images = self._images([self.quantise(encoded[i], level) for i, level in tries])
            for (i, level), image in zip(tries, images, strict=True):
                reached[i][level] = psnr(squared_error(encoded[i].image.target, image))
        return [attempt(InvalidInput, coarsest_reaching, values, target) for values in reached]

    def _encode_tiles(self, tiles: U8) -> tuple[Array, F32]:
        """Both outputs of the encoder for tiles `[R, C, h, w]`, `[R, D, h', w']` each."""
        outputs = zip(*(self._graphs.encode(call) for call in calls(tiles)), strict=True)
        latents, other = (join(parts) for parts in outputs)
        shape = (*latents.shape[:2], *(latents.shape[2:] or (1, 1)))
        kind = np.int32 if self.manifest.latent.kind == "indices" else np.float32
        return (
            latents.reshape(shape).astype(kind, copy=False),
            other.reshape(shape).astype(np.float32, copy=False),
        )

    def _latents(self, coded: Coded) -> Array:
        """Input of the decoder: indices int32 `[R, D, h, w]`, or latents float32, `[R, D]` for a
        global latent and `[R, D, h, w]` for a map; with a rate channel if the decoder takes one.
        """
        latent = self.manifest.latent
        if latent.kind == "indices":
            return coded.codes
        latents = dequantise(coded.codes, self.bundle.steps[coded.level])
        if latent.rate_aware:
            channel = np.full_like(latents[:, :1], log2_step_scale(coded.level))
            latents = np.concatenate([latents, channel], axis=1)
        return latents[:, :, 0, 0] if latent.grid == (1, 1) else latents

    def _images(self, coded: Sequence[Coded]) -> list[U8]:
        spec = self.manifest.input
        images = {
            i: to_pixels(restore_geometry(tiles, coded[i].size, spec))
            for i, tiles in self._decoded(coded)
        }
        return [images[i] for i in range(len(coded))]


def _tries(levels: Sequence[int | None]) -> list[tuple[int, int]]:
    """Indices and next levels of the images whose search is not over."""
    return [(index, level) for index, level in enumerate(levels) if level is not None]


def _batches(items: Sequence[Array]) -> list[list[int]]:
    groups = group_by(one.shape[1:] for one in items)
    return [batch for group in groups for batch in batches(group, items)]


def _finite(encoded: EncodedImage) -> EncodedImage | InvalidInput:
    if np.isfinite(encoded.latents).all() and np.isfinite(encoded.log_var_or_distance).all():
        return encoded
    return InvalidInput("the encoder of the model gives values for this image that are not finite")
