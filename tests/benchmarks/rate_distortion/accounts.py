"""The four accountings of a set, as tables of plain values."""

from collections.abc import Sequence
from dataclasses import dataclass

from rate_distortion import curves
from rate_distortion.curves import Difference
from rate_distortion.measurement import SINGLE, Curve

PCA = "PCA"
COUNTS = (1_000, 10_000, 100_000, 1_000_000)
PHOTOGRAPH_RATES = (0.1, 0.5)
"""bits per pixel between which codecs for photographs are compared"""


@dataclass(frozen=True, slots=True)
class AtPsnr:
    """Bytes per image of one codec at a PSNR: interpolated, and the nearest measured point.

    `single` and `payload` are of single files, `shared` by the number of images in a file;
    `over` marks codecs whose lowest quality is above the target: their bytes are those of it.
    """

    target: float
    codec: str
    single: float | None
    payload: float | None
    shared: dict[int, float | None]
    over: bool
    nearest_setting: str
    nearest_bytes: float
    nearest_psnr: float
    nearest_mean_psnr: float


@dataclass(frozen=True, slots=True)
class Amortised:
    """A learnt codec with its model among N images, against the best classical one.

    `break_even` is the number of images from which it stores fewer bytes in all; None is never.
    """

    target: float
    codec: str
    layout: str
    model: int
    own: float
    rival: str
    rival_bytes: float
    break_even: float | None
    with_model: dict[int, float]


@dataclass(frozen=True, slots=True)
class Compared:
    """Bjontegaard differences of a codec against an anchor in one accounting."""

    account: str
    codec: str
    anchor: str
    by_psnr: Difference | None
    by_mean_psnr: Difference | None


def is_learnt(curve: Curve) -> bool:
    """Whether a decoder needs a model."""
    return any(point.model for point in curve.points)


def at_targets(all_curves: Sequence[Curve], targets: Sequence[float], split: int) -> list[AtPsnr]:
    """A row for each target and codec. Learnt codecs are told on the whole split."""
    rows = []
    for target in targets:
        for single in singles(all_curves, split):
            files = [c for c in all_curves if c.codec == single.codec and c.layout]
            near = curves.nearest(single, target)
            rows.append(
                AtPsnr(
                    target=target,
                    codec=single.codec,
                    single=curves.bytes_reaching(single, target),
                    payload=curves.bytes_reaching(single, target, curves.payload),
                    shared={c.layout: curves.bytes_reaching(c, target) for c in files},
                    over=target < single.points[0].psnr,
                    nearest_setting=near.setting,
                    nearest_bytes=near.stored,
                    nearest_psnr=near.psnr,
                    nearest_mean_psnr=near.mean_psnr,
                )
            )
    return rows


def singles(all_curves: Sequence[Curve], split: int) -> list[Curve]:
    """The single-file curve of each codec, that of the whole split where there is one."""
    found: dict[str, Curve] = {}
    for curve in all_curves:
        if curve.layout == SINGLE and (curve.codec not in found or curve.images == split):
            found[curve.codec] = curve
    return list(found.values())


def amortised(all_curves: Sequence[Curve], targets: Sequence[float], split: int) -> list[Amortised]:
    """Single files against single files, and all images in one file against the same."""
    rows = []
    for layout, name in ((SINGLE, "single files"), (split, f"{split} in a file")):
        chosen = singles(all_curves, split) if layout == SINGLE else _of_layout(all_curves, layout)
        rivals = [curve for curve in chosen if not is_learnt(curve)]
        for curve in filter(is_learnt, chosen):
            for target in targets:
                own = curves.bytes_at(curve, target)
                reached = {r.codec: curves.bytes_reaching(r, target) for r in rivals}
                costs = {codec: cost for codec, cost in reached.items() if cost is not None}
                if own is not None and costs:
                    rows.append(_amortised(curve, target, own, costs, name))
    return rows


def _amortised(
    curve: Curve, target: float, own: float, costs: dict[str, float], layout: str
) -> Amortised:
    model = curves.nearest(curve, target).model
    rival = min(costs, key=lambda codec: costs[codec])
    saved = costs[rival] - own
    return Amortised(
        target=target,
        codec=curve.codec,
        layout=layout,
        model=model,
        own=own,
        rival=rival,
        rival_bytes=costs[rival],
        break_even=model / saved if saved > 0 else None,
        with_model={count: own + model / count for count in COUNTS},
    )


def _rank(curve: Curve) -> int:
    """Of a pair, the lower one is the anchor: classical, PCA, ours."""
    return is_learnt(curve) + (is_learnt(curve) and curve.codec != PCA)


def _of_layout(all_curves: Sequence[Curve], layout: int) -> list[Curve]:
    return [curve for curve in all_curves if curve.layout == layout]


def compared(all_curves: Sequence[Curve], pixels: int, *, photographs: bool) -> list[Compared]:
    """Learnt codecs against every other one, on the same images, in every accounting.

    Photographs are compared between PHOTOGRAPH_RATES only.
    """
    rows = []
    for test in filter(is_learnt, all_curves):
        same = (test.layout, test.images)
        for anchor in all_curves:
            if (anchor.layout, anchor.images) != same or _rank(anchor) >= _rank(test):
                continue
            accounts = (
                {"A": curves.stored, "B": curves.payload}
                if test.layout == SINGLE
                else {f"C, {test.layout} in a file": curves.stored}
            )
            for account, rate in accounts.items():
                pair = [anchor, test]
                if photographs:
                    low, high = (bpp * pixels / 8 for bpp in PHOTOGRAPH_RATES)
                    pair = [curves.window(curve, low, high, rate) for curve in pair]
                first = curves.difference(pair[0], pair[1], rate)
                second = curves.difference(pair[0], pair[1], rate, curves.mean_psnr)
                rows.append(Compared(account, test.codec, anchor.codec, first, second))
    return rows
