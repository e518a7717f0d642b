"""Codes to records and back: what a bundle can do without its graphs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codec.bundle.bundle import Bundle
from codec.entropy.range_coder import RangeCoder, Shape
from codec.errors import RecordError
from codec.grouping import alike, each
from codec.images.files import MAX_TILES, tile_grid
from codec.quantise import I32
from codec.record.evidence import Region, read_evidence
from codec.record.frame import Record, frame_bytes, pack, unpack

# What the coder adds to the ideal code length in the mean, bytes.
FLUSH = 0.33


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Codes `[R, D, h, w]` of an image, their quality level, and its (height, width) where the
    model remembers it.
    """

    codes: I32
    level: int
    size: tuple[int, int] | None


class RecordCoder:
    """Writes and reads the records of one model. Thread-safe."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle, self._manifest = bundle, bundle.manifest
        self._coders: dict[int, RangeCoder] = {}

    def bits(self, coded: Sequence[Coded]) -> list[float]:
        """Ideal code lengths, bits."""

        def step(codes: list[I32], key: tuple[int, Shape]) -> list[float]:
            rows = self._bundle.priors[key[0]].bits(np.concatenate(codes))
            return [float(bits) for bits in rows.reshape(len(codes), -1).sum(1)]

        return alike([one.codes for one in coded], _keys(coded), step)

    def ideal_bytes(self, coded: Sequence[Coded]) -> list[float]:
        """About how many bytes the records will have, framing included; mostly within one."""
        payloads = [bits / 8 + FLUSH for bits in self.bits(coded)]
        return [
            length + frame_bytes(length, one.size)
            for one, length in zip(coded, payloads, strict=True)
        ]

    def write(self, coded: Sequence[Coded]) -> list[bytes]:
        """Records, without evidence; those of one level and shape are coded together."""
        payloads = alike(
            [one.codes for one in coded],
            _keys(coded),
            lambda codes, key: self._coder(key[0]).encode_all(np.stack(codes)),
        )
        return [
            pack(Record(one.level, one.size, payload), self._bundle.model_id)
            for one, payload in zip(coded, payloads, strict=True)
        ]

    def read(self, data: Sequence[bytes]) -> list[tuple[Coded, list[Region]]]:
        """What each record holds, and its evidence.

        Raises RecordError, which names the record.
        """
        opened = each("record", data, self._open)
        records = [record for record, _ in opened]
        keys = [(record.quality, self._shape(record.size)) for record in records]
        found = alike(
            [record.payload for record in records],
            keys,
            lambda payloads, key: self._coder(key[0]).decode_all(payloads, key[1]),
        )
        codes = each("record", found, self._checked)
        return [
            (Coded(c, record.quality, record.size), regions)
            for c, (record, regions) in zip(codes, opened, strict=True)
        ]

    def _open(self, data: bytes) -> tuple[Record, list[Region]]:
        spec, levels = self._manifest.input, self._manifest.quality_levels
        record = unpack(data, self._bundle.model_id, sized=spec.sized)
        if record.quality >= levels:
            raise RecordError(f"quality level {record.quality}, the model has {levels}")
        self._shape(record.size)
        height, width = record.size or (spec.height or 0, spec.width or 0)
        return record, read_evidence(record.evidence, (height, width, spec.channels))

    def _checked(self, codes: I32 | RecordError) -> I32:
        if isinstance(codes, RecordError):
            raise codes
        codebook = self._manifest.latent.codebook
        if codebook is not None and (codes.min() < 0 or codes.max() >= codebook):
            raise RecordError(f"an index outside 0..{codebook - 1}")
        return codes

    def _shape(self, size: tuple[int, int] | None) -> Shape:
        """Shape `[R, D, h, w]` of the latents of an image that a record says to be of this size."""
        spec, grid = self._manifest.input, self._manifest.latent.grid
        dims = self._manifest.latent.dims
        if grid is not None:
            down, across = tile_grid(size, spec) if size else (1, 1)
            if down * across > MAX_TILES:
                raise RecordError(f"{down * across} tiles, at most {MAX_TILES} are decoded")
            return (down * across, dims, *grid)
        height, width = size or (spec.stride, spec.stride)
        return (1, dims, -(-height // spec.stride), -(-width // spec.stride))

    def _coder(self, level: int) -> RangeCoder:
        coder = self._coders.get(level)
        if coder is None:
            coder = self._coders[level] = RangeCoder(self._bundle.priors[level])
        return coder


def _keys(coded: Sequence[Coded]) -> list[tuple[int, Shape]]:
    return [(one.level, one.codes.shape) for one in coded]
