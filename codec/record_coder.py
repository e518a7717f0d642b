"""Latents to codes, codes to records, and back, without the graphs of a bundle."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from codec.arrays import F64, I32, Array
from codec.bundle.bundle import Bundle
from codec.entropy.range_coder import Shape, range_coders
from codec.errors import RecordError
from codec.graphs.batches import batches, group_by, join
from codec.images.files import MAX_TILES, tile_grid
from codec.outcomes import attempt, merge, succeeded
from codec.quantise import dequantise, log2_step_scale, quantise
from codec.record.evidence import Region, read_evidence
from codec.record.frame import Record, frame_bytes, pack_plain, unpack
from codec.results import EncodedImage

# Mean overhead of the coder over the ideal code length, bytes.
FLUSH = 0.33


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Codes `[R, D, h, w]` of an image and their quality level.

    `size` is the (height, width) of the image, for models whose records hold it.
    """

    codes: I32
    level: int
    size: tuple[int, int] | None


class RecordCoder:
    """Writes and reads the records of one model. Thread-safe."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle, self._manifest = bundle, bundle.manifest
        self._coders = range_coders(bundle.priors)

    def quantise(self, images: Sequence[tuple[EncodedImage, int]]) -> list[Coded]:
        """The codes of images, at a quality level each."""
        coded: dict[int, Coded] = {}
        for batch, level, codes in self._quantised(images):
            for i, own in zip(batch, codes, strict=True):
                coded[i] = Coded(own, level, images[i][0].image.size)
        return [coded[i] for i in range(len(images))]

    def compress(self, images: Sequence[tuple[EncodedImage, int]]) -> list[bytes]:
        """The records of images, at a quality level each."""
        records: dict[int, bytes] = {}
        for batch, level, codes in self._quantised(images):
            sizes = [images[i][0].image.size for i in batch]
            records |= zip(batch, self._write(codes, level, sizes), strict=True)
        return [records[i] for i in range(len(images))]

    def latents(self, codes: I32, levels: Sequence[int]) -> Array:
        """Input of the decoder for codes `[R, D, h, w]` at a level each: indices int32, or latents
        float32, `[R, D]` for a global latent and `[R, D, h, w]` for a map; with a rate channel if
        the decoder takes one.
        """
        latent = self._manifest.latent
        if latent.kind == "indices":
            return codes
        latents = dequantise(codes, self._bundle.steps[levels])
        if latent.rate_aware:
            scales = np.array([log2_step_scale(level) for level in levels], np.float32)
            channel = np.broadcast_to(scales[:, None, None, None], latents[:, :1].shape)
            latents = np.concatenate([latents, channel], axis=1)
        return latents[:, :, 0, 0] if latent.grid == (1, 1) else latents

    def bits(self, coded: Sequence[Coded]) -> list[float]:
        """Ideal code lengths, bits."""
        lengths: dict[int, float] = {}
        for group in _by_level_and_shape(coded):
            codes = join([coded[i].codes for i in group])
            bits = self._bundle.priors[coded[group[0]].level].bits(codes)
            lengths |= zip(group, bits.reshape(len(group), -1).sum(1).tolist(), strict=True)
        return [lengths[i] for i in range(len(coded))]

    def ideal_bytes(self, coded: Sequence[Coded]) -> list[float]:
        """Estimated sizes of the records, bytes, framing included; mostly within one byte."""
        payloads = [bits / 8 + FLUSH for bits in self.bits(coded)]
        return [
            length + frame_bytes(length, one.size)
            for one, length in zip(coded, payloads, strict=True)
        ]

    def write(self, coded: Sequence[Coded]) -> list[bytes]:
        """Records without evidence; codes of one level and shape are coded together."""
        records: dict[int, bytes] = {}
        for group in _by_level_and_shape(coded):
            codes, sizes = np.stack([coded[i].codes for i in group]), [coded[i].size for i in group]
            records |= zip(group, self._write(codes, coded[group[0]].level, sizes), strict=True)
        return [records[i] for i in range(len(coded))]

    def write_with_bits(self, coded: Sequence[Coded]) -> list[tuple[bytes, float]]:
        """What `write` and `bits` give, for little more than `write`."""
        results: dict[int, tuple[bytes, float]] = {}
        for group in _by_level_and_shape(coded):
            codes, sizes = np.stack([coded[i].codes for i in group]), [coded[i].size for i in group]
            bits = np.zeros(codes.shape[:2])
            records = list(self._write(codes, coded[group[0]].level, sizes, bits))
            results |= zip(group, zip(records, bits.sum(1).tolist(), strict=True), strict=True)
        return [results[i] for i in range(len(coded))]

    def read_each(self, data: Sequence[bytes]) -> list[tuple[Coded, list[Region]] | RecordError]:
        """The codes and the evidence of each record, or its error."""
        outcomes = [attempt(RecordError, self._open, one) for one in data]
        opened = succeeded(outcomes)
        decoded: dict[int, I32 | RecordError] = {}
        for group in group_by((record.quality, shape) for record, shape, _ in opened):
            record, shape, _ = opened[group[0]]
            payloads = [opened[i][0].payload for i in group]
            codes = self._coders[record.quality].decode_all(payloads, shape)
            decoded |= zip(group, codes, strict=True)
        read = [
            attempt(RecordError, self._checked, record, regions, decoded[i])
            for i, (record, _, regions) in enumerate(opened)
        ]
        return merge(outcomes, read, RecordError)

    def _quantised(
        self, images: Sequence[tuple[EncodedImage, int]]
    ) -> Iterator[tuple[list[int], int, I32]]:
        """Batches of images of one level and shape: their indices, the level, and their codes
        `[B, R, D, h, w]`.
        """
        latents = [one.latents for one, _ in images]
        groups = group_by((level, one.latents.shape) for one, level in images)
        for batch in batches(groups, latents):
            level, codes = images[batch[0]][1], join([latents[i] for i in batch])
            if self._manifest.latent.kind == "gaussian":
                codes = quantise(codes, self._bundle.steps[level])
            yield batch, level, codes.reshape(len(batch), -1, *codes.shape[1:])

    def _write(
        self,
        codes: I32,
        level: int,
        sizes: Sequence[tuple[int, int] | None],
        bits: F64 | None = None,
    ) -> Iterator[bytes]:
        """Records of codes `[B, R, D, h, w]` of one level, and of the sizes of the images; their
        ideal code lengths are added to `bits` `[B, R]`.
        """
        payloads = self._coders[level].encode_all(codes, bits)
        for size, payload in zip(sizes, payloads, strict=True):
            yield pack_plain(level, size, payload, self._bundle.model_id)

    def _open(self, data: bytes) -> tuple[Record, Shape, list[Region]]:
        """A record, the shape of its codes, and its evidence."""
        spec, levels = self._manifest.input, self._manifest.quality_levels
        record = unpack(data, self._bundle.model_id, sized=spec.sized)
        if record.quality >= levels:
            raise RecordError(f"quality level {record.quality}, the model has {levels}")
        shape = self._shape(record.size)
        height, width = record.size or (spec.height or 0, spec.width or 0)
        return record, shape, read_evidence(record.evidence, (height, width, spec.channels))

    def _checked(
        self, record: Record, regions: list[Region], codes: I32 | RecordError
    ) -> tuple[Coded, list[Region]]:
        if isinstance(codes, RecordError):
            raise codes
        codebook = self._manifest.latent.codebook
        if codebook is not None and (codes.min() < 0 or codes.max() >= codebook):
            raise RecordError(f"an index outside 0..{codebook - 1}")
        return Coded(codes, record.quality, record.size), regions

    def _shape(self, size: tuple[int, int] | None) -> Shape:
        """Shape `[R, D, h, w]` of the codes of an image of this size. Raises RecordError."""
        spec, grid = self._manifest.input, self._manifest.latent.grid
        dims = self._manifest.latent.dims
        if grid is not None:
            down, across = tile_grid(size, spec) if size else (1, 1)
            if down * across > MAX_TILES:
                raise RecordError(f"{down * across} tiles, at most {MAX_TILES} are decoded")
            return (down * across, dims, *grid)
        height, width = size or (spec.stride, spec.stride)
        return (1, dims, -(-height // spec.stride), -(-width // spec.stride))


def _by_level_and_shape(coded: Sequence[Coded]) -> list[list[int]]:
    return group_by((one.level, one.codes.shape) for one in coded)
