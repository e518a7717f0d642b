"""The pictures of a report, as PNG files: curves, histograms and sheets of images."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from codec.images import U8

NORMAL, DEFECT = "#2b6cb0", "#c53030"
GAP = 4
MIN_SIDE, MAX_SIDE = 96, 256
"""of a drawn image, pixels"""


def rate_curve(bits_per_pixel: Sequence[float], psnr: Sequence[float], default: int) -> bytes:
    """PSNR in dB over bits per pixel, one point per quality level, the default one marked."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(bits_per_pixel, psnr, "o-", color=NORMAL, markersize=4)
    axes.plot(bits_per_pixel[default], psnr[default], "o", color=DEFECT, label="default quality")
    axes.set(xscale="log", xlabel="bits per pixel", ylabel="PSNR, dB")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    return _png(figure)


def score_histogram(
    scores: NDArray[np.float64], defect: NDArray[np.bool_], threshold: float
) -> bytes:
    """How the fused score of `[N]` images is distributed, normal and defect apart."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    low, high = np.quantile(scores, [0.0, 0.995])
    edges = np.linspace(low, max(high, threshold, low + 1e-9), 41).tolist()
    for kind, name, colour in ((~defect, "normal", NORMAL), (defect, "defect", DEFECT)):
        if kind.any():
            inside = np.clip(scores[kind], edges[0], edges[-1])
            axes.hist(inside, edges, alpha=0.6, color=colour, label=f"{name} ({kind.sum()})")
    axes.axvline(threshold, color="black", linestyle="--", label="flagged to the right of this")
    axes.set(xlabel="fused score (values beyond the right edge are in the last bar)")
    axes.set(ylabel="images")
    axes.legend()
    return _png(figure)


def sheet(rows: Sequence[Sequence[U8]]) -> bytes:
    """Images `[H, W, C]` in rows of equal length; small ones are enlarged, large ones reduced."""
    sizes = [_drawn_size(image) for image in rows[0]]
    height = max(size[1] for size in sizes)
    canvas = Image.new("RGB", (sum(w + GAP for w, _ in sizes), len(rows) * (height + GAP)), "white")
    for index, row in enumerate(rows):
        left = 0
        for image, size in zip(row, sizes, strict=True):
            canvas.paste(_drawn(image, size), (left, index * (height + GAP)))
            left += size[0] + GAP
    out = io.BytesIO()
    canvas.save(out, "PNG", optimize=True)
    return out.getvalue()


def _drawn_size(image: U8) -> tuple[int, int]:
    """Width and height on the sheet."""
    height, width = image.shape[:2]
    scale: float = -(-MIN_SIDE // max(height, width))  # whole numbers keep pixels square
    scale = min(scale, MAX_SIDE / max(height, width))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _drawn(image: U8, size: tuple[int, int]) -> Image.Image:
    rgb = np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))
    larger = size[0] >= image.shape[1]
    how = Image.Resampling.NEAREST if larger else Image.Resampling.LANCZOS
    return Image.fromarray(rgb).resize(size, how)


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=120)
    return out.getvalue()
