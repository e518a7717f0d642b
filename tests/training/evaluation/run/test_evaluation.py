"""Reports of tiny runs, trained on drawn images in the layout of MVTec AD."""

import json
import math
import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.decomposition import PCA

from training.__main__ import main as train
from training.data import datasets as data
from training.data.labelled import labelled_test
from training.evaluation.evaluate import main
from training.run import checkpoint
from training.run.checkpoint import load_run
from training.run.start import new_state

pytestmark = pytest.mark.slow

GOOD, DEFECT, EPOCHS = 6, 5, 8


def write_hills(folder, count, seed, scratch=False):
    """Gray hills of 40x40 at random places, with or without a dark scratch."""
    rng, (y, x) = np.random.default_rng(seed), np.mgrid[:40, :40]
    folder.mkdir(parents=True)
    for i in range(count):
        row, column, width = rng.uniform((8, 8, 3), (32, 32, 8))
        image = 70 + 120 * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2))
        if scratch:
            image[10 + i : 13 + i, 5:30] = 0
        Image.fromarray(image.astype(np.uint8)).save(folder / f"{i}.png")


@pytest.fixture(scope="module")
def inspected(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inspected")
    write_hills(folder / "train" / "good", 8, 0)
    write_hills(folder / "test" / "good", GOOD, 1)
    write_hills(folder / "test" / "scratch", DEFECT, 2, scratch=True)
    return folder


def read(out):
    return json.loads((out / "report.json").read_text())


SIZED = "--model.height 16 --model.width 16 --model.widths 4 8"
CROPPED = "--crop 16 --epoch-steps 2 --model.widths 4 8"
RUNS = {
    "vector": ("sigma-vae", f"{SIZED} --beta 0.01"),
    "autoencoder": (
        "sigma-vae",
        f"{SIZED} --model.family autoencoder --distortion squared --regulariser none",
    ),
    "map": ("sigma-vae-map", f"{CROPPED} --kl-warmup-steps 0 --beta 0.01"),
    "indices": ("vq-vae", f"{CROPPED} --model.codebook 8"),
}


@pytest.fixture(scope="module")
def report_of(inspected, tmp_path_factory):
    """Trains and evaluates a tiny run of a kind, once: (its folder, that of its report)."""

    @cache
    def make(kind):
        (preset, options), folder = RUNS[kind], tmp_path_factory.mktemp(kind)
        run, out = folder / "run", folder / "report"
        train_tiny(preset, inspected, run, f"--epochs {EPOCHS} {options}")
        assert main([str(run), "--data", str(inspected), "--out", str(out)]) == 0
        return run, out

    return make


def train_tiny(preset, folder, run, options):
    common = (
        "--model.channels 1 --model.latent 3 --batch-size 4 --threads 1 --lr 1e-2 --ema-decay 0"
    )
    words = [preset, "--data", str(folder), "--out", str(run), *common.split(), *options.split()]
    assert train(words) == 0


KINDS = pytest.mark.parametrize("kind", RUNS)
MEASURES = {
    "vector": {"elbo", "bits_per_dimension", "total_legacy", "total_true", "mi", "mmd", "pca_rec"},
    "autoencoder": {"active_units", "mmd", "pca_rec", "pca_psnr"},
    "map": {"elbo", "bits_per_dimension", "total_legacy", "total_true", "collapsed_units"},
    "indices": {"code_usage", "perplexity", "commitment"},
}


@KINDS
def test_a_run_is_measured_on_its_normal_test_images(report_of, kind):
    run, out = report_of(kind)
    facts = read(out)
    assert (facts["run"], facts["epochs"]) == ("run", EPOCHS)
    assert facts["defect_images_left_out"] == DEFECT
    found = facts["metrics"]
    assert found["images"] == found["ssim_images"] == GOOD
    assert found.keys() >= MEASURES[kind] | {"rec", "psnr", "psnr_image", "ssim"}
    pixels = 40 * 40 if kind in ("map", "indices") else 16 * 16
    rec = found.get("rec_mean", found["rec"])
    assert found["psnr"] == pytest.approx(-10 * np.log10(rec / pixels), abs=1e-3)
    assert facts["held_out"] == facts["history"][facts["epoch"] - 1]
    assert len((run / "metrics.jsonl").read_text().splitlines()) == len(facts["history"])


@KINDS
def test_the_report_of_a_run_is_one_page_that_loads_nothing(report_of, kind):
    _, out = report_of(kind)
    page = (out / "report.html").read_text()
    assert "http" not in page
    moved = read(out)["metrics"].get("active_units", 0) > 0
    pictures = 3 if kind == "indices" else 6 + moved
    assert page.count("<img") == page.count("data:image/png;base64,") == pictures
    assert ("No latent varies with the image" in page) == (kind != "indices" and not moved)
    assert "<link" not in page
    assert "<script" not in page
    for title in ("Reconstructions", "Samples of the", "Training"):
        assert f"<h2>{title}" in page
    assert ("<h2>t-SNE" in page) == (kind != "indices")


@KINDS
def test_every_row_has_a_unit_and_every_table_names_its_images(report_of, kind):
    page = (report_of(kind)[1] / "report.html").read_text()
    rows = re.findall("<tr><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td></tr>", page)
    assert len(rows) == page.count("<tr><td>") > 8
    assert all(float(value) == float(value) and unit for _, value, unit in rows)
    tables = page.split("<h2>")[1:]
    assert all(
        text.startswith(("Test images:", "Held-out images")) for text in tables if "<table>" in text
    )


@KINDS
def test_the_pca_row_is_the_error_of_scikit_learn(report_of, kind, inspected):
    run, out = report_of(kind)
    found = read(out)["metrics"]
    if kind in ("map", "indices"):
        assert "pca_rec" not in found
        assert "Omitted: the latents" in (out / "report.html").read_text()
        return
    config = load_run(run)[0]
    training, _ = data.training_and_validation(config.data, inspected)
    test = labelled_test(config.data, inspected)
    normal = np.stack(list(test.images))[~test.defect]
    rows, columns = (np.reshape(a, (len(a), -1)) / 255.0 for a in (training, normal))
    pca = PCA(3).fit(rows)
    error = (columns - pca.inverse_transform(pca.transform(columns))) ** 2
    assert found["pca_rec"] == pytest.approx(error.sum(1).mean(), rel=1e-3)
    assert found["pca_psnr"] == pytest.approx(-10 * np.log10(error.mean()), abs=0.01)


def test_other_training_images_give_no_pca_baseline(tmp_path):
    for seed, name in enumerate(("mine", "other")):
        write_hills(tmp_path / name / "train", 8, seed)
        write_hills(tmp_path / name / "test", 4, 9)
    run, out = tmp_path / "run", tmp_path / "out"
    train_tiny("sigma-vae", tmp_path / "mine", run, f"{SIZED} --epochs 1")
    assert main([str(run), "--data", str(tmp_path / "other"), "--out", str(out)]) == 0
    assert "pca_rec" not in read(tmp_path / "out")["metrics"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "are not those of the run" in page
    assert "the data folder has no labels" in page


def test_a_run_that_diverged_has_a_report_without_nan(inspected, tmp_path, tiny):
    state = new_state(replace(tiny["reslag"], ema_decay=0.0), torch.device("cpu"))
    with torch.no_grad():
        for parameter in state.model.parameters():
            parameter.fill_(math.nan)
    state.history = [{"epoch": 1, "loss": math.nan, "psnr": math.inf, "lr": 0.1}]
    run, out = tmp_path / "run", tmp_path / "out"
    run.mkdir()
    checkpoint.save(run, state, {"data_sha256": ""}, best=True)
    assert main([str(run), "--data", str(inspected), "--out", str(out)]) == 0
    facts = json.loads((out / "report.json").read_text(), parse_constant=pytest.fail)
    assert facts["history"] == [{"epoch": 1, "loss": None, "psnr": None, "lr": 0.1}]
    assert facts["metrics"]["rec"] is None
    assert "codes that are not finite" in (out / "report.html").read_text()


def test_the_curves_continue_after_the_best_epoch(report_of, inspected, tmp_path):
    run, _ = report_of("vector")
    history = checkpoint.read(run / "last.safetensors").info["history"]
    assert [record["epoch"] for record in history] == list(range(1, EPOCHS + 1))
    copy = tmp_path / "run"
    copy.mkdir()
    (copy / "best.safetensors").write_bytes((run / "best.safetensors").read_bytes())
    (copy / "last.safetensors").write_bytes(b"damaged")
    assert main([str(copy), "--data", str(inspected), "--out", str(tmp_path / "out")]) == 0
    facts = read(tmp_path / "out")
    assert facts["epochs"] == facts["epoch"] <= EPOCHS
    assert facts["history"] == history[: facts["epoch"]]
