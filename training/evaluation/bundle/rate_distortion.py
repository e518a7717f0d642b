"""Size, distortion, speed and exactness of a bundle's records."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from codec import Codec
from codec.arrays import U8
from codec.bundle.bundle import Bundle
from codec.bundle.manifest import Manifest
from codec.entropy.range_coder import Coder, RangeCoder, Shape
from codec.errors import RecordError
from codec.images.comparison import squared_error
from codec.images.files import prepare, tile_grid
from codec.images.input_spec import InputSpec
from codec.record.frame import Record, unpack
from codec.reference.range_coder import ReferenceCoder
from training.evaluation.report.progress import ProgressCallback
from training.metrics import images as metrics
from training.metrics.latents import psnr

# At most this many values and images are compressed at a time.
CHUNK_PIXELS = 2**21
CHUNK_IMAGES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """All images at one quality level."""

    quality: int
    images: int
    bytes_mean: float
    """per record, framing and checksum included"""
    bytes_median: float
    bytes_max: int
    ratio: float
    """raw 8-bit pixels over stored bytes"""
    bits_per_pixel: float
    psnr: float
    """dB, of the mean squared error over the set"""
    ssim: float | None
    encode_images_per_second: float
    decode_images_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exactness:
    """Records decoded by both the fast coder and the reference coder in plain integers."""

    records: int
    differences: int
    """records whose codes differed; anything but 0 is an error"""


def compression(
    codec: Codec,
    images: Sequence[U8],
    quality: int,
    advance: ProgressCallback,
    *,
    similarity: bool = True,
) -> tuple[Compression, list[bytes]]:
    """Compresses and restores all images at a quality level: (measured, the records).

    SSIM is measured only with `similarity`. Raises InvalidInput for an image.
    """
    trip = _round_trip(codec, images, quality, advance)
    targets = [target_image(image, codec.manifest.input) for image in images]
    pairs = list(zip(targets, trip.restored, strict=True))
    sizes = np.array([len(record) for record in trip.records])
    values = sum(target.size for target in targets)
    facts = Compression(
        quality=quality,
        images=len(images),
        bytes_mean=float(sizes.mean()),
        bytes_median=float(np.median(sizes)),
        bytes_max=int(sizes.max()),
        ratio=values / float(sizes.sum()),
        bits_per_pixel=8 * float(sizes.sum()) / sum(target[..., 0].size for target in targets),
        psnr=psnr(sum(squared_error(a, b) * a.size for a, b in pairs) / values),
        ssim=float(np.mean([metrics.ssim(a, b) for a, b in pairs])) if similarity else None,
        encode_images_per_second=len(images) / trip.encode_seconds,
        decode_images_per_second=len(images) / trip.decode_seconds,
    )
    return facts, trip.records


class RoundTrip(NamedTuple):
    """Images compressed and restored."""

    records: list[bytes]
    restored: list[U8]
    encode_seconds: float
    decode_seconds: float


def _round_trip(
    codec: Codec, images: Sequence[U8], quality: int, advance: ProgressCallback
) -> RoundTrip:
    records: list[bytes] = []
    restored: list[U8] = []
    encode_seconds = decode_seconds = 0.0
    for chunk in chunks(images):
        start = time.perf_counter()
        encoded = codec.compress(chunk, quality)
        middle = time.perf_counter()
        restored += codec.decompress(encoded)
        decode_seconds += time.perf_counter() - middle
        encode_seconds += middle - start
        records += encoded
        advance(len(records), len(images))
    return RoundTrip(records, restored, encode_seconds, decode_seconds)


def levels(codec: Codec, images: Sequence[U8], advance: ProgressCallback) -> list[Compression]:
    """Rate and distortion at every quality level, coarsest first, without SSIM."""
    count, table = codec.manifest.quality_levels, []
    for level in range(count):
        facts, _ = compression(codec, images, level, _no_progress, similarity=False)
        table.append(facts)
        advance(level + 1, count)
    return table


def exactness(bundle: Bundle, records: Sequence[bytes], advance: ProgressCallback) -> Exactness:
    """Decodes every record with the fast coder and with the reference coder, and compares."""
    fast: dict[int, Coder] = {}
    slow: dict[int, Coder] = {}
    differences = 0
    for done, data in enumerate(records, 1):
        record = _record(data, bundle)
        if record.quality not in fast:
            prior = bundle.priors[record.quality]
            fast[record.quality], slow[record.quality] = RangeCoder(prior), ReferenceCoder(prior)
        shape = latent_shape(record.size, bundle.manifest)
        expected = fast[record.quality].decode(record.payload, shape)
        try:
            codes = slow[record.quality].decode(record.payload, shape)
            differences += not np.array_equal(codes, expected)
        except RecordError:
            differences += 1
        advance(done, len(records))
    return Exactness(records=len(records), differences=differences)


def _record(data: bytes, bundle: Bundle) -> Record:
    return unpack(data, bundle.model_id, sized=bundle.manifest.input.sized)


def symbols(data: bytes, bundle: Bundle) -> int:
    """Number of codes in a record."""
    return math.prod(latent_shape(_record(data, bundle).size, bundle.manifest))


def latent_shape(size: tuple[int, int] | None, manifest: Manifest) -> Shape:
    """Shape `[T, D, h, w]` of an image's codes, T tiles, from the image size in its record."""
    spec, grid, dims = manifest.input, manifest.latent.grid, manifest.latent.dims
    if grid is not None:
        down, across = tile_grid(size, spec) if size else (1, 1)
        return (down * across, dims, *grid)
    height, width = size or (spec.stride, spec.stride)
    return (1, dims, -(-height // spec.stride), -(-width // spec.stride))


def target_image(image: U8, spec: InputSpec) -> U8:
    """The image that a record restores: resized if the model resizes its input."""
    return prepare(image, spec).target if spec.fit == "resize" else image


def chunks(images: Sequence[U8]) -> Iterator[Sequence[U8]]:
    """Consecutive images in chunks of at most CHUNK_IMAGES images and CHUNK_PIXELS values."""
    first = pixels = 0
    for index, image in enumerate(images):
        if index > first and (pixels + image.size > CHUNK_PIXELS or index - first == CHUNK_IMAGES):
            yield images[first:index]
            first, pixels = index, 0
        pixels += image.size
    if first < len(images):
        yield images[first:]


def _no_progress(_: int, __: int) -> None:
    return
