"""The accountings of a set, as tables of plain values."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from rate_distortion import curves
from rate_distortion.curves import Difference
from rate_distortion.measurement import Curve, Kind, Layout, Point

# Bits per pixel between which codecs for photographs are compared.
PHOTOGRAPH_RATES = (0.1, 0.5)
# Bits per pixel at which the PSNR of photographs is reported.
REPORTED_RATES = (0.1, 0.25, 0.5)
MODEL_COUNTS = (10_000, 1_000_000)
RANKS: dict[Kind, int] = {"classical": 0, "pca": 1, "many": 2, "ours": 3}


@dataclass(frozen=True, slots=True)
class Account:
    """One way to count bytes: its letter, what it means, of which layout, and bytes of a point."""

    name: str
    meaning: str
    layout: Layout
    rate: Callable[[Point], float]


def _with_model(count: int) -> Callable[[Point], float]:
    return lambda point: point.stored + point.model / count


ACCOUNTS = (
    Account("A", "single file", "single", lambda point: point.stored),
    Account("B", "payload only", "single", lambda point: point.payload),
    Account("C", "many in one file", "together", lambda point: point.stored),
    *(
        Account(f"D {name}", f"C and the model, {count:,} images", "together", _with_model(count))
        for count, name in zip(MODEL_COUNTS, ("10k", "1M"), strict=True)
    ),
)


def counted(measured: Sequence[Curve], account: Account) -> list[Curve]:
    """The curves of an accounting: `stored` of their points is what it counts."""
    return [
        replace(curve, points=tuple(replace(p, stored=account.rate(p)) for p in curve.points))
        for curve in measured
        if curve.layout == account.layout
    ]


@dataclass(frozen=True, slots=True)
class AtPsnr:
    """Bytes per image of one codec at a PSNR, by accounting; None where it does not get there.

    `over` names the accountings in which the codec's lowest quality is above the target: their
    bytes are those of it. `near` is the measured point of A (C, without A) that is nearest.
    """

    target: float
    codec: str
    kind: Kind
    found: Mapping[str, float | None]
    over: tuple[str, ...]
    near: Point


def at_targets(measured: Sequence[Curve], targets: Sequence[float]) -> list[AtPsnr]:
    """A row for each target and codec."""
    by_account = {account.name: counted(measured, account) for account in ACCOUNTS}
    return [
        _row(target, codec, kind, _own(by_account, codec))
        for target in targets
        for codec, kind in codecs(measured).items()
    ]


def codecs(measured: Sequence[Curve]) -> dict[str, Kind]:
    """All codecs of the curves, in their order."""
    return {curve.codec: curve.kind for curve in measured}


def _own(by_account: Mapping[str, Sequence[Curve]], codec: str) -> dict[str, Curve]:
    return {
        name: curve for name, found in by_account.items() for curve in found if curve.codec == codec
    }


def _row(target: float, codec: str, kind: Kind, own: Mapping[str, Curve]) -> AtPsnr:
    return AtPsnr(
        target=target,
        codec=codec,
        kind=kind,
        found={name: curves.bytes_reaching(curve, target) for name, curve in own.items()},
        over=tuple(
            name for name, curve in own.items() if target < curves.useful(curve.points)[0].psnr
        ),
        near=curves.nearest(next(iter(own.values())), target),
    )


@dataclass(frozen=True, slots=True)
class Amortised:
    """A learnt codec against the best classical one in the same layout.

    `break_even` is the number of images from which model and records are fewer bytes in all; None
    is never.
    """

    account: str
    target: float
    codec: str
    model: int
    own: float
    rival: str
    rival_bytes: float
    break_even: float | None


def amortised(measured: Sequence[Curve], targets: Sequence[float]) -> list[Amortised]:
    """Single files against single files, and all images in one file against the same."""
    return [
        row
        for account in ACCOUNTS
        if account.name in ("A", "C")
        for row in _amortised(account.name, counted(measured, account), targets)
    ]


def _amortised(
    account: str, found: Sequence[Curve], targets: Sequence[float]
) -> Iterator[Amortised]:
    rivals = [curve for curve in found if curve.kind == "classical"]
    for curve in found:
        if curve.kind not in ("ours", "pca"):
            continue
        for target in targets:
            own = curves.bytes_at(curve, target)
            costs = {r.codec: b for r in rivals if (b := curves.bytes_reaching(r, target))}
            if own is not None and costs:
                rival = min(costs, key=lambda codec: costs[codec])
                model, saved = curves.nearest(curve, target).model, costs[rival] - own
                even = model / saved if saved > 0 else None
                yield Amortised(account, target, curve.codec, model, own, rival, costs[rival], even)


@dataclass(frozen=True, slots=True)
class Compared:
    """Bjontegaard differences of a codec against an anchor in one accounting."""

    account: str
    codec: str
    anchor: str
    by_psnr: Difference | None
    by_mean_psnr: Difference | None


def compared(measured: Sequence[Curve], pixels: int | None) -> list[Compared]:
    """Every codec against those that rank below it (classical ones: against each earlier one).

    `pixels` of an image are given for photographs: they are compared between PHOTOGRAPH_RATES.
    The hull of the models for one rate each is the anchor of the one model.
    """
    rows = []
    for account in ACCOUNTS:
        found = [_cut(_hull(curve), pixels) for curve in counted(measured, account)]
        for test in found:
            for anchor in found:
                if _below(anchor, test, found):
                    first = curves.difference(anchor, test)
                    second = curves.difference(anchor, test, curves.mean_psnr)
                    rows.append(Compared(account.name, test.codec, anchor.codec, first, second))
    return rows


def _hull(curve: Curve) -> Curve:
    if curve.kind != "many":
        return curve
    return replace(curve, points=tuple(curves.hull(curve.points)))


def _cut(curve: Curve, pixels: int | None) -> Curve:
    if pixels is None:
        return curve
    low, high = (bpp * pixels / 8 for bpp in PHOTOGRAPH_RATES)
    return curves.window(curve, low, high)


def _below(anchor: Curve, test: Curve, found: Sequence[Curve]) -> bool:
    """Whether a codec is an anchor of another: the model before it in rank, or another classic."""
    if test.kind == anchor.kind == "classical":
        return found.index(anchor) < found.index(test)
    return test.kind != "many" and RANKS[anchor.kind] < RANKS[test.kind]


def psnr_at_rates(measured: Sequence[Curve], pixels: int) -> dict[str, list[float | None]]:
    """PSNR of single files at each of REPORTED_RATES, by codec."""
    return {
        curve.codec: [curves.psnr_at(curve, bpp * pixels / 8) for bpp in REPORTED_RATES]
        for curve in measured
        if curve.layout == "single"
    }
