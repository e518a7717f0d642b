"""The curves of a set as one picture, a panel for each accounting."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from rate_distortion import curves
from rate_distortion.accounts import singles
from rate_distortion.curves import Field
from rate_distortion.measurement import Curve

COLOURS = {
    "JPEG": "#a0522d",
    "WebP": "#38a169",
    "AVIF": "#2b6cb0",
    "AVIF 4:2:0": "#2b6cb0",
    "AVIF 4:4:4": "#63b3ed",
    "JPEG XL": "#805ad5",
    "PCA": "#718096",
}
OURS = ("#c53030", "#dd6b20", "#d53f8c", "#975a16")


def draw(
    all_curves: Sequence[Curve], split: int, target: float, pixels: int, *, per_pixel: bool
) -> bytes:
    """A PNG: PSNR over rate in A, B and C, and in D the bytes at one PSNR over the images."""
    figure = Figure(figsize=(12, 9), layout="constrained")
    (a, b), (c, d) = figure.subplots(2, 2)
    single = singles(all_curves, split)
    colours = _colours(all_curves)
    scale = 8 / pixels if per_pixel else 1.0
    together = [curve for curve in all_curves if curve.layout == split]
    panels = (
        (a, "A  single file as written", single, curves.stored),
        (b, "B  payload only", single, curves.payload),
        (c, f"C  {split} images in one file", together, curves.stored),
    )
    for axes, title, shown, rate in panels:
        axes.set_title(title)
        for curve in shown:
            _line(axes, curve, rate, scale, colours)
        axes.set(xscale="log", ylabel="PSNR of the mean squared error, dB")
        axes.set_xlabel("bits per pixel" if per_pixel else "bytes per image")
        _finish(axes)
    _amortisation(d, all_curves, target, colours, split)
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=90)
    return out.getvalue()


def _colours(all_curves: Sequence[Curve]) -> dict[str, str]:
    own = dict.fromkeys(c.codec for c in all_curves if c.codec not in COLOURS)
    return COLOURS | {name: OURS[i % len(OURS)] for i, name in enumerate(own)}


def _line(axes: Axes, curve: Curve, rate: Field, scale: float, colours: dict[str, str]) -> None:
    x = [rate(point) * scale for point in curve.points]
    own = curve.codec not in COLOURS
    axes.plot(
        x,
        [point.psnr for point in curve.points],
        "o-" if own else ".-",
        color=colours[curve.codec],
        linewidth=2.2 if own else 1.2,
        markersize=4,
        label=curve.codec,
    )


def _amortisation(
    axes: Axes,
    all_curves: Sequence[Curve],
    target: float,
    colours: dict[str, str],
    split: int,
) -> None:
    """Bytes per image at the target over the number of images, the model counted."""
    axes.set_title(f"D  at {target:g} dB, model counted (dashed: N images in one file)")
    counts = np.logspace(0, 7, 71)
    for curve in singles(all_curves, split):
        cost = curves.bytes_reaching(curve, target)
        if cost is None:
            continue
        model = curves.nearest(curve, target).model
        axes.plot(counts, cost + model / counts, color=colours[curve.codec], label=curve.codec)
    for codec in dict.fromkeys(curve.codec for curve in all_curves):
        found = sorted(
            (curve.layout, cost, curves.nearest(curve, target).model)
            for curve in all_curves
            if curve.codec == codec
            and curve.layout
            and (cost := curves.bytes_reaching(curve, target)) is not None
        )
        if found:
            layouts, costs, models = (np.array(column) for column in zip(*found, strict=True))
            axes.plot(layouts, costs + models / layouts, ".--", color=colours[codec])
    axes.set(xscale="log", yscale="log", xlabel="images", ylabel="bytes per image")
    low = axes.get_ylim()[0]
    axes.set_ylim(low, 1e3 * low)
    _finish(axes)


def _finish(axes: Axes) -> None:
    axes.grid(alpha=0.3, which="both")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
