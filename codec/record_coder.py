"""Codes to records and back, without the graphs of a bundle."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from codec.arrays import I32
from codec.bundle.bundle import Bundle
from codec.entropy.range_coder import Shape, range_coders
from codec.errors import RecordError
from codec.images.files import MAX_TILES, tile_grid
from codec.outcomes import attempt, merge, succeeded
from codec.record.evidence import Region, read_evidence
from codec.record.frame import Record, frame_bytes, pack, unpack

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

    def bits(self, coded: Sequence[Coded]) -> list[float]:
        """Ideal code lengths, bits."""
        lengths: dict[int, float] = {}
        for group in _by_level_and_shape(coded):
            codes = np.concatenate([coded[i].codes for i in group])
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
        payloads: dict[int, bytes] = {}
        for group in _by_level_and_shape(coded):
            coder = self._coders[coded[group[0]].level]
            codes = np.stack([coded[i].codes for i in group])
            payloads |= zip(group, coder.encode_all(codes), strict=True)
        return [
            pack(Record(one.level, one.size, payloads[index]), self._bundle.model_id)
            for index, one in enumerate(coded)
        ]

    def read_each(self, data: Sequence[bytes]) -> list[tuple[Coded, list[Region]] | RecordError]:
        """The codes and the evidence of each record, or its error."""
        opened = [attempt(RecordError, self._open, one) for one in data]
        records = [record for record, _ in succeeded(opened)]
        keys = [(record.quality, self._shape(record.size)) for record in records]
        decoded: dict[int, I32 | RecordError] = {}
        for group in group_by(keys):
            level, shape = keys[group[0]]
            payloads = [records[i].payload for i in group]
            decoded |= zip(group, self._coders[level].decode_all(payloads, shape), strict=True)
        read = [
            attempt(RecordError, self._checked, record, regions, decoded[i])
            for i, (record, regions) in enumerate(succeeded(opened))
        ]
        return merge(opened, read, RecordError)

    def _open(self, data: bytes) -> tuple[Record, list[Region]]:
        spec, levels = self._manifest.input, self._manifest.quality_levels
        record = unpack(data, self._bundle.model_id, sized=spec.sized)
        if record.quality >= levels:
            raise RecordError(f"quality level {record.quality}, the model has {levels}")
        self._shape(record.size)
        height, width = record.size or (spec.height or 0, spec.width or 0)
        return record, read_evidence(record.evidence, (height, width, spec.channels))

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


def group_by(keys: Iterable[Hashable]) -> list[list[int]]:
    """Groups the indices of equal keys, in the order in which the keys first appear."""
    groups: dict[Hashable, list[int]] = {}
    for index, key in enumerate(keys):
        groups.setdefault(key, []).append(index)
    return list(groups.values())
