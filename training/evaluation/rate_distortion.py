"""What a bundle makes of images: sizes, distortion, speed, and exactness of its records."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from codec.bundle.bundle import Bundle
from codec.bundle.manifest import InputSpec, Manifest
from codec.entropy.range_coder import Coder, RangeCoder, Shape
from codec.errors import RecordError
from codec.images.files import U8, fit, tile_grid
from codec.pipeline import Model
from codec.record.frame import Record, unpack
from codec.reference.range_coder import ReferenceCoder
from training.metrics import images as metrics
from training.metrics.latents import psnr

Advance = Callable[[int, int], None]
"""told now and then: how much is done, of how much"""
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
    """to raw 8-bit pixels"""
    bits_per_pixel: float
    psnr: float
    """dB, of the mean squared error over all images"""
    ssim: float | None
    encode_images_per_second: float
    decode_images_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exactness:
    """Records that were also decoded by the reference coder in plain integers."""

    records: int
    differences: int
    """records whose codes were not the same; 0 is the only right number"""


def compression(
    model: Model, images: Sequence[U8], quality: int, advance: Advance, *, similarity: bool = True
) -> tuple[Compression, list[bytes]]:
    """Facts at a quality level, and the records. Raises InvalidInput for an image."""
    spec, records, errors, similar = model.manifest.input, list[bytes](), list[float](), []
    pixels = values = 0
    encoding = decoding = 0.0
    for chunk in chunks(images):
        start = time.perf_counter()
        made = model.compress(chunk, quality)
        middle = time.perf_counter()
        restored = model.decompress(made)
        encoding, decoding = encoding + middle - start, decoding + time.perf_counter() - middle
        for image, back in zip(chunk, restored, strict=True):
            seen = as_seen(image, spec)
            errors.append(metrics.squared_error(seen, back) * seen.size)
            pixels, values = pixels + seen[..., 0].size, values + seen.size
            if similarity:
                similar.append(metrics.ssim(seen, back))
        records += made
        advance(len(records), len(images))
    sizes = np.array([len(record) for record in records])
    facts = Compression(
        quality=quality,
        images=len(records),
        bytes_mean=float(sizes.mean()),
        bytes_median=float(np.median(sizes)),
        bytes_max=int(sizes.max()),
        ratio=values / float(sizes.sum()),
        bits_per_pixel=8 * float(sizes.sum()) / pixels,
        psnr=psnr(sum(errors) / values),
        ssim=float(np.mean(similar)) if similar else None,
        encode_images_per_second=len(records) / encoding,
        decode_images_per_second=len(records) / decoding,
    )
    return facts, records


def levels(model: Model, images: Sequence[U8], advance: Advance) -> list[Compression]:
    """Rate and distortion at every quality level, coarsest first."""
    count, table = model.manifest.quality_levels, []
    for level in range(count):
        facts, _ = compression(model, images, level, _silent, similarity=False)
        table.append(facts)
        advance(level + 1, count)
    return table


def exactness(bundle: Bundle, records: Sequence[bytes], advance: Advance) -> Exactness:
    """Decodes records with the reference coder and with the fast one."""
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
            found = slow[record.quality].decode(record.payload, shape)
            differences += not np.array_equal(found, expected)
        except RecordError:
            differences += 1
        advance(done, len(records))
    return Exactness(records=len(records), differences=differences)


def _record(data: bytes, bundle: Bundle) -> Record:
    return unpack(data, bundle.model_id, sized=bundle.manifest.input.sized)


def symbols(data: bytes, bundle: Bundle) -> int:
    """How many codes a record holds."""
    return math.prod(latent_shape(_record(data, bundle).size, bundle.manifest))


def latent_shape(size: tuple[int, int] | None, manifest: Manifest) -> Shape:
    """Shape `[R, D, h, w]` of the codes of an image that a record says to be of this size."""
    spec, grid, dims = manifest.input, manifest.latent.grid, manifest.latent.dims
    if grid is not None:
        down, across = tile_grid(size, spec) if size else (1, 1)
        return (down * across, dims, *grid)
    height, width = size or (spec.stride, spec.stride)
    return (1, dims, -(-height // spec.stride), -(-width // spec.stride))


def as_seen(image: U8, spec: InputSpec) -> U8:
    """The image that the record stands for: of the model's own size where the model resizes."""
    if spec.fit != "resize":
        return image
    return np.ascontiguousarray(fit(image, spec).rows[0].transpose(1, 2, 0))


def chunks(images: Sequence[U8]) -> Iterator[Sequence[U8]]:
    """Runs of neighbouring images of bounded number and size."""
    first = pixels = 0
    for index, image in enumerate(images):
        if index > first and (pixels + image.size > CHUNK_PIXELS or index - first == CHUNK_IMAGES):
            yield images[first:index]
            first, pixels = index, 0
        pixels += image.size
    if first < len(images):
        yield images[first:]


def _silent(_: int, __: int) -> None:
    return
