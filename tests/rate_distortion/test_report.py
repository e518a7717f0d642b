"""The page and the command, on images made for it."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rate_distortion import accounts, sets
from rate_distortion.measurement import Curve, Kind, Layout, Point, curve
from rate_distortion.report import charts, page, summary
from rate_distortion.report.chapter import Chapter

ROOT = Path(__file__).resolve().parents[2]


def made(name: str, kind: Kind, layout: Layout, factor: float, model: int = 0) -> Curve:
    points = [
        Point(f"q{i}", factor * 2**i, factor * 2**i - 2, 19.0 + 2 * i, 19.5 + 2 * i, model)
        for i in range(7)
    ]
    return curve(name, kind, layout, points)


def chapter(name: str, measured: list[Curve]) -> Chapter:
    spec = sets.SPECS[name]
    images = sets.ImageSet(spec, [np.zeros((8, 100, spec.channels), np.uint8)] * 3)
    return Chapter(
        images=images,
        curves=measured,
        at_targets=accounts.at_targets(measured, spec.targets),
        amortised=accounts.amortised(measured, spec.targets),
        compared=accounts.compared(measured, images.pixels if spec.photographs else None),
        at_rates=accounts.psnr_at_rates(measured, images.pixels),
        picture=b"the test of a picture draws it",
    )


LAYOUTS: tuple[Layout, ...] = ("single", "together")
CURVES = [
    *(made("ours, <a>", "ours", layout, 3, 51_000) for layout in LAYOUTS),
    *(made("ours, one model per rate", "many", layout, 3 / 1.01) for layout in LAYOUTS),
    *(made("PCA", "pca", layout, 7, 90_000) for layout in LAYOUTS),
    made("JPEG", "classical", "single", 50),
    made("JPEG", "classical", "together", 20),
]


def test_the_first_table_has_a_column_for_each_accounting_and_psnr() -> None:
    grid = summary.summary(chapter("mnist", CURVES))
    assert grid.head == ("", *["23 dB", "25 dB"] * 5)
    assert [name for name, _ in grid.groups][3] == "D 10k: C and the model, 10,000 images"
    rows = {row.cells[0]: row for row in grid.rows}
    assert rows["ours, <a>"].cells[1:] == (
        *("12.0", "24.0", "10.0", "22.0", "12.0", "24.0"),
        *("17.1", "29.1", "12.1", "24.1"),
    )
    assert rows["JPEG"].cells[1:3] == ("200.0", "400.0")
    assert rows["goal for ours"].cells[1:3] == ("≤ 12.0", "≤ 17.0")
    assert "ours, one model per rate" not in rows
    assert rows["ours, <a>"].best == frozenset(range(1, 11))


def test_a_goal_that_is_a_share_of_pca_is_given_in_bytes() -> None:
    grid = summary.summary(chapter("faces", CURVES))
    goal = grid.rows[-1].cells
    pca = next(row for row in grid.rows if row.cells[0] == "PCA").cells
    assert float(goal[2].removeprefix("≤ ")) == pytest.approx(0.6 * float(pca[2]), abs=0.05)


def test_photographs_are_compared_by_rate() -> None:
    grid = summary.summary(chapter("kodak", CURVES))
    rows = {row.cells[0]: row.cells for row in grid.rows}
    assert rows["JPEG"][1:3] == ("0 %", "0 %")
    assert grid.head[-3:] == ("0.1", "0.25", "0.5")


def test_what_one_model_loses_is_a_sentence() -> None:
    sentence = summary.one_model(chapter("mnist", CURVES))
    assert sentence.startswith(
        "BD-rate of ours, <a> against the hull of one model per rate: A +1.0 %"
    )
    assert summary.one_model(chapter("mnist", CURVES[:2])) == ""


def test_names_are_escaped_and_the_best_is_bold() -> None:
    timing = page.Timing(1.0, {}, 0, 0, 1)
    html = page.to_html([chapter("mnist", CURVES)], [], timing, {})
    assert "ours, &lt;a&gt;" in html
    assert '<td class="first best">12.0</td>' in html


def test_a_picture_is_a_png_even_without_curves() -> None:
    for measured in (CURVES, []):
        with Image.open(io.BytesIO(charts.draw(measured, sets.SPECS["mnist"], 784, 10))) as image:
            assert image.format == "PNG"
            assert image.width >= 1000


@pytest.mark.slow
def test_the_command_reports_what_there_is_and_why_the_rest_is_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    for split, count in (("train", 80), ("test", 6)):
        folder = tmp_path / "data/faces_lfw_gray64" / split
        folder.mkdir(parents=True)
        for index in range(count):
            small = Image.fromarray(rng.integers(0, 256, (5, 5), dtype=np.uint8))
            small.resize((16, 16), Image.Resampling.BICUBIC).save(folder / f"{index:03}.png")
    arguments = ["--data", tmp_path / "data", "--out", tmp_path / "rd", "--kept", tmp_path / "kept"]
    tiny = ROOT / "tests/data/tiny_bundle"
    chosen = ["--set", "faces", "--set", "kodak", "--bundle", f"faces={tmp_path / 'none'}"]
    chosen += [
        "--bundle",
        f"faces={tiny}",
        "--single",
        f"faces={tiny},{tiny.with_name('tiny_map_bundle')}",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "rate_distortion", *map(str, arguments), *chosen],
        env=os.environ | {"PYTHONPATH": str(ROOT / "tests/benchmarks"), "OMP_NUM_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "rd.json").read_text())
    assert list(facts["sets"]) == ["faces"]
    assert facts["sets"]["faces"]["images"] == 6
    codecs = {curve["codec"] for curve in facts["sets"]["faces"]["curves"]}
    own = {"ours, tiny", "ours, one model per rate"}
    assert codecs == {"PCA", "JPEG", "WebP", "AVIF", "JPEG XL"} | own
    assert any(line.startswith("Kodak: ") for line in facts["left_out"])
    assert any("none" in line and "Ours" in line for line in facts["left_out"])
    assert (tmp_path / "rd/faces.png").read_bytes()[:4] == b"\x89PNG"
    assert "Faces, 64x64 gray: bytes per image" in (tmp_path / "rd/report.html").read_text()
