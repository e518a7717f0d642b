"""What the bytes of a file say before its decoder sees them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """An image file for its decoder.

    `pixels` is the file without metadata: EXIF, XMP, profiles, texts, thumbnails and further pages
    then neither fail a decoder, nor make it print warnings, nor cost memory. `orientation` is 1..8
    as in EXIF. `deep` says which channels it has if not 8-bit ones. `size` is (width, height) where
    it must be checked before the file is opened.
    """

    format: str
    pixels: bytes
    orientation: int = 1
    deep: str = ""
    size: tuple[int, int] | None = None


def beyond_8_bits(bits: int, kind: str = "") -> str:
    """Channels that are not unsigned integers of at most 8 bits, in words; empty for such."""
    if kind:
        return f"{bits}-bit {kind} channels"
    return f"{bits} bits a channel" if bits > 8 else ""
