"""What the bytes of a file say before its decoder sees them."""

from dataclasses import dataclass

from ..errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Source:
    """An image file for its decoder.

    `pixels` is the file without metadata: EXIF, XMP, profiles, texts, thumbnails and further pages
    then neither fail a decoder, nor make it print warnings, nor cost memory. `orientation` is 1..8
    as in EXIF. `size` is (width, height) where it must be checked before the file is opened.
    """

    format: str
    pixels: bytes
    orientation: int = 1
    size: tuple[int, int] | None = None


def check_depth(name: str, bits: int, kind: str = "") -> None:
    """Raises InvalidInput for channels of more than 8 bits, or of a `kind` other than unsigned."""
    if bits > 8 or kind:
        what = f"{bits}-bit {kind} channels" if kind else f"{bits} bits a channel"
        raise InvalidInput(f"the {name} image has {what}; only 8-bit images are read")
