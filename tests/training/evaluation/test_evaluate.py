"""The command, at drawn images in the layout of MVTec AD and the tiny bundles."""

import json
import shutil
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from processes import finished
from rich.console import Console
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from codec import Codec, Scorer
from codec.bundle.bundle import load_bundle, write_bundle
from codec.graphs.onnx import open_graphs
from codec.image_reader import read_image
from training.__main__ import main as train
from training.evaluation import evaluate
from training.evaluation.bundle import rate_distortion
from training.evaluation.evaluate import Command, main, read_tests
from training.evaluation.report.progress import Reporter

BUNDLES = Path(__file__).parents[2] / "data"
MAP = BUNDLES / "tiny_map_bundle"
GOOD, DEFECT = 6, 5


def hill(rng, side):
    y, x = np.mgrid[:side, :side]
    row, column, width = rng.uniform((8, 8, 3), (side - 8, side - 8, 5))
    image = 70 + 120 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2))
    return (image + rng.normal(0, 2, image.shape)).clip(0, 255).astype(np.uint8)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture(scope="module")
def inspected(tmp_path_factory):
    """Hills of 40x40, normal and with a dark scratch, and masks of the scratches."""
    folder, rng = tmp_path_factory.mktemp("inspected"), np.random.default_rng(5)
    for i in range(8):
        save(folder / "train" / "good" / f"{i}.png", hill(rng, 40))
    for i in range(GOOD):
        save(folder / "test" / "good" / f"{i}.png", hill(rng, 40))
    for i in range(DEFECT):
        image, mask = hill(rng, 40), np.zeros((40, 40), np.uint8)
        mask[10 + i : 13 + i, 5:30] = 255
        image[mask > 0] = 0
        save(folder / "test" / "scratch" / f"{i}.png", image)
        save(folder / "ground_truth" / "scratch" / f"{i}_mask.png", mask)
    return folder


def arguments(source, data, out, *more):
    return [str(source), "--data", str(data), "--out", str(out), *more]


def read(out):
    return json.loads((out / "report.json").read_text())


@pytest.fixture(scope="module")
def report(inspected, tmp_path_factory):
    out = tmp_path_factory.mktemp("reports") / "map"
    assert main(arguments(MAP, inspected, out, "--limit-levels", "3")) == 0
    return out


def test_a_bundle_is_measured_on_all_test_images(report):
    facts = read(report)
    bundle = load_bundle(MAP)
    assert facts["model_id"] == bundle.model_id.hex()
    assert facts["compression"]["images"] == GOOD + DEFECT
    assert facts["compression"]["quality"] == bundle.manifest.quality_default
    assert [level["quality"] for level in facts["levels"]] == list(range(17))
    assert {level["images"] for level in facts["levels"]} == {3}
    assert facts["exactness"] == {"records": GOOD + DEFECT, "differences": 0}
    assert facts["detection"]["calibration_images"] == 320


def test_detection_matches_the_labels_of_the_folders(report, inspected):
    facts = read(report)["detection"]
    assert (facts["normal_images"], facts["defect_images"]) == (GOOD, DEFECT)
    bundle = load_bundle(MAP)
    scorer = Scorer(Codec(bundle, open_graphs(bundle, "cpu", 1)))
    paths = sorted((inspected / "test").rglob("*.png"))
    scores = scorer.score([read_image(path.read_bytes(), 1) for path in paths])
    truth = [path.parent.name != "good" for path in paths]
    for name, area in facts["image_auroc"].items():
        values = [s.value if name == "fused" else s.scores[name] for s in scores]
        assert area == pytest.approx(roc_auc_score(truth, values)), name
    masks = [inspected / "ground_truth" / p.parent.name / f"{p.stem}_mask.png" for p in paths]
    pixels = [
        read_image(mask.read_bytes(), 1)[..., 0] > 0 if mask.exists() else np.zeros((40, 40), bool)
        for mask in masks
    ]
    area = roc_auc_score(np.ravel(pixels), np.ravel([s.heatmap for s in scores]))
    assert facts["pixel_auroc"] == pytest.approx(area, abs=1e-3)
    fused = [s.value for s in scores]
    assert facts["image_average_precision"] == pytest.approx(average_precision_score(truth, fused))
    best = facts["image_best_f1"]
    assert best["f1"] == pytest.approx(f1_score(truth, np.array(fused) >= best["threshold"]))
    found = np.stack([s.heatmap for s in scores]) >= facts["pixel_best_f1"]["threshold"]
    expected = f1_score(np.ravel(pixels), found.ravel())
    assert facts["pixel_best_f1"]["f1"] == pytest.approx(expected)
    assert 0 < facts["aupro"] < 1
    assert facts["image_auroc"]["structure"] > 0.9
    first = facts["verdicts"][0]
    assert first["false_alarm_rate"] == 0.05
    flagged = [s.anomalous for s in scores]
    assert first["detections"] == sum(f and t for f, t in zip(flagged, truth, strict=True))
    assert first["false_alarms"] == sum(f and not t for f, t in zip(flagged, truth, strict=True))


