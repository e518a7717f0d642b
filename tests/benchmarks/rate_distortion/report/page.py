"""The report: a page of tables and pictures, and the tables of its first screen on a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console

from rate_distortion.accounts import ACCOUNTS
from rate_distortion.report import markup, summary
from rate_distortion.report.chapter import Chapter
from rate_distortion.report.markup import Grid, Row, folded, paragraph, table

TITLE = "Rate and distortion"
ABOUT = (
    "Mean bytes per image over the test images of a set, at the PSNR of the mean squared error "
    "over all of them, on decoded 8-bit pixels (gray, or RGB). A: one file per image, "
    "as written, framing and checksum included. B: the payload of that file. C: all test images in "
    "one file, ours in its archive with random access, classical codecs as one atlas. D: C, and "
    "the bytes of decoder and tables shared among 10,000 or a million images. Fewest bytes in "
    "bold; † a codec that cannot go so low: the bytes of its lowest quality, which gives more dB; "
    "- a codec that was not measured or does not get there."
)
HOW = (
    "Bytes at a PSNR are interpolated, linear in their logarithm, between measured points; points "
    "that another one beats in both bytes and PSNR are left out. BD-rate is that of Bjontegaard "
    "with PCHIP over the PSNRs that both curves cover.",
    "Payload: of a JPEG the entropy-coded data alone, without any table or header (the tables were "
    "optimised for each image, so B flatters JPEG); of a WebP the content of its image chunk; of "
    "an AVIF the content of its mdat box; a JPEG XL is written as a bare codestream, all of it "
    "payload. Of ours it is the code stream without size, level and checksum.",
    "Atlases hold all test images in the order of the set, edge to edge, row by row, in a grid as "
    "square as possible. On MNIST, tiles padded to 32x32 pixels, at the edge or all around, cost "
    "JPEG and WebP 1 to 5 % more at equal PSNR, so no tile is padded. An atlas gives no access to "
    "one image alone; our archive does. AVIF at speed 4 instead of 6 has 7 % fewer bytes in an "
    "atlas of 400 images of CIFAR-10 (22 to 25 dB), and takes five times as long: --avif-speed 4.",
    "PCA has our quantiser, integer tables fitted on training images, range coder, record and "
    "archive; of the numbers of components and the steps, those on the hull are its points.",
    "Every point is measured on the same test images, all there are unless --limit is given. For A "
    "of the sets with 10,000 images AVIF and JPEG XL have three qualities, since 10,000 files take "
    "15 to 30 seconds at each; that is one too few for a BD-rate. AVIF 4:2:0 is left out there and "
    "in atlases: an atlas of CIFAR-10 has 6 % more bytes with it than with 4:4:4 (22 to 25 dB).",
)


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds on the clock; processor seconds by set and codec, as when they were measured; how
    many tasks there were, and how many of them an earlier run had done.
    """

    seconds: float
    worked: Mapping[str, Mapping[str, float]]
    tasks: int
    recalled: int
    processes: int


def timing(took: Took) -> str:
    """The time in a sentence."""
    worked = sum(sum(row.values()) for row in took.worked.values())
    return (
        f"This run took {took.seconds:.0f} s with {took.processes} processes; {took.recalled} of "
        f"{took.tasks} tasks were recalled from an earlier run. Measuring all of them takes "
        f"{worked:.0f} processor seconds, {worked / took.processes / 60:.1f} minutes on "
        f"{took.processes} cores."
    )


def show(console: Console, chapters: Sequence[Chapter], left_out: Sequence[str]) -> None:
    """Prints the summaries."""
    for chapter in chapters:
        markup.show(console, summary.summary(chapter))
        if sentence := summary.one_model(chapter):
            console.print(sentence, markup=False, soft_wrap=True)
    for line in left_out:
        console.print(f"left out: {line}", markup=False, soft_wrap=True)


