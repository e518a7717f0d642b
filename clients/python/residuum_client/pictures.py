"""Image files, as the commands read and write them."""

import io

import numpy as np
from PIL import Image, ImageOps

from residuum_client.arrays import U8
from residuum_client.errors import InvalidInput


def read_rgb(data: bytes) -> U8:
    """An image file as uint8 `[H, W, 3]`: upright, with transparency over white.

    Raises InvalidInput.
    """
    try:
        with Image.open(io.BytesIO(data)) as file:
            upright = ImageOps.exif_transpose(file).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InvalidInput(f"cannot read the image: {error}") from error
    white = Image.new("RGBA", upright.size, "white")
    return np.asarray(Image.alpha_composite(white, upright).convert("RGB"))


def to_png(image: U8) -> bytes:
    """uint8 `[H, W, 1 or 3]` as a PNG file."""
    out = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(out, "PNG")
    return out.getvalue()
