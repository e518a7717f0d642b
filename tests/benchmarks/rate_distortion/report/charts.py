"""The curves of a set as one picture, a panel for each accounting."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from codec.arrays import F64
from rate_distortion import curves
from rate_distortion.accounts import ACCOUNTS, counted
from rate_distortion.measurement import Curve
from rate_distortion.sets import Spec

COLOURS = {
    "JPEG": "#9c6644",
    "WebP": "#2f855a",
    "AVIF": "#2b6cb0",
    "AVIF 4:2:0": "#63a4dd",
    "AVIF 4:4:4": "#2b6cb0",
    "JPEG XL": "#805ad5",
    "PCA": "#4a5568",
}
OURS = ("#c53030", "#dd6b20", "#d53f8c", "#b7791f")
BELOW, ABOVE, HEADROOM = 2.5, 0.8, 0.16
# Size of labels in points, width of a letter as a share of a panel's width.
LABEL_SIZE, LETTER = 9.5, 0.013
GAP = 0.042
COUNTS = np.logspace(2, 7, 101)


@dataclass(frozen=True, slots=True)
class Label:
    """Where a line leaves its panel, in shares of the panel, and what it is."""

    x: float
    y: float
    text: str
    colour: str
    bold: bool


def draw(measured: Sequence[Curve], spec: Spec, pixels: int, count: int) -> bytes:
    """A PNG: PSNR over rate in A, B and C, and in D bytes at one PSNR over the number of images."""
    figure = Figure(figsize=(13, 9.6), layout="constrained")
    panels = figure.subplots(2, 2).flatten().tolist()
    colours = _colours(measured)
    scale = 8 / pixels if spec.photographs else 1.0
    unit = "bits per pixel" if spec.photographs else "bytes per image"
    low, high = spec.targets[0] - BELOW, spec.targets[-1] + ABOVE
    for axes, account in zip(panels, ACCOUNTS[:3], strict=False):
        meaning = f"all {count:,} images in one file" if account.name == "C" else account.meaning
        axes.set_title(f"{account.name}   {meaning}", loc="left", fontweight="bold")
        _rates(axes, counted(measured, account), colours, scale, (low, high))
        axes.set_xlabel(unit)
        axes.set_ylabel("PSNR, dB")
        for target in spec.targets:
            axes.axhline(target, color="#a0aec0", linewidth=0.7, linestyle=(0, (2, 3)), zorder=0)
    target = spec.targets[len(spec.targets) // 2]
    panels[3].set_title(
        f"D   all images in one file and the model, at {target:g} dB",
        loc="left",
        fontweight="bold",
    )
    _amortisation(panels[3], counted(measured, ACCOUNTS[2]), target, colours, scale)
    panels[3].set_ylabel(unit)
    figure.suptitle(spec.title, x=0.01, ha="left", fontsize=15, fontweight="bold")
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=100)
    return out.getvalue()


def _colours(measured: Sequence[Curve]) -> dict[str, str]:
    own = dict.fromkeys(c.codec for c in measured if c.codec not in COLOURS)
    return COLOURS | {name: OURS[i % len(OURS)] for i, name in enumerate(own)}


def _rates(
    axes: Axes,
    found: Sequence[Curve],
    colours: dict[str, str],
    scale: float,
    span: tuple[float, float],
) -> None:
    """PSNR over rate; each line is labelled where it leaves the panel at its top, or ends."""
    low, high = span
    ends: list[tuple[float, float, Curve]] = []
    shown: list[float] = []
    for curve in found:
        x, y = _below_top(curve, scale, high)
        own = curve.kind in ("ours", "many")
        axes.plot(
            x,
            y,
            marker="o",
            markevery=[i for i, value in enumerate(y) if value != high],
            color=colours[curve.codec],
            linewidth=2.4 if own else 1.5,
            linestyle="--" if curve.kind == "many" else "-",
            markersize=4 if own else 3,
            zorder=3 if own else 2,
        )
        if (inside := y >= low).any():
            ends.append((float(x[-1]), float(y[-1]), curve))
            shown += x[inside].tolist()
    top = high + HEADROOM * (high - low)
    axes.set(xscale="log", ylim=(low, top))
    if shown:
        axes.set_xlim(0.85 * min(shown), 1.35 * max(shown))
    _finish(axes)
    _label_tops(axes, [_label(axes, x, y, curve, colours) for x, y, curve in ends])


def _below_top(curve: Curve, scale: float, high: float) -> tuple[F64, F64]:
    """Rates and PSNRs of the points up to `high`, and of where the line leaves there."""
    x = np.log([point.stored * scale for point in curve.points])
    y = np.array([point.psnr for point in curve.points])
    above = np.flatnonzero(y > high)
    if len(above):
        last = int(above[0])
        end = np.interp(high, y[: last + 1], x[: last + 1])
        x, y = np.append(x[:last], end), np.append(y[:last], high)
    return np.exp(x), y


def _label(axes: Axes, x: float, y: float, curve: Curve, colours: dict[str, str]) -> Label:
    at = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))
    own = curve.kind == "ours"
    return Label(float(at[0]), float(at[1]), curve.codec, colours[curve.codec], own)


def _label_tops(axes: Axes, labels: Sequence[Label]) -> None:
    """Labels above the ends of their lines, each in the lowest free row."""
    taken: list[tuple[float, float]] = []
    for label in sorted(labels, key=lambda one: one.x):
        half = LETTER * len(label.text) / 2
        x = min(max(label.x, half), 1 - half)
        y = label.y + 0.02
        while any(abs(y - b) < GAP and x - half < right for right, b in taken):
            y += 0.01
        taken.append((x + half, y))
        _write(axes, x, y, label, "center")


def _write(axes: Axes, x: float, y: float, label: Label, side: str) -> None:
    axes.text(
        x,
        y,
        label.text,
        transform=axes.transAxes,
        color=label.colour,
        fontsize=LABEL_SIZE,
        fontweight="bold" if label.bold else "normal",
        ha=side,
        va="bottom" if side == "center" else "center",
        clip_on=False,
        zorder=5,
        path_effects=[withStroke(linewidth=3, foreground="white")],
    )


def _amortisation(
    axes: Axes, found: Sequence[Curve], target: float, colours: dict[str, str], scale: float
) -> None:
    """Rate at the target over the number of images, the model counted; labels at the right."""
    ends: list[tuple[float, Curve]] = []
    for curve in found:
        cost = curves.bytes_reaching(curve, target)
        if cost is None or curve.kind == "many":
            continue
        model = curves.nearest(curve, target).model
        rates = scale * (cost + model / COUNTS)
        width = 2.4 if curve.kind == "ours" else 1.5
        axes.plot(COUNTS, rates, color=colours[curve.codec], linewidth=width)
        ends.append((float(rates[-1]), curve))
    axes.set(xscale="log", yscale="log", xlabel="images", xlim=(COUNTS[0], 12 * COUNTS[-1]))
    if ends:
        lowest = min(rate for rate, _ in ends)
        axes.set_ylim(0.7 * lowest, 60 * lowest)
    _finish(axes)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(_number))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xticks([10.0**power for power in range(2, 8)])
    labels = [_label(axes, COUNTS[-1], rate, curve, colours) for rate, curve in ends]
    labels.sort(key=lambda one: one.y)
    for label, y in zip(labels, _apart([label.y for label in labels]), strict=True):
        _write(axes, label.x + 0.01, y, label, "left")


def _apart(places: Sequence[float]) -> list[float]:
    """Ascending places moved as little as leaves a GAP between any two."""
    moved = list(places)
    for _ in range(100):
        for i in range(1, len(moved)):
            if (lack := GAP - moved[i] + moved[i - 1]) > 0:
                moved[i - 1 : i + 1] = [moved[i - 1] - lack / 2, moved[i] + lack / 2]
    return moved


def _finish(axes: Axes) -> None:
    axes.grid(alpha=0.25, which="major")
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(_number))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.minorticks_off()


def _number(value: float, _: object) -> str:
    return f"{value:g}"
