"""The report: sections of the HTML page and the tables on the terminal, from plain values."""

from collections.abc import Sequence
from dataclasses import dataclass

from rate_distortion.accounts import Amortised, AtPsnr, Compared
from rate_distortion.curves import Difference
from rate_distortion.measurement import Curve
from rate_distortion.sets import ImageSet
from training.evaluation.report import Picture, Section

ACCOUNTS = (
    "A: single file as written. B: payload only; for JPEG that is the entropy-coded data alone, "
    "though the Huffman tables that it needs were optimised for each image, so B flatters JPEG; "
    "JPEG XL files are bare codestreams, so A and B are the same. C: many images in one file: "
    "ours in its archive with random access, the others as an atlas, tiles edge to edge (padding "
    "the tiles to whole blocks was tried and is worse). D: the bytes that a decoder needs of a "
    "model, shared among N images. PSNR is that of the mean squared error over all images, on "
    "decoded 8-bit pixels."
)


@dataclass(frozen=True, slots=True, eq=False)
class Chapter:
    """All that is told of a set."""

    images: ImageSet
    curves: Sequence[Curve]
    at_targets: Sequence[AtPsnr]
    amortised: Sequence[Amortised]
    compared: Sequence[Compared]
    picture: bytes


def sections(chapter: Chapter) -> list[Section]:
    """The sections of a set."""
    title, pixels = chapter.images.spec.title, chapter.images.pixels
    per_pixel = bool(chapter.images.spec.block)
    return [
        Section(
            title=title,
            text=about(chapter.images),
            pictures=[Picture(png=chapter.picture, caption=f"{title}: the four accountings")],
        ),
        _fixed(title, chapter.at_targets),
        _levels(title, chapter.curves, pixels, per_pixel=per_pixel),
        _model(title, chapter.amortised),
        _differences(title, chapter.compared, photographs=per_pixel),
    ]


def about(images: ImageSet) -> str:
    """Which images were measured."""
    return (
        f"{len(images.images)} test images, SHA-256 of their pixels {images.digest}. Classical "
        f"single files and atlases of 16 and 256 are of {len(images.part)} of them, evenly spread, "
        f"SHA-256 {images.part_digest}. {images.spec.note}"
    )


def _fixed(title: str, rows: Sequence[AtPsnr]) -> Section:
    layouts = sorted({layout for row in rows for layout in row.shared})
    return Section(
        title=f"{title}: bytes per image at fixed PSNR",
        text="Interpolated in log bytes between measured points; > marks a codec whose lowest "
        "quality lies above the target: the bytes are those of its lowest. In the last column the "
        "measured point that is nearest: setting, bytes, PSNR (mean of the images' PSNRs).",
        head=("PSNR, codec", "A", "B", *(f"C, N={n}" for n in layouts), "nearest, in A"),
        rows=[
            (
                f"{row.target:g} dB, {row.codec}",
                ("> " if row.over else "") + _bytes(row.single),
                _bytes(row.payload),
                *(_bytes(row.shared.get(n)) for n in layouts),
                f"{row.nearest_setting}: {row.nearest_bytes:.2f} at {row.nearest_psnr:.2f} "
                f"({row.nearest_mean_psnr:.2f}) dB",
            )
            for row in rows
        ],
    )


def _levels(title: str, curves: Sequence[Curve], pixels: int, *, per_pixel: bool) -> Section:
    unit, scale, digits = ("bpp", 8 / pixels, 3) if per_pixel else ("bytes", 1.0, 2)
    return Section(
        title=f"{title}: every measured point",
        text=f"Means over the images, in {unit}; PSNR of the mean squared error, and the mean of "
        "the images' PSNRs.",
        head=("codec, images in a file", "images", "setting", unit, "payload", "PSNR", "mean PSNR"),
        rows=[
            (
                f"{curve.codec}, {curve.layout or 'single'}",
                str(curve.images),
                point.setting,
                f"{point.stored * scale:.{digits}f}",
                f"{point.payload * scale:.{digits}f}",
                f"{point.psnr:.2f}",
                f"{point.mean_psnr:.2f}",
            )
            for curve in curves
            for point in curve.points
        ],
    )


def _model(title: str, rows: Sequence[Amortised]) -> Section:
    counts = sorted({count for row in rows for count in row.with_model})
    return Section(
        title=f"{title}: D, the model counted",
        text="The number of images from which model and records together are smaller than the "
        "files of the best classical codec at the same PSNR.",
        head=(
            "codec, PSNR",
            "layout",
            "model, bytes",
            "bytes",
            "best classical",
            "break-even, images",
            *(f"N={count:,}" for count in counts),
        ),
        rows=[
            (
                f"{row.codec}, {row.target:g} dB",
                row.layout,
                f"{row.model:,}",
                _bytes(row.own),
                f"{row.rival} {_bytes(row.rival_bytes)}",
                "never" if row.break_even is None else f"{row.break_even:,.0f}",
                *(f"{row.with_model[count]:,.1f}" for count in counts),
            )
            for row in rows
        ],
    )


def _differences(title: str, rows: Sequence[Compared], *, photographs: bool) -> Section:
    between = " Only rates of 0.1 to 0.5 bits per pixel are compared." if photographs else ""
    return Section(
        title=f"{title}: BD-rate",
        text="Bjontegaard difference of the rate (PCHIP) on the same images; negative is fewer "
        "bytes; in brackets the PSNRs where both curves are. A dash: fewer than 4 points or "
        "less than 0.5 dB in common." + between,
        head=("codec against", "accounting", "by PSNR", "by mean PSNR"),
        rows=[
            (
                f"{row.codec} against {row.anchor}",
                row.account,
                _difference(row.by_psnr),
                _difference(row.by_mean_psnr),
            )
            for row in rows
        ],
    )


def _bytes(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"


def _difference(found: Difference | None) -> str:
    return "-" if found is None else f"{found.percent:+.1f} % ({found.low:.1f}..{found.high:.1f})"
