"""Image files, as the commands read and write them."""

import io

from PIL import Image

from residuum_client.arrays import U8
from residuum_client.image_reader import read_image


def read_rgb(data: bytes) -> U8:
    """An image file as uint8 `[H, W, 3]`. Raises InvalidInput."""
    return read_image(data, 3)


def to_png(image: U8) -> bytes:
    """uint8 `[H, W, 1 or 3]` as a PNG file."""
    out = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(out, "PNG")
    return out.getvalue()
