"""Images: the input of a model, PNG files, boxes, heat maps and metrics."""

from codec.images.boxes import Box
from codec.images.comparison import draw_heatmap, psnr, squared_error
from codec.images.files import PreparedImage, prepare, restore_geometry, write_png
from codec.images.input_spec import InputSpec

__all__ = [
    "Box",
    "InputSpec",
    "PreparedImage",
    "draw_heatmap",
    "prepare",
    "psnr",
    "restore_geometry",
    "squared_error",
    "write_png",
]