def test_the_page_has_all_tables_and_pictures(report):
    page = (report / "report.html").read_text()
    for title in ("Compression", "Exactness", "Rate and distortion", "Verdicts", "Detection"):
        assert f"<h2>{title}" in page
    assert page.count("data:image/png;base64,") == 7
    assert "(in the verdict)" in page
    assert "their masks in outline" in page
    for kind in ("Normal images with the highest", "Defect images with the highest", "the lowest"):
        assert f"{kind} scores" in page


def test_one_type_of_defect_has_the_figures_of_all_and_no_table(report):
    facts = read(report)["detection"]
    (kind,) = facts["defect_types"]
    assert (kind["name"], kind["images"], kind["masks"]) == ("scratch", DEFECT, DEFECT)
    assert kind["image_auroc"] == facts["image_auroc"]["fused"]
    assert kind["pixel_auroc"] == facts["pixel_auroc"]
    assert kind["detections"] == facts["verdicts"][0]["detections"]
    assert "Types of defects" not in (report / "report.html").read_text()


def test_several_bundles_are_compared_and_each_has_its_report(report, inspected, tmp_path, capsys):
    source, other = BUNDLES / "tiny_map_bundle", tmp_path / "other"
    manifest = load_bundle(source).manifest
    members = {name: (source / name).read_bytes() for name in manifest.members}
    write_bundle(other, replace(manifest, version="2"), members)
    options = ["--limit-levels", "3", "--false-alarm-rate", "0.1"]
    out = tmp_path / "out"
    assert main([str(MAP), *arguments(other, inspected, out, *options)]) == 0
    facts, alone = read(out), read(report)
    assert [row["name"] for row in facts["comparison"]] == ["tiny-map 1", "tiny-map 2"]
    for row, bundle in zip(facts["comparison"], facts["bundles"], strict=True):
        assert bundle.keys() == alone.keys()
        detection = bundle["detection"]
        assert row["image_auroc"] == alone["detection"]["image_auroc"]["fused"]
        assert row["aupro"] == alone["detection"]["aupro"]
        assert row["bytes_mean"] == bundle["compression"]["bytes_mean"]
        assert row["false_alarm_rate"] == 0.1
        assert row["realised_rate"] == detection["verdicts"][0]["realised_rate"]
    page = (out / "report.html").read_text()
    assert page.index("<h2>Comparison") < page.index("<h2>tiny-map 1: Compression")
    assert page.index("<h2>tiny-map 1: Best and worst") < page.index("<h2>tiny-map 2: Compression")
    said = capsys.readouterr().out
    assert said.count("layout mvtec") == 1  # the images are read once
    assert "Comparison of 2 models" in said


def test_models_of_one_name_are_distinguished_by_their_paths(inspected, tmp_path):
    copy, out = tmp_path / "copy", tmp_path / "out"
    shutil.copytree(MAP, copy)
    assert main([str(MAP), *arguments(copy, inspected, out, "--limit-levels", "0")]) == 0
    names = [row["name"] for row in read(out)["comparison"]]
    assert names == [f"tiny-map 1 ({MAP})", f"tiny-map 1 ({copy})"]


