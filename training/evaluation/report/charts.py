"""The charts of a report as PNG files: curves, histograms and scatter plots."""

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

NORMAL, DEFECT = "#2b6cb0", "#c53030"
COLOURS = ("#38a169", DEFECT, NORMAL)
# The charts over the epochs of a run: {title: {key in the record of an epoch: label of the curve}}.
# Records of index models call the commitment of training images `train_rate`; whether it is a KL
# or a commitment follows from what is held out.
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
FROM_ZERO = ("active_units", "mi", "code_usage", "perplexity", "lr")
COLUMNS, FEW_EPOCHS = 3, 30
LEGEND_CLASSES = 20


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
    """The distribution of the fused score of `[N]` normal and defect images."""
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
    """The records of a run over its epochs, with the best epoch marked.

    `cropped` says that the run trains on crops: their losses get charts without the losses of whole
    held-out images, which have another scale.
    """
    keys = {key for record in history for key in record}
    held_out = {key for key in keys if not key.startswith("train_")}
    charts = {
        title: {key: lines[key] for key in lines if key in keys}
        for title, lines in CURVES.items()
        if lines.keys() & held_out
    }
    if cropped:
        charts = _split_crops(charts)
    rows = max(1, -(-len(charts) // COLUMNS))
    figure = Figure(figsize=(11, 2.7 * rows), layout="constrained")
    grid = figure.subplots(rows, COLUMNS, squeeze=False).flatten()
    for axes in grid[len(charts) :]:
        axes.set_visible(False)
    for axes, (title, lines) in zip(grid, charts.items(), strict=False):
        axes.set_title(title, fontsize=10)
        _draw_curves(axes, history, lines)
        if best is not None:
            axes.axvline(best, color="black", linewidth=0.8, linestyle=":")
    return _png(figure)


def _split_crops(charts: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """The same curves, with those of training crops on separate charts."""
    split: dict[str, dict[str, str]] = {}
    for title, lines in charts.items():
        for key, label in lines.items():
            crop = key.startswith("train_")
            name = title.replace("per image", "per training crop") if crop else title
            split.setdefault(name, {})[key] = label
    return split


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
    """Points `[N, 2]`, coloured by their classes `[N]`."""
    figure = Figure(figsize=(8, 6.5), layout="constrained")
    axes = figure.subplots()
    few = len(names) <= LEGEND_CLASSES
    colours = _class_colours(len(names))
    for number, (name, colour) in enumerate(zip(names, colours, strict=True)):
        of_class = points[classes == number]
        axes.scatter(of_class[:, 0], of_class[:, 1], s=10, color=colour, label=name, alpha=0.8)
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", adjustable="datalim")
    if few:
        figure.legend(loc="outside right upper", markerscale=2, fontsize=9)
    return _png(figure)


def _class_colours(count: int) -> list[tuple[float, float, float, float]]:
    """Colours of classes: distinct ones up to LEGEND_CLASSES, else along a gradient."""
    if count > LEGEND_CLASSES:
        return [colormaps["turbo"](number / count) for number in range(count)]
    few = colormaps["tab10" if count <= 10 else "tab20"]
    return [few(number) for number in range(count)]


def _png(figure: Figure) -> bytes:
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=120)
    return out.getvalue()
