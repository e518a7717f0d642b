"""`residuum-train detect` from a folder of files to a run, with as few steps as possible."""

import hashlib
import json
import shutil

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from training.__main__ import main
from training.run.checkpoint import load_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    rng = np.random.default_rng(0)
    data = tmp_path_factory.mktemp("parts")
    for number in range(24):
        coarse = rng.integers(0, 256, (10, 10)).astype(np.uint8)
        image = Image.fromarray(np.kron(coarse, np.ones((4, 4), np.uint8)))
        image.save(data / f"{number:02d}.png")
    return data


def detect(folder, run, *options):
    return main(["detect", "--data", str(folder), "--out", str(run), "--threads", "1", *options])


def digests(run):
    """Of the weights alone: the files also hold the command and its folder."""
    names = ("best.safetensors", "segmenter.safetensors")
    weights = [tensor for name in names for _, tensor in sorted(load_file(run / name).items())]
    return [hashlib.sha256(tensor.numpy().tobytes()).hexdigest() for tensor in weights]


@pytest.mark.slow
def test_a_number_of_steps_gives_the_same_weights_each_time(folder, tmp_path, capsys):
    assert detect(folder, tmp_path / "a", "--steps", "4") == 0
    said = capsys.readouterr().out
    assert "24 gray images of 40x40 pixels" in said
    assert "next: residuum-export" in said
    assert "then: residuum score IMAGES --bundle" in said  # there are no test images
    assert (tmp_path / "a" / "train.log").read_text().count("gray images of 40x40") == 1
    assert detect(folder, tmp_path / "b", "--steps", "4", "--workers", "2") == 0
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert detect(folder, tmp_path / "a", "--resume") == 0
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


@pytest.mark.slow
def test_no_time_leaves_a_run_that_can_be_exported_and_says_what_it_can_do(
    folder, tmp_path, capsys
):
    tree = tmp_path / "tree"
    shutil.copytree(folder, tree / "train" / "good")
    (tree / "test" / "bad").mkdir(parents=True)
    shutil.copy(folder / "00.png", tree / "test" / "bad")
    assert detect(tree, tmp_path / "run", "--minutes", "0") == 0
    said = capsys.readouterr().out
    assert "then: residuum-evaluate" in said
    assert "only the detectors that residuum-export fits to the images" in said
    assert load_run(tmp_path / "run")[0].defects > 0
    assert not (tmp_path / "run" / "segmenter.safetensors").exists()


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--minutes", "-1"], 2, "--minutes is -1.0; expected 0 or more"),
        (["--minutes", "nan"], 2, "--minutes is nan"),
        (["--steps", "-3"], 2, "--steps is -3"),
        (["--resume"], 1, "holds no run to resume"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    folder, tmp_path, capsys, options, status, words
):
    assert detect(folder, tmp_path / "run", *options) == status
    assert words in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_folder_with_few_images_is_refused_before_anything_is_written(tmp_path, capsys):
    data = tmp_path / "few"
    data.mkdir()
    for number in range(5):
        Image.new("L", (40, 40), 40 * number).save(data / f"{number}.png")
    assert detect(data, tmp_path / "run") == 1
    assert "normal images; at least 20 are needed" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_kinds_of_training_images_are_named_since_all_count_as_normal(folder, tmp_path, capsys):
    for kind in ("cat", "dog"):
        shutil.copytree(folder, tmp_path / "data" / kind)
    run = tmp_path / "run"
    assert detect(tmp_path / "data", run, "--steps", "1", "--no-segmenter") == 0
    said = capsys.readouterr().out
    assert "the images for training are of 2 kinds (cat, dog), which all count as normal" in said
    kept = json.loads((run / "config.json").read_text())["provenance"]["detect"]
    assert kept["facts"]["count"] == 48
    assert any("2 kinds (cat, dog)" in sentence for sentence in kept["sentences"])


def test_several_processes_are_refused(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert detect(folder, tmp_path / "run") == 2
    assert "'detect' trains in one process; start it without torchrun" in capsys.readouterr().err


def test_a_run_of_a_preset_is_not_continued_by_detect(folder, tmp_path, capsys):
    run = tmp_path / "run"
    tiny = ["--epochs", "1", "--epoch-steps", "1", "--batch-size", "2", "--crop", "32"]
    model = ["--model.widths", "4", "4", "--model.latent", "2", "--model.channels", "1"]
    words = ["sigma-vae-map", "--data", str(folder), "--out", str(run), *tiny, *model]
    assert main(words) == 0
    assert detect(folder, run, "--resume") == 2
    assert "began with a preset, not with 'detect'" in capsys.readouterr().err