def test_gray_and_colour_models_read_the_same_files_in_their_own_way(inspected, tmp_path):
    command = Command(source=(MAP,), data=inspected, out=tmp_path / "out")
    with Reporter(Console(quiet=True), Console(quiet=True)) as reporter:
        tests = read_tests({1, 3}, command, reporter)
    assert tests[1].names == tests[3].names
    assert [tests[channels].images[0].shape for channels in (1, 3)] == [(1, 40, 40), (3, 40, 40)]


def test_a_tar_gives_the_same_numbers_and_the_tables_are_printed(
    report, inspected, tmp_path, capsys
):
    with tarfile.open(tmp_path / "map.tar", "w") as archive:
        for member in MAP.iterdir():
            archive.add(member, member.name)
    out = tmp_path / "out"
    options = ["--limit-levels", "0", "--reference", "2", "--quality", "12", "--pictures", "1"]
    assert main(arguments(tmp_path / "map.tar", inspected, out, *options)) == 0
    facts, before = read(out), read(report)
    assert facts["levels"] == []
    assert facts["exactness"]["records"] == 2
    assert facts["compression"]["quality"] == 12
    assert facts["compression"]["bytes_mean"] > before["compression"]["bytes_mean"]
    assert facts["detection"]["image_auroc"] == before["detection"]["image_auroc"]
    said = capsys.readouterr()
    assert "bytes per record, mean" in said.out
    assert said.out.splitlines()[:2] == [
        f"layout mvtec: 8 normal for training, {GOOD} normal and {DEFECT} defect for testing, "
        f"{DEFECT} with mask",
        "Model tiny-map 1",
    ]
    assert said.err == ""


def test_images_without_labels_are_all_normal(tmp_path):
    rng = np.random.default_rng(6)
    for i in range(3):
        save(tmp_path / "data" / "test" / f"{i}.png", hill(rng, 16))
    out = tmp_path / "out"
    assert main(arguments(BUNDLES / "tiny_bundle", tmp_path / "data", out)) == 0
    facts = read(out)["detection"]
    assert (facts["normal_images"], facts["defect_images"]) == (3, 0)
    assert set(facts["image_auroc"].values()) == {None}
    assert facts["verdicts"][0]["detection_rate"] is None
    assert "AUROC" not in (out / "report.html").read_text()


@pytest.mark.parametrize(("fit", "pixels"), [("resize", 16 * 16), ("tile", 40 * 40)])
def test_models_of_a_fixed_size_take_other_sizes_as_their_manifest_says(
    inspected, tmp_path, fit, pixels
):
    source, path = BUNDLES / "tiny_bundle", tmp_path / "bundle"
    manifest = load_bundle(source).manifest
    members = {name: (source / name).read_bytes() for name in manifest.members}
    write_bundle(path, replace(manifest, input=replace(manifest.input, fit=fit)), members)
    assert main(arguments(path, inspected, tmp_path / "out", "--limit-levels", "2")) == 0
    facts = read(tmp_path / "out")
    sizes = facts["compression"]
    assert sizes["bits_per_pixel"] == pytest.approx(8 * sizes["bytes_mean"] / pixels)
    assert facts["exactness"] == {"records": GOOD + DEFECT, "differences": 0}
    assert facts["detection"]["pixel_auroc"] > 0.5


