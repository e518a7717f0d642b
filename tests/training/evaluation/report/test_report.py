import base64
import io
import json

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from training.errors import TrainingError
from training.evaluation.report import charts, report
from training.evaluation.report.section import Picture, Section
from training.evaluation.report.sheet import sheet

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


def test_a_report_that_cannot_be_written_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        report.write(tmp_path / "out", "x", {"bytes": float("nan")}, [])
    assert list(tmp_path.iterdir()) == []


def test_only_a_new_or_empty_folder_is_written(tmp_path):
    (tmp_path / "empty").mkdir()
    report.write(tmp_path / "empty", "x", {}, [])
    for taken in (tmp_path / "empty", tmp_path / "empty" / "report.json"):
        with pytest.raises(TrainingError, match="already exists"):
            report.check_free(taken)


def test_tables_are_printed():
    out = io.StringIO()
    report.show(Console(file=out, width=60), [SECTION, Section(title="none", text="")])
    assert "bytes" in out.getvalue()
    assert "none" not in out.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_every_figure_of_a_wide_table_is_printed_whole_after_the_name_of_its_row(width):
    head = ("model", *(f"long name {i}" for i in range(9)))
    rows = [(f"model {n}", *(f"0.{n}{i}7" for i in range(9))) for n in (1, 2)]
    out = io.StringIO()
    report.show(Console(file=out, width=width), [Section(title="t", text="", head=head, rows=rows)])
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    for name, *figures in rows:
        of_row = [line for line in lines if name in line]
        assert [f for line in of_row for f in line.replace("│", " ").split()[2:]] == figures
        assert (len(of_row) == 1) == (width == 200)


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
    assert size(sheet([images] * 3)) == (2 * (width + 4) + 4, 3 * (height + 4) + 4)


def test_curves_and_histograms_are_pictures():
    assert min(size(charts.rate_curve([0.1, 0.2], [20.0, 25.0], 1))) > 100
    scores, defect = np.array([0.0, 1.0, 9.0]), np.array([False, False, True])
    assert min(size(charts.score_histogram(scores, defect, 2.0))) > 100
    assert min(size(charts.score_histogram(np.ones(3), ~defect | True, 1.0))) > 100


def drawn(monkeypatch):
    """The axes of the next picture, by title: {curve: values}."""
    figures = []
    monkeypatch.setattr(charts, "_png", lambda figure: figures.append(figure) or b"")
    return figures


def curves_of(figure):
    return {
        axes.get_title(): {
            line.get_label(): line.get_ydata().tolist()
            for line in axes.get_lines()
            if not line.get_label().startswith("_")
        }
        for axes in figure.axes
        if axes.get_visible()
    }


HISTORY = [
    {"epoch": 1, "train_loss": 9.0, "loss": 8.0, "psnr": 20.0, "active_units": 0, "skipped": 0},
    {"epoch": 2, "train_loss": 7.0, "loss": float("inf"), "psnr": 21.0, "active_units": 3},
]


def test_training_curves_show_what_the_records_hold(monkeypatch):
    figures = drawn(monkeypatch)
    charts.training_curves(HISTORY, 2)
    found = curves_of(figures[0])
    loss = found.pop("loss, nats per image")
    assert loss["training"] == [9.0, 7.0]
    assert loss["held out"][0] == 8.0
    assert np.isnan(loss["held out"][1])
    assert found == {
        "PSNR of held-out images, dB": {"held out": [20.0, 21.0]},
        "latents": {"active": [0.0, 3.0]},
    }


def test_losses_of_crops_and_of_whole_images_never_share_axes(monkeypatch):
    figures = drawn(monkeypatch)
    charts.training_curves(HISTORY, 2, cropped=True)
    found = curves_of(figures[0])
    assert found["loss, nats per training crop"] == {"training": [9.0, 7.0]}
    assert list(found["loss, nats per image"]) == ["held out"]
    charts.training_curves([{"epoch": 1, "loss": 2.0}], 1, cropped=True)
    assert curves_of(figures[1]) == {"loss, nats per image": {"held out": [2.0]}}


@pytest.mark.parametrize(
    ("held_out", "title"),
    [("rate", "KL, nats per image"), ("commitment", "commitment, nats per image")],
)
def test_the_rate_of_training_images_is_named_after_what_is_held_out(monkeypatch, held_out, title):
    figures = drawn(monkeypatch)
    charts.training_curves([{"epoch": 1, "train_rate": 3.0, held_out: 2.0}], 1)
    assert curves_of(figures[0]) == {title: {"training": [3.0], "held out": [2.0]}}


def test_curves_and_scatters_are_pictures():
    assert min(size(charts.training_curves(HISTORY, 1))) > 100
    assert min(size(charts.training_curves([], None))) > 100
    rng = np.random.default_rng(0)
    for classes in (2, 12, 30):
        names = [str(i) for i in range(classes)]
        png = charts.scatter(rng.normal(size=(60, 2)), np.arange(60) % classes, names)
        assert min(size(png)) > 100


def test_text_that_looks_like_markup_is_printed_as_it_is():
    out = io.StringIO()
    rows = [("Var(E[z|x])", "1")]
    section = Section(title="t", text="", head=("measure", "value"), rows=rows)
    report.show(Console(file=out, width=60), [section])
    assert "Var(E[z|x])" in out.getvalue()
