"""`Codec`: images to records and back.

    image --prepare--> tiles --encoder--> means --quantise--> codes --range coder--> record
    record --range coder--> codes --dequantise--> latents --decoder--> x_hat --> image

The two graphs are anything with the methods of `codec.graphs.protocol.Graphs`: onnxruntime in this
process, or torch while a model is being exported.
"""

from collections.abc import Callable, Sequence

import numpy as np

from codec.arrays import F32, I32, U8, Array
from codec.bundle.bundle import Bundle
from codec.errors import InvalidInput, RecordError
from codec.graphs import segmenter
from codec.graphs.batches import calls, in_batches, join, rows_not_finite
from codec.graphs.protocol import Graphs
from codec.graphs.tiled import tiled
from codec.images.comparison import psnr, squared_error
from codec.images.files import channels_last, prepare, restore_geometry, to_levels
from codec.outcomes import attempt, merge, required, succeeded
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
from codec.record_coder import Coded, RecordCoder
from codec.results import Compressed, EncodedImage, Restored

NOT_FINITE = "the encoder of the model gives values for this image that are not finite"


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
        pairs = zip(encoded, levels, strict=True)
        records = iter(
            self.records.compress([(one, at) for one, at in pairs if isinstance(at, int)])
        )
        return [
            level if isinstance(level, InvalidInput) else Compressed(next(records), level)
            for level in levels
        ]

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
        spec, spoilt = self.manifest.input, set[int]()
        outcomes = [attempt(InvalidInput, prepare, image, spec) for image in images]
        prepared = succeeded(outcomes)

        def encode(tiles: U8, owners: list[int]) -> tuple[Array, F32]:
            outputs = self._encode_tiles(tiles)
            spoilt.update(owners[row] for row in rows_not_finite(*outputs))
            return outputs

        outputs = in_batches([one.tiles for one in prepared], encode)
        encoded = [
            InvalidInput(NOT_FINITE) if i in spoilt else EncodedImage(one, *pair)
            for i, (one, pair) in enumerate(zip(prepared, outputs, strict=True))
        ]
        return merge(outcomes, encoded, InvalidInput)

    def quantise(self, encoded: EncodedImage, level: int) -> Coded:
        """Codes of an image at a quality level."""
        return self.records.quantise([(encoded, level)])[0]

    def decode(self, coded: Sequence[Coded]) -> list[F32]:
        """Runs the decoder: tiles `[R, C, h, w]` of each image, in [0, 1]."""
        return self._decoded(coded, lambda tiles: tiles)

    def segment(self, encoded: Sequence[EncodedImage]) -> list[F32]:
        """Runs the segmenter: logits `[H, W]` of each image."""

        def logits(tiles: U8, _: list[int]) -> tuple[F32]:
            outputs = [segmenter.segment(self._graphs, call) for call in calls(tiles)]
            return (join(outputs)[:, None],)

        spec, tiles = self.manifest.input, [one.image.tiles for one in encoded]
        return [
            restore_geometry(own, one.image.size, spec)[0]
            for one, (own,) in zip(encoded, in_batches(tiles, logits), strict=True)
        ]

    def _decoded(self, coded: Sequence[Coded], finish: Callable[[F32], Array]) -> list[Array]:
        """What `finish` makes of the tiles of each image. It is called on a batch as soon as that
        is decoded: the floats of all take much memory.
        """

        def tiles(codes: I32, owners: list[int]) -> tuple[Array]:
            latents = self.records.latents(codes, [coded[i].level for i in owners])
            return (finish(join([self._graphs.decode(call) for call in calls(latents)])),)

        return [own for (own,) in in_batches([one.codes for one in coded], tiles)]

    def _within_bytes(
        self, encoded: Sequence[EncodedImage], target: int
    ) -> list[Compressed | InvalidInput]:
        """Records of at most `target` bytes; at the next finer level they would have more."""
        levels = self.manifest.quality_levels
        ideal: list[dict[int, float]] = [{} for _ in encoded]
        while tries := _tries([level_by_ideal_bytes(sizes, target, levels) for sizes in ideal]):
            coded = self.records.quantise([(encoded[i], level) for i, level in tries])
            for (i, level), size in zip(tries, self.records.ideal_bytes(coded), strict=True):
                ideal[i][level] = size
        written: list[dict[int, bytes]] = [{} for _ in encoded]
        while tries := _tries(
            [
                level_by_record_bytes(known, guess, target, levels)
                for known, guess in zip(written, ideal, strict=True)
            ]
        ):
            records = self.records.compress([(encoded[i], level) for i, level in tries])
            for (i, level), record in zip(tries, records, strict=True):
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
            coded = self.records.quantise([(encoded[i], level) for i, level in tries])
            images = self._images(coded)
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

    def _images(self, coded: Sequence[Coded]) -> list[U8]:
        spec = self.manifest.input
        return [
            channels_last(restore_geometry(levels, one.size, spec))
            for one, levels in zip(coded, self._decoded(coded, to_levels), strict=True)
        ]


def _tries(levels: Sequence[int | None]) -> list[tuple[int, int]]:
    """Indices and next levels of the images whose search is not over."""
    return [(index, level) for index, level in enumerate(levels) if level is not None]
