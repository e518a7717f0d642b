import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from training.__main__ import main
from training.checkpoint import load_run, read

MODEL = "--model.height 16 --model.width 16 --model.widths 4 8 --model.latent 3"
SMALL = f"{MODEL} --model.channels 1 --batch-size 4 --threads 1 --device cpu".split()


def arguments(folder, run, *more: str) -> list[str]:
    return ["sigma-vae", "--data", str(folder), "--out", str(run), *SMALL, *more]


def test_a_folder_becomes_a_run(make_folder, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(arguments(make_folder(), run, "--epochs", "2")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "22 training and 2 validation images" in lines[0]
    assert lines[1].startswith("epoch 1/2  loss ")
    assert "images/s" in lines[2]
    assert lines[-1] == f"done: {run / 'best.safetensors'}"
    config, model, info = load_run(run)
    assert (config.epochs, model.config.latent) == (2, 3)
    assert info["provenance"]["command"][1] == "sigma-vae"
    assert len(info["provenance"]["data_sha256"]) == 64
    assert json.loads((run / "config.json").read_text())["config"]["epochs"] == 2
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 2


def test_the_sample_picture_shows_originals_above_reconstructions(make_folder, tmp_path):
    run, folder = tmp_path / "run", make_folder()
    assert main(arguments(folder, run, "--epochs", "1")) == 0
    with Image.open(run / "samples" / "epoch_0001.png") as sheet:
        assert sheet.size == (2 * 16, 2 * 16)
        top = np.asarray(sheet)[:16, :16]
    assert any(np.array_equal(top, np.asarray(Image.open(p))) for p in folder.iterdir())


def test_an_existing_run_is_not_overwritten(make_folder, tmp_path, capsys):
    folder, run = make_folder(), tmp_path / "run"
    run.mkdir()
    (run / "thesis.txt").write_text("years of work")
    assert main(arguments(folder, run)) == 1
    assert "is not empty; use --resume or another --out" in capsys.readouterr().err
    assert [path.name for path in run.iterdir()] == ["thesis.txt"]


def test_a_finished_run_can_be_made_longer_and_only_that(make_folder, tmp_path, capsys):
    folder, run = make_folder(), tmp_path / "run"
    assert main(arguments(folder, run, "--epochs", "1")) == 0
    assert main(arguments(folder, run, "--resume", "--lr", "1")) == 2
    assert "only --epochs may be changed" in capsys.readouterr().err
    assert main(arguments(folder, run, "--resume", "--epochs", "2")) == 0
    assert read(run / "last.safetensors").info["state"]["epoch"] == 2


def test_a_run_is_not_resumed_with_other_images(make_folder, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(arguments(make_folder(), run, "--epochs", "1")) == 0
    other = make_folder(name="other", channels=3, count=30)
    assert main(arguments(other, run, "--resume", "--epochs", "2")) == 1
    assert "are not those that the run in" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "status", "sentence"),
    [
        ("fashoin --data . --out x", 2, "--help lists them; did you mean 'fashion'?"),
        ("fashion --data nowhere --out x", 1, "data folder nowhere does not exist"),
        ("fashion --data . --out x --lr 0", 2, "lr is 0.0; a positive number expected"),
        ("fashion --data . --out x --resume", 2, "x/last.safetensors does not exist"),
        ("fashion --data . --out x --device cuda:99", 1, "device 'cuda:99' cannot be used here"),
        ("fashion --data . --out x", 1, "holds no image files"),
    ],
)
def test_an_error_is_one_sentence(line, status, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(line.split()) == status
    said = capsys.readouterr().err
    assert sentence in said
    assert said.startswith("residuum-train: ")
    assert said.count("\n") == 1


def test_help_names_the_presets_and_no_arguments_are_wrong_usage(capsys):
    assert main(["--help"]) == 0
    assert "fashion, pcb, reslag" in capsys.readouterr().out
    assert main([]) == 2


def test_an_unknown_override_is_wrong_usage(tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        main(["fashion", "--data", ".", "--out", "x", "--learning-rate", "1"])
    assert error.value.code == 2
    assert "--learning-rate" in capsys.readouterr().err


def start(command: list[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "training", *command], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_the_resumed_run_ends_like_an_undisturbed_one(
    sign, make_folder, tmp_path
):
    folder = make_folder(40)
    cut, whole = tmp_path / "cut", tmp_path / "whole"
    long = ["--epochs", "30"]
    process = start(arguments(folder, cut, *long))
    while not (cut / "metrics.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(sign)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted and saved in epoch" in out
    assert main(arguments(folder, cut, *long, "--resume")) == 0
    assert main(arguments(folder, whole, *long)) == 0
    found, expected = (read(run / "last.safetensors").tensors for run in (cut, whole))
    assert all(found[name].equal(tensor) for name, tensor in expected.items())
