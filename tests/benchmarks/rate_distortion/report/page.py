"""The report: a page of tables and pictures, and the tables of its first screen on a terminal."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.console import Console

from rate_distortion.accounts import ACCOUNTS
from rate_distortion.report import grid, summary
from rate_distortion.report.chapter import Chapter
from rate_distortion.report.grid import Grid, Row


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the measurements took."""

    seconds: float
    """on the clock"""
    worked: Mapping[str, Mapping[str, float]]
    """processor seconds by set and codec, also of tasks of an earlier run"""
    tasks: int
    recalled: int
    """tasks that an earlier run had done"""
    processes: int

    def __str__(self) -> str:
        worked = sum(sum(row.values()) for row in self.worked.values())
        return (
            f"This run took {self.seconds:.0f} s with {self.processes} processes; {self.recalled} "
            f"of {self.tasks} tasks were recalled from an earlier run. Measuring all of them takes "
            f"{worked:.0f} processor seconds, {worked / self.processes / 60:.1f} minutes on "
            f"{self.processes} cores."
        )


def show(console: Console, chapters: Sequence[Chapter], left_out: Sequence[str]) -> None:
    """Prints the summaries."""
    for chapter in chapters:
        grid.show(console, summary.summary(chapter))
        if sentence := summary.one_model(chapter):
            console.print(sentence, markup=False, soft_wrap=True)
    for line in left_out:
        console.print(f"left out: {line}", markup=False, soft_wrap=True)


def to_html(
    chapters: Sequence[Chapter],
    left_out: Sequence[str],
    timing: Timing,
    settings: Mapping[str, str],
) -> str:
    """One self-contained page."""
    environment = Environment(
        loader=PackageLoader("rate_distortion.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html.jinja").render(
        parts=[_part(chapter) for chapter in chapters],
        left_out=left_out,
        settings=_plain("", ("codec", "settings"), settings.items()),
        timing=timing,
        times=_times(timing),
    )


def _part(chapter: Chapter) -> dict[str, object]:
    """What the template shows of a chapter."""
    images = chapter.images
    about = f"{len(images.images)} test images, SHA-256 of their pixels {images.digest}. "
    return {
        "title": images.spec.title,
        "summary": summary.summary(chapter),
        "one_model": summary.one_model(chapter),
        "picture": base64.b64encode(chapter.picture).decode(),
        "note": about + images.spec.note,
        "differences": _differences(chapter),
        "model": _model(chapter),
        "nearest": _nearest(chapter),
        "points": _points(chapter),
    }


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


def _times(timing: Timing) -> Grid:
    names = list(dict.fromkeys(name for row in timing.worked.values() for name in row))
    rows = (
        (
            set_name,
            *(f"{row.get(name, 0):.0f}" for name in names),
            f"{sum(row.values()):.0f}",
        )
        for set_name, row in timing.worked.items()
    )
    return _plain("Processor seconds", ("processor seconds", *names, "all"), rows)
