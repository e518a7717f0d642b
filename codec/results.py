"""What the codec returns for an image: encoder outputs, a record, or a restored image."""

from dataclasses import dataclass

from codec.arrays import F32, U8, Array
from codec.images.files import PreparedImage
from codec.record.evidence import Region


@dataclass(frozen=True, slots=True, eq=False)
class EncodedImage:
    """An image and the outputs of the encoder for it, before quantisation.

    `latents [R, D, h, w]` are means, float32, or codebook indices, int32, of its R tiles.
    `log_var_or_distance`, of the same shape, are log-variances or squared distances to the
    codebook.
    """

    image: PreparedImage
    latents: Array
    log_var_or_distance: F32


@dataclass(frozen=True, slots=True)
class Compressed:
    """A record, its quality level, and how many of its bytes are evidence."""

    record: bytes
    quality: int
    evidence_bytes: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """An image `[H, W, C]`; inside the regions, if any, its pixels are those of the original."""

    image: U8
    regions: list[Region]