def test_records_that_are_not_exact_fail_the_command(inspected, tmp_path, monkeypatch):
    unequal = rate_distortion.Exactness(records=11, differences=1)
    monkeypatch.setattr(rate_distortion, "exactness", lambda *_: unequal)
    options = ["--limit-levels", "0"]
    assert main(arguments(MAP, inspected, tmp_path / "out", *options)) == 1
    assert "NOT EXACT" in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.parametrize(
    ("line", "status", "sentence"),
    [
        ("nowhere --data D --out o", 1, "nowhere does not exist; expected a run or a bundle"),
        (
            "D --data D --out o",
            1,
            "neither a run (no best.safetensors) nor a bundle (no manifest.json",
        ),
        ("file.txt --data D --out o", 1, "neither a folder nor an uncompressed tar"),
        ("MAP nowhere --data D --out o", 1, "nowhere does not exist; expected a run or a bundle"),
        ("MAP RUN --data D --out o", 2, "run is a run; several sources are compared if all are"),
        ("--data D --out o", 2, "nothing to evaluate; expected a run, or one or more bundles"),
        (
            "MAP --data nowhere --out o",
            1,
            "nowhere does not exist; expected a folder of images",
        ),
        (
            "MAP --data D/train --out o",
            1,
            "evaluation needs test images: D/train holds only images for training; expected for "
            "example D/train/test/good",
        ),
        ("MAP --data D/test/good --out o", 1, "D/test/good holds only images for training"),
        ("MAP --data empty --out o", 1, "empty holds no image files"),
        ("MAP --data D --out D", 1, "already exists and is not an empty folder"),
        ("MAP --data D --out o --quality 17", 2, "--quality is 17; expected 0..16"),
        ("MAP --data D --out o --false-alarm-rate 0.001", 1, "needs 999 calibration images"),
        ("MAP --data D --out o --false-alarm-rate 0", 2, "expected a number between 0 and 1"),
        ("MAP --data D --out o --threads 0", 2, "--threads is 0; expected 1 to 1024"),
        ("MAP --data D --out o --limit-levels -1", 2, "--limit-levels is -1; expected 0 or more"),
        (
            "TINY --data D --out o",
            1,
            "test/good/0.png: image is 40x40; the model takes exactly 16x16",
        ),
    ],
)
def test_an_error_is_one_sentence_and_nothing_is_written(
    line, status, sentence, inspected, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("no tar")
    (tmp_path / "empty").mkdir()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "best.safetensors").write_bytes(b"")
    names = {"MAP": str(MAP), "RUN": "run", "TINY": str(BUNDLES / "tiny_bundle")}
    words = [names.get(w, w.replace("D", str(inspected), w[0] == "D")) for w in line.split()]
    assert main(words) == status
    said = capsys.readouterr().err
    assert sentence.replace("D/", f"{inspected}/") in said
    assert said.startswith("residuum-evaluate: ")
    assert said.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "file.txt", "run"}


def test_an_error_names_the_file_of_the_image(tmp_path, capsys):
    for i in range(70):
        save(tmp_path / "data" / "test" / f"{i:02d}.png", np.zeros((16, 16 + (i == 68)), np.uint8))
    assert main(arguments(BUNDLES / "tiny_bundle", tmp_path / "data", tmp_path / "out")) == 1
    assert "test/68.png: image is 16x17; the model takes exactly 16x16" in capsys.readouterr().err


def test_an_interrupted_command_writes_nothing(inspected, tmp_path, monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluate, "evaluate_bundle", interrupt)
    assert main(arguments(MAP, inspected, tmp_path / "out")) == 130
    assert "nothing was written" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_wrong_usage_ends_with_status_2(capsys):
    with pytest.raises(SystemExit) as error:
        main(["--no-such-option"])
    assert error.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


WITHOUT_ONNX = """
import json, sys
sys.modules["onnxruntime"] = sys.modules["onnx"] = None
from training.evaluation.evaluate import Command, main, read_tests
from training.evaluation.report.progress import Reporter
for line in sys.argv[1:]:
    print("status", main(json.loads(line)), file=sys.stderr)
"""


@pytest.mark.slow
def test_a_run_is_evaluated_without_onnxruntime_and_a_bundle_is_rejected(inspected, tmp_path):
    run, of_run, of_bundle = (tmp_path / name for name in ("run", "of_run", "of_bundle"))
    options = "--model.height 16 --model.width 16 --model.channels 1 --model.widths 4 8"
    words = ["sigma-vae", "--data", str(inspected), "--out", str(run), *options.split()]
    assert train([*words, "--epochs", "1", "--threads", "1", "--device", "cpu"]) == 0
    lines = [arguments(run, inspected, of_run), arguments(MAP, inspected, of_bundle)]
    command = [sys.executable, "-c", WITHOUT_ONNX, *map(json.dumps, lines)]
    done = finished(command, seconds=240, cwd=BUNDLES.parents[1])
    assert done.stderr.decode().splitlines() == [
        "status 0",
        "residuum-evaluate: evaluating a bundle needs onnxruntime: pip install 'residuum[export]'",
        "status 1",
    ]
    assert read(of_run)["metrics"]["images"] == GOOD
    assert not of_bundle.exists()
