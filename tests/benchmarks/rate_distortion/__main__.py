"""Rate-distortion curves of ours, PCA and the classical codecs: one page, pictures, one JSON file.

    make bench-rd DATA=DIR [RD_OPTIONS='--bundle mnist=PATH --set mnist']

What was measured before under the same settings, images and sources is recalled from --kept.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console

from codec.atomic import write_file
from codec.errors import BundleError
from rate_distortion import accounts, classic, ours, sets, tasks
from rate_distortion.cache import Timed
from rate_distortion.measurement import Curve, Kind, Layout, Point, curve, summarise
from rate_distortion.report import charts, page
from rate_distortion.report.chapter import Chapter
from training.errors import TrainingError

BUNDLES = {name: name for name in sets.SPECS} | {"kodak": "photo"}
PLACES = (Path("deploy/bundles"), Path("build/bundles"))
Found = Mapping[tasks.Task, Timed | tasks.Failure]


def main() -> int:
    """Entry point."""
    options = _options()
    console, start = Console(width=220), time.perf_counter()
    left_out: list[str] = []
    found = _sets(options, left_out)
    own = _bundles(options, list(found), left_out)
    work: list[tasks.Task] = [*own, *(tasks.Principal(name) for name in found)]
    for images in found.values():
        work += tasks.classic_tasks(images.spec)
    place = tasks.Workplace(found, options.data, options.kept, options.avif_speed)
    results = tasks.run_all(work, place, options.processes, _tell)
    left_out += sorted(
        {f"{task}: {r.reason}" for task, r in results.items() if isinstance(r, tasks.Failure)}
    )
    chapters = [_chapter(images, results) for images in found.values()]
    timing = _time(results, time.perf_counter() - start, options.processes)
    _write(options, chapters, left_out, timing, own)
    page.show(console, chapters, left_out)
    console.print(f"{timing} {options.out / 'report.html'}", markup=False, soft_wrap=True)
    return 0


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="rate_distortion")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("build/bench/rd"))
    parser.add_argument("--kept", type=Path, default=Path("build/bench/rd-kept"))
    parser.add_argument("--set", action="append", choices=sets.SPECS)
    parser.add_argument("--bundle", action="append", default=[], metavar="SET=PATH")
    parser.add_argument(
        "--single",
        action="append",
        default=[],
        metavar="SET=PATH,PATH,...",
        help="bundles trained for one rate each, to compare the one of --bundle with",
    )
    parser.add_argument("--without-ours", action="store_true", help="no bundle that lies about")
    parser.add_argument("--limit", type=int, default=10_000, help="test images of a set")
    parser.add_argument("--avif-speed", type=int, default=classic.AVIF_SPEED, choices=range(11))
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args()


def _sets(options: argparse.Namespace, left_out: list[str]) -> dict[str, sets.ImageSet]:
    found = {}
    for name in options.set or sets.SPECS:
        try:
            found[name] = sets.load(sets.SPECS[name], options.data, options.limit)
        except (TrainingError, OSError, ValueError) as error:
            left_out.append(f"{sets.SPECS[name].title}: {error}")
    return found


def _bundles(
    options: argparse.Namespace, names: Sequence[str], left_out: list[str]
) -> list[tasks.Task]:
    """The bundles given, and for other sets those that lie about."""
    given, single = (
        [(name, paths) for name, _, paths in (text.partition("=") for text in texts)]
        for texts in (options.bundle, options.single)
    )
    if wrong := sorted({name for name, _ in given + single} - set(sets.SPECS)):
        sys.exit(f"--bundle, --single: no set {', '.join(wrong)}, expected {', '.join(sets.SPECS)}")
    for name in names if not options.without_ours else ():
        if name not in {n for n, _ in given}:
            here = [p / BUNDLES[name] for p in PLACES if (p / BUNDLES[name]).exists()]
            given += [(name, str(path)) for path in here[:1]]
            if not here:
                left_out.append(f"{sets.SPECS[name].title}: no bundle {BUNDLES[name]}: no ours")
    work: list[tasks.Task] = [tasks.Ours(n, Path(path)) for n, path in given if n in names]
    return work + [
        tasks.Ours(name, Path(path), many=True)
        for name, paths in single
        for path in paths.split(",")
        if name in names
    ]


def _chapter(images: sets.ImageSet, results: Found) -> Chapter:
    spec = images.spec
    measured = _curves(spec, results)
    return Chapter(
        images=images,
        curves=measured,
        at_targets=accounts.at_targets(measured, spec.targets),
        amortised=accounts.amortised(measured, spec.targets),
        compared=accounts.compared(measured, images.pixels if spec.photographs else None),
        at_rates=accounts.psnr_at_rates(measured, images.pixels) if spec.photographs else {},
        picture=charts.draw(measured, spec, images.pixels, len(images.images)),
    )


def _curves(spec: sets.Spec, results: Found) -> list[Curve]:
    """All curves of a set, ours first."""
    points: dict[tuple[str, Kind, Layout], list[Point]] = {}
    for task, found in results.items():
        if task.set_name == spec.name and isinstance(found, Timed):
            codec, kind = tasks.label(task)
            for (layout, setting), one in found.results.items():
                points.setdefault((codec, kind, layout), []).append(summarise(setting, one))
    classical = [codec.name for codec in classic.codecs(spec.channels)]

    def place(key: tuple[str, Kind, Layout]) -> tuple[int, int, str, str]:
        after = classical.index(key[0]) if key[0] in classical else 0
        return -accounts.RANKS[key[1]], after, key[0], key[2]

    return [curve(*key, points[key]) for key in sorted(points, key=place)]


def _time(results: Found, seconds: float, processes: int) -> page.Timing:
    """How long the work took, by set and codec."""
    by_task: dict[str, dict[str, float]] = {}
    recalled = 0
    for task, found in results.items():
        if isinstance(found, Timed):
            recalled += found.recalled
            row = by_task.setdefault(task.set_name, {})
            name = tasks.label(task)[0].partition(",")[0]
            row[name] = row.get(name, 0) + found.seconds
    return page.Timing(seconds, by_task, len(results), recalled, processes)


def _write(
    options: argparse.Namespace,
    chapters: Sequence[Chapter],
    left_out: Sequence[str],
    timing: page.Timing,
    own: Sequence[tasks.Task],
) -> None:
    settings = {
        codec.name: codec.settings
        for channels in (1, 3)
        for codec in classic.codecs(channels, options.avif_speed)
    }
    out: Path = options.out
    facts = {
        "took": asdict(timing),
        "settings": settings,
        "left_out": list(left_out),
        "bundles": [_bundle_facts(task) for task in own if isinstance(task, tasks.Ours)],
        "sets": {chapter.images.spec.name: _facts(chapter) for chapter in chapters},
    }
    out.mkdir(parents=True, exist_ok=True)
    for chapter in chapters:
        write_file(out / f"{chapter.images.spec.name}.png", chapter.picture)
    write_file(out / "report.html", page.to_html(chapters, left_out, timing, settings).encode())
    text = json.dumps(facts, indent=1, allow_nan=False) + "\n"
    write_file(out.parent / f"{out.name}.json", text.encode())


def _bundle_facts(task: tasks.Ours) -> dict[str, object]:
    known = {"set": task.set_name, "path": str(task.bundle), "many": task.many}
    try:
        return known | asdict(ours.facts(task.bundle))
    except BundleError as error:
        return known | {"refused": str(error)}


def _facts(chapter: Chapter) -> dict[str, object]:
    images = chapter.images
    return {
        "title": images.spec.title,
        "note": images.spec.note,
        "images": len(images.images),
        "sha256": images.digest,
        "shape": [int(n) for n in np.shape(images.images[0])],
        "curves": [asdict(c) for c in chapter.curves],
        "at_targets": [asdict(row) for row in chapter.at_targets],
        "amortised": [asdict(row) for row in chapter.amortised],
        "bd_rate": [asdict(row) for row in chapter.compared],
        "psnr_at_rates": chapter.at_rates,
    }


if __name__ == "__main__":
    sys.exit(main())
