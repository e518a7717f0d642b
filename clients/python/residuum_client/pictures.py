"""Image files that the commands write."""

import io

from PIL import Image

from residuum_client.arrays import U8, U16


def to_png(image: U8 | U16) -> bytes:
    """uint8 `[H, W, 1 or 3]`, or uint16 `[H, W, 1]`, as a PNG file."""
    out = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(out, "PNG")
    return out.getvalue()
