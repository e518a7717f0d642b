"""Evidence of circuit-board defects: is an archived anomaly still to be judged, and what it costs.

    make bench-evidence DATA=DIR

Test images of DeepPCB, good and defective, are compressed plainly and with evidence. The
table says how many are flagged, how much of the defects lies inside of the boxes (pixel by pixel,
and defect by defect, of those flagged and of all), and how many bytes that takes, compared with a
lossless file of the whole image. The records of images that are not flagged have to be the plain
ones, byte by byte, and the pixels inside of the boxes those of the original: else the exit status
is 1.
"""

import argparse
import io
import json
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from rich.console import Console
from rich.table import Table
from scipy.ndimage import find_objects, label

from codec import Codec, Rate, Scorer
from codec.bundle.bundle import load_bundle
from codec.graphs.onnx import open_graphs
from codec.record.evidence import Region

ROOT = Path(__file__).resolve().parents[2]
CHUNK = 10
EIGHT = np.ones((3, 3))
ROWS, MARGIN, CAPTION = 4, 6, 16
HEADINGS = ("original", "plain record", "record with evidence", "boxes; true defects")
KINDS = {
    "png": ("PNG", {"optimize": True}),
    "webp": ("WEBP", {"lossless": True, "quality": 100, "method": 6, "exact": True}),
}
RED, BLUE = (230, 40, 20), (20, 90, 230)


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """An image `[H, W, 1]` and where it is defective, `[H, W]`."""

    name: str
    image: np.ndarray
    defect: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What was made of a sample."""

    sample: Sample
    plain: bytes
    record: bytes
    evidence_bytes: int
    restored: np.ndarray
    regions: list[Region]

    @property
    def inside(self) -> np.ndarray:
        """What is inside of the boxes, `[H, W]`."""
        found = np.zeros(self.sample.defect.shape, np.bool_)
        for region in self.regions:
            found[region.box.slices] = True
        return found


def read(data: Path, count: int | None) -> list[Sample]:
    """Good and defective test images, at most `count` of each."""
    return [
        Sample(file.name, _gray(file)[..., None], _mask(data, file))
        for kind in ("good", "defect")
        for file in sorted((data / "deeppcb/pcb/test" / kind).iterdir())[:count]
    ]


def outcomes(codec: Codec, samples: Sequence[Sample], rate: float) -> list[Outcome]:
    """Each sample with and without evidence, and its record with evidence restored."""
    found = []
    for start in range(0, len(samples), CHUNK):
        chunk = samples[start : start + CHUNK]
        images = [sample.image for sample in chunk]
        plain = codec.compress(images)
        made = Scorer(codec).compress_with_evidence(images, Rate(), rate)
        restored = codec.restore([one.record for one in made])
        found += [
            Outcome(sample, bare, one.record, one.evidence_bytes, back.image, back.regions)
            for sample, bare, one, back in zip(chunk, plain, made, restored, strict=True)
        ]
    return found


def broken(outcome: Outcome) -> bool:
    """Whether a promise is: exact inside of the boxes, not a byte without any."""
    inside = outcome.inside
    exact = np.array_equal(outcome.restored[inside], outcome.sample.image[inside])
    return not exact or (not outcome.regions and outcome.record != outcome.plain)


def summary(found: Sequence[Outcome]) -> dict[str, float]:
    """The figures."""
    good = [one for one in found if not one.sample.defect.any()]
    defective = [one for one in found if one.sample.defect.any()]
    flagged = [one for one in defective if one.regions]
    kept = [one for one in found if one.regions]
    single = [part for one in defective for part in defects(one)]
    files = {kind: [len(lossless(one.sample.image, kind)) for one in kept] for kind in KINDS}
    return {
        "good": len(good),
        "good_flagged": sum(bool(one.regions) for one in good),
        "defective": len(defective),
        "defective_flagged": len(flagged),
        "defect_area_covered_of_flagged": _covered(flagged),
        "defect_area_covered_of_all": _covered(defective),
        "defects": len(single),
        "defects_touched": sum(part > 0 for part in single),
        "defects_covered_by_half": sum(part >= 0.5 for part in single),
        "defects_covered_wholly": sum(part == 1 for part in single),
        "image_area_kept_of_flagged": _mean(one.inside.mean() for one in kept),
        "boxes_per_flagged": _mean(len(one.regions) for one in kept),
        "plain_bytes": _mean(len(one.plain) for one in found),
        "extra_bytes_not_flagged": sum(
            len(one.record) - len(one.plain) for one in found if not one.regions
        ),
        "evidence_bytes_per_flagged": _mean(one.evidence_bytes for one in kept),
        **{f"{kind}_of_whole_image": _mean(sizes) for kind, sizes in files.items()},
        **{f"{kind}_of_each_region": _mean(_regions(one, kind) for one in kept) for kind in KINDS},
        "broken": sum(map(broken, found)),
    }


def lossless(image: np.ndarray, kind: str) -> bytes:
    """The smallest file of `[h, w, 1]` that Pillow writes of a kind."""
    name, options = KINDS[kind]
    out = io.BytesIO()
    Image.fromarray(image[..., 0]).save(out, name, **options)
    return out.getvalue()


def defects(outcome: Outcome) -> list[float]:
    """The share of each defect, a connected part of the mask, that is inside of the boxes."""
    parts, _ = label(outcome.sample.defect, EIGHT)
    inside = outcome.inside
    places = enumerate(find_objects(parts), start=1)
    return [float(inside[place][parts[place] == number].mean()) for number, place in places]


def sheet(codec: Codec, found: Sequence[Outcome]) -> Image.Image:
    """Original, plain record, record with evidence and boxes of several defective boards."""
    kept = [one for one in found if one.regions and one.sample.defect.any()]
    shown = kept[:: max(1, len(kept) // ROWS)][:ROWS]
    side = shown[0].sample.defect.shape[0]
    across, down = side + MARGIN, side + MARGIN + CAPTION
    whole = Image.new("RGB", (4 * across + MARGIN, ROWS * down + CAPTION + MARGIN), "white")
    draw = ImageDraw.Draw(whole)
    for column, heading in enumerate(HEADINGS):
        draw.text((MARGIN + column * across, 4), heading, "black")
    for row, one in enumerate(shown):
        top = CAPTION + MARGIN + row * down
        sizes = ("", f"{len(one.plain)} bytes", f"{len(one.record)} bytes", one.sample.name)
        for column, (picture, text) in enumerate(zip(pictures(codec, one), sizes, strict=True)):
            left = MARGIN + column * across
            whole.paste(picture, (left, top))
            draw.text((left, top + side + 2), text, "black")
    return whole


def pictures(codec: Codec, outcome: Outcome) -> list[Image.Image]:
    """The four columns of a row."""
    sample, (plain,) = outcome.sample, codec.decompress([outcome.plain])
    gray = [sample.image, plain, outcome.restored, sample.image]
    columns = [Image.fromarray(image[..., 0]).convert("RGB") for image in gray]
    draw = ImageDraw.Draw(columns[-1])
    for rows, across in find_objects(label(sample.defect, EIGHT)[0]):
        draw.rectangle((across.start, rows.start, across.stop - 1, rows.stop - 1), outline=BLUE)
    for box in (region.box for region in outcome.regions):
        corner = (box.left + box.width - 1, box.top + box.height - 1)
        draw.rectangle((box.left, box.top, *corner), outline=RED)
    return columns


def main() -> None:
    """Entry point; exit status 1 where a promise is broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=ROOT / "deploy/bundles/pcb")
    parser.add_argument("--out", type=Path, default=Path("build/bench/evidence.json"))
    parser.add_argument("--count", type=int, help="of good and of defective images; else all")
    parser.add_argument("--false-alarm-rate", type=float, help="else that of the bundle")
    options = parser.parse_args()
    bundle = load_bundle(options.bundle)
    codec = Codec(bundle, open_graphs(bundle, "cpu"))
    rate = options.false_alarm_rate or bundle.manifest.score.false_alarm_rate
    found = outcomes(codec, read(options.data, options.count), rate)
    result = {"false_alarm_rate": rate, **summary(found)}
    table = Table("what", "measured", title="Evidence of defects on circuit boards")
    for name, value in result.items():
        table.add_row(name.replace("_", " "), f"{value:,.4g}" if value % 1 else f"{value:,.0f}")
    Console(width=100).print(table)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n")
    sheet(codec, found).save(options.out.with_suffix(".png"), optimize=True)
    sys.exit(result["broken"] > 0)


def _covered(found: Sequence[Outcome]) -> float:
    """Share of all defective pixels that is inside of boxes."""
    area = sum(int(one.sample.defect.sum()) for one in found)
    return sum(int((one.inside & one.sample.defect).sum()) for one in found) / max(1, area)


def _regions(outcome: Outcome, kind: str) -> int:
    return sum(len(lossless(region.pixels, kind)) for region in outcome.regions)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return statistics.fmean(found) if found else 0.0


def _mask(data: Path, file: Path) -> np.ndarray:
    if file.parent.name == "good":
        return np.zeros(_gray(file).shape, np.bool_)
    return _gray(data / "deeppcb/pcb/ground_truth/defect" / f"{file.stem}_mask.png") > 0


def _gray(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.asarray(image.convert("L"))


if __name__ == "__main__":
    main()
