import base64
import io
import json

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from training import charts, report
from training.errors import TrainingError
from training.report import Picture, Section

SECTION = Section(
    title="A <b> & c",
    text="What it is.",
    head=("measure", "value"),
    rows=[("bytes", "5")],
    pictures=[Picture(png=b"not looked at", caption='said "so"')],
)


def test_a_report_is_one_file_with_its_pictures_inside(tmp_path):
    report.write(tmp_path / "out", "Model x", {"bytes": 5}, [SECTION])
    page = (tmp_path / "out" / "report.html").read_text()
    assert base64.b64encode(b"not looked at").decode() in page
    assert "<h2>A &lt;b&gt; &amp; c</h2>" in page
    assert "<tr><td>bytes</td><td>5</td></tr>" in page
    assert "http" not in page
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == {"bytes": 5}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_report_that_cannot_be_written_leaves_nothing_behind(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        report.write(tmp_path / "out", "x", {"bytes": float("nan")}, [])
    assert list(tmp_path.iterdir()) == []


def test_only_a_new_or_empty_folder_is_written(tmp_path):
    (tmp_path / "empty").mkdir()
    report.write(tmp_path / "empty", "x", {}, [])
    for taken in (tmp_path / "empty", tmp_path / "empty" / "report.json"):
        with pytest.raises(TrainingError, match="exists already"):
            report.check_free(taken)


def test_tables_are_printed():
    out = io.StringIO()
    report.show(Console(file=out, width=60), [SECTION, Section(title="none", text="")])
    assert "bytes" in out.getvalue()
    assert "none" not in out.getvalue()


def size(png: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(png)) as image:
        return image.size


@pytest.mark.parametrize(
    ("shape", "drawn"),
    [((16, 16, 1), (96, 96)), ((28, 14, 3), (56, 112)), ((512, 256, 1), (128, 256))],
)
def test_a_sheet_shows_small_images_large_and_large_ones_small(shape, drawn):
    images = [np.zeros(shape, np.uint8)] * 2
    width, height = drawn
    assert size(charts.sheet([images] * 3)) == (2 * (width + 4), 3 * (height + 4))


def test_curves_and_histograms_are_pictures():
    assert min(size(charts.rate_curve([0.1, 0.2], [20.0, 25.0], 1))) > 100
    scores, defect = np.array([0.0, 1.0, 9.0]), np.array([False, False, True])
    assert min(size(charts.score_histogram(scores, defect, 2.0))) > 100
    assert min(size(charts.score_histogram(np.ones(3), ~defect | True, 1.0))) > 100
