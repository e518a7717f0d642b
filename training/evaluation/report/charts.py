"""The pictures of a report, as PNG files: curves, histograms and sheets of images."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from codec.images.files import U8

NORMAL, DEFECT = "#2b6cb0", "#c53030"
COLOURS = ("#38a169", DEFECT, NORMAL)
CURVES: Mapping[str, Mapping[str, str]] = {
    "loss, nats per image": {"train_loss": "training", "loss": "held out"},
    "Rec, squared error per image": {"rec": "sample", "rec_mean": "posterior mean"},
    "PSNR of held-out images, dB": {"psnr": "held out"},
    "KL, nats per image": {"train_rate": "training", "rate": "held out"},
    "commitment, nats per image": {"train_rate": "training", "commitment": "held out"},
    "latents": {"active_units": "active", "collapsed_units": "collapsed"},
    "mutual information, nats": {"mi": "held out", "mi_cap": "largest possible"},
    "part of the codebook in use": {"code_usage": "held out"},
    "perplexity of the codes": {
        "perplexity": "all",
        "perplexity_top": "top",
        "perplexity_bottom": "bottom",
    },
    "learning rate": {"lr": "last step"},
}
"""what is drawn over the epochs: axes and their curves, by their key in a record

The records of index models call the commitment of training images `train_rate`; what is held out
tells which of the two it is.
"""
FROM_ZERO = ("active_units", "mi", "code_usage", "perplexity", "lr")
COLUMNS, FEW_EPOCHS = 3, 30
LEGEND_CLASSES = 20
GAP, BETWEEN = 4, "#cbd5e0"
"""between drawn images: pixels, and a colour that neither black nor white images share"""
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


def training_curves(
    history: Sequence[Mapping[str, Any]], best: int | None, *, cropped: bool = False
) -> bytes:
    """What the records of a run say over its epochs; the best epoch is marked.

    `cropped`: losses of training crops cannot be compared with those of whole held-out images.
    """
    keys = {key for record in history for key in record}
    held_out = {key for key in keys if not key.startswith("train_")}
    known = {
        title: {key: lines[key] for key in lines if key in keys}
        for title, lines in CURVES.items()
        if lines.keys() & held_out
    }
    shown = list((_apart(known) if cropped else known).items())
    rows = max(1, -(-len(shown) // COLUMNS))
    figure = Figure(figsize=(11, 2.7 * rows), layout="constrained")
    grid = figure.subplots(rows, COLUMNS, squeeze=False).flatten()
    for axes in grid[len(shown) :]:
        axes.set_visible(False)
    for axes, (title, lines) in zip(grid, shown, strict=False):
        axes.set_title(title, fontsize=10)
        _draw_curves(axes, history, lines)
        if best is not None:
            axes.axvline(best, color="black", linewidth=0.8, linestyle=":")
    return _png(figure)


def _apart(curves: Mapping[str, Mapping[str, str]]) -> Mapping[str, Mapping[str, str]]:
    """The same curves with those of training crops on axes of their own."""
    parted: dict[str, dict[str, str]] = {}
    for title, lines in curves.items():
        for key, label in lines.items():
            crop = key.startswith("train_")
            name = title.replace("per image", "per training crop") if crop else title
            parted.setdefault(name, {})[key] = label
    return parted


def _draw_curves(
    axes: Axes, history: Sequence[Mapping[str, Any]], lines: Mapping[str, str]
) -> None:
    epochs = [record.get("epoch", i) for i, record in enumerate(history, start=1)]
    marker = "o" if len(history) < FEW_EPOCHS else ""
    for (key, label), colour in zip(lines.items(), COLOURS[-len(lines) :], strict=True):
        values = np.array([record.get(key, np.nan) for record in history], np.float64)
        values[~np.isfinite(values)] = np.nan
        axes.plot(epochs, values, color=colour, label=label, marker=marker, markersize=3)
    if not lines.keys().isdisjoint(FROM_ZERO):
        axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)


def scatter(points: NDArray[np.float64], classes: NDArray[np.int64], names: Sequence[str]) -> bytes:
    """Points `[N, 2]` in a colour for each of the classes `[N]`."""
    figure = Figure(figsize=(8, 6.5), layout="constrained")
    axes = figure.subplots()
    few = len(names) <= LEGEND_CLASSES
    colours = colormaps["tab10" if len(names) <= 10 else "tab20" if few else "turbo"]
    for number, name in enumerate(names):
        of_class = points[classes == number]
        colour = colours(number if few else number / len(names))
        axes.scatter(of_class[:, 0], of_class[:, 1], s=10, color=colour, label=name, alpha=0.8)
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    if few:
        figure.legend(loc="outside right upper", markerscale=2, fontsize=9)
    return _png(figure)


def sheet(rows: Sequence[Sequence[U8]]) -> bytes:
    """Images `[H, W, C]` in rows of equal length; small ones are enlarged, large ones reduced."""
    sizes = [_drawn_size(image) for image in rows[0]]
    height = max(size[1] for size in sizes)
    whole = sum(w + GAP for w, _ in sizes) + GAP, len(rows) * (height + GAP) + GAP
    canvas = Image.new("RGB", whole, BETWEEN)
    for index, row in enumerate(rows):
        left = GAP
        for image, size in zip(row, sizes, strict=True):
            canvas.paste(_drawn(image, size), (left, GAP + index * (height + GAP)))
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