def to_html(
    chapters: Sequence[Chapter],
    left_out: Sequence[str],
    took: Took,
    settings: Mapping[str, str],
) -> str:
    """The page."""
    first = [
        f"<h2>{heading}</h2>\n{table(grid)}{paragraph(summary.one_model(chapter), 'note')}"
        for chapter in chapters
        for grid in (summary.summary(chapter),)
        for heading in (grid.title,)
    ]
    body = [
        paragraph(ABOUT),
        *first,
        *(paragraph(f"Left out: {line}", "note") for line in left_out),
        *(part for chapter in chapters for part in _parts(chapter)),
        "<h2>How it was measured</h2>",
        *map(paragraph, HOW),
        table(_plain("", ("codec", "settings"), settings.items())),
        paragraph(timing(took)),
        table(_times(took)),
    ]
    return markup.document(TITLE, "\n".join(body))


def _parts(chapter: Chapter) -> list[str]:
    images = chapter.images
    about = f"{len(images.images)} test images, SHA-256 of their pixels {images.digest}. "
    return [
        f"<h2>{images.spec.title}: curves</h2>",
        markup.figure(chapter.picture, f"{images.spec.title}: PSNR over rate"),
        paragraph(about + images.spec.note, "note"),
        folded("BD-rate in all accountings", table(_differences(chapter))),
        folded("The model counted: break-even", table(_model(chapter))),
        folded("Measured points nearest to the PSNRs above", table(_nearest(chapter))),
        folded("Every measured point", table(_points(chapter))),
    ]


def _plain(title: str, head: tuple[str, ...], rows: Iterable[Sequence[str]]) -> Grid:
    return Grid(title, head, [Row(tuple(row)) for row in rows])


def _differences(chapter: Chapter) -> Grid:
    pairs = dict.fromkeys((row.codec, row.anchor) for row in chapter.compared)
    means = {(r.codec, r.anchor): r.by_mean_psnr for r in chapter.compared if r.account == "A"}
    names = [account.name for account in ACCOUNTS]
    rows = (
        (
            f"{codec} against {anchor}",
            *(summary.difference(chapter.difference(codec, anchor, name)) for name in names),
            summary.difference(means.get((codec, anchor))),
        )
        for codec, anchor in pairs
    )
    return _plain("BD-rate", ("", *names, "A, by mean of PSNRs"), rows)


def _model(chapter: Chapter) -> Grid:
    head = ("codec", "accounting", "PSNR", "model, bytes", "bytes", "best classical", "", "images")
    rows = (
        (
            row.codec,
            row.account,
            f"{row.target:g} dB",
            f"{row.model:,}",
            summary.size(row.own),
            row.rival,
            summary.size(row.rival_bytes),
            "never" if row.break_even is None else f"from {row.break_even:,.0f}",
        )
        for row in chapter.amortised
    )
    return _plain("The model counted", head, rows)


def _nearest(chapter: Chapter) -> Grid:
    head = ("codec", "PSNR wanted", "setting", "bytes", "payload", "PSNR", "mean of PSNRs")
    rows = (
        (
            row.codec,
            f"{row.target:g} dB",
            row.near.setting,
            summary.size(row.near.stored),
            summary.size(row.near.payload),
            f"{row.near.psnr:.2f}",
            f"{row.near.mean_psnr:.2f}",
        )
        for row in chapter.at_targets
    )
    return _plain("Nearest points", head, rows)


def _points(chapter: Chapter) -> Grid:
    bits = 8 / chapter.images.pixels
    head = ("codec", "files", "setting", "bytes", "payload", "bits per pixel", "PSNR", "mean PSNR")
    rows = (
        (
            curve.codec,
            "one each" if curve.layout == "single" else "one for all",
            point.setting,
            f"{point.stored:,.2f}",
            f"{point.payload:,.2f}",
            f"{point.stored * bits:.4f}",
            f"{point.psnr:.2f}",
            f"{point.mean_psnr:.2f}",
        )
        for curve in chapter.curves
        for point in curve.points
    )
    return _plain("Every point", head, rows)


def _times(took: Took) -> Grid:
    names = list(dict.fromkeys(name for row in took.worked.values() for name in row))
    rows = (
        (
            set_name,
            *(f"{row.get(name, 0):.0f}" for name in names),
            f"{sum(row.values()):.0f}",
        )
        for set_name, row in took.worked.items()
    )
    return _plain("Processor seconds", ("processor seconds", *names, "all"), rows)
