"""Images: files to arrays and back, the input of a model, boxes, heat maps and metrics."""

from codec.images.boxes import Box
from codec.images.comparison import draw_heatmap, psnr, squared_error
from codec.images.files import PreparedImage, prepare, read_image, restore_geometry, write_png
from codec.images.input_spec import InputSpec

__all__ = [
    "Box",
    "InputSpec",
    "PreparedImage",
    "draw_heatmap",
    "prepare",
    "psnr",
    "read_image",
    "restore_geometry",
    "squared_error",
    "write_png",
]
