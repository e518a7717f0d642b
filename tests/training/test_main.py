import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from processes import started
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from exporter.__main__ import main as export
from training.__main__ import main
from training.evaluation.evaluate import main as evaluate
from training.run.checkpoint import load_run, read
from training.run.provenance import commit_of

MODEL = "--model.height 16 --model.width 16 --model.widths 4 8 --model.latent 3"
SMALL = f"{MODEL} --model.channels 1 --batch-size 4 --threads 1 --device cpu".split()


def arguments(folder, run, *more: str) -> list[str]:
    return ["sigma-vae", "--data", str(folder), "--out", str(run), *SMALL, *more]


def test_a_folder_becomes_a_run(make_folder, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(arguments(make_folder(), run, "--epochs", "2")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "layout flat: 24 normal for training, none for testing"
    assert "22 training and 2 validation images" in lines[1]
    assert lines[2].startswith("epoch 1/2  loss ")
    assert "images/s" in lines[3]
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


def test_only_the_epochs_of_a_finished_run_can_change(make_folder, tmp_path, capsys):
    folder, run = make_folder(), tmp_path / "run"
    assert main(arguments(folder, run, "--epochs", "1")) == 0
    assert main(arguments(folder, run, "--resume", "--lr", "1")) == 2
    said = capsys.readouterr().err
    assert "only epochs may change; changed: lr" in said
    assert main(arguments(folder, run, "--resume", "--epochs", "2")) == 0
    assert read(run / "last.safetensors").info["state"]["epoch"] == 2


def test_a_run_is_not_resumed_with_another_preset(make_folder, tmp_path, capsys):
    folder, run = make_folder(), tmp_path / "run"
    assert main(arguments(folder, run, "--epochs", "1")) == 0
    other = ["mnist", *arguments(folder, run, "--resume")[1:]]
    assert main(other) == 2
    assert "began with the preset 'sigma-vae', not 'mnist'" in capsys.readouterr().err


def edit(path, change) -> None:
    """Change the metadata of a checkpoint."""
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        info = json.loads(file.metadata()["residuum"])
    change(info)
    save_file(tensors, path, {"residuum": json.dumps(info)})


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda info: info["config"].update(depht=3), "configuration has unknown keys ['depht']"),
        (
            lambda info: info["config"]["model"].update(depht=3),
            "configuration has unknown keys ['model.depht']",
        ),
        (lambda info: info.update(format=9), "has format 9; expected 1"),
    ],
    ids=["unknown field", "unknown field of the model", "another format"],
)
def test_a_checkpoint_of_another_version_is_rejected_in_one_sentence(
    change, sentence, make_folder, tmp_path, capsys
):
    folder, run = make_folder(), tmp_path / "run"
    assert main(arguments(folder, run, "--epochs", "1")) == 0
    edit(run / "last.safetensors", change)
    capsys.readouterr()
    assert main(arguments(folder, run, "--resume", "--epochs", "2")) == 1
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1


def test_a_checkpoint_with_weights_only_cannot_be_resumed(make_folder, tmp_path, capsys):
    folder, run = make_folder(), tmp_path / "run"
    assert main(arguments(folder, run, "--epochs", "1")) == 0
    (run / "best.safetensors").replace(run / "last.safetensors")
    assert main(arguments(folder, run, "--resume", "--epochs", "2")) == 1
    assert "cannot resume: the checkpoint has weights only" in capsys.readouterr().err


def test_an_older_checkpoint_is_resumed_with_defaults(make_folder, tmp_path):
    """Older ones know nothing of early stops and of the controller of He et al."""
    folder, run = make_folder(), tmp_path / "run"
    assert main(arguments(folder, run, "--epochs", "1")) == 0

    def forget(info):
        for name in ("lag", "stale", "lr", "lr_scale"):
            del info["state"][name]

    for name in ("best", "last"):
        edit(run / f"{name}.safetensors", forget)
    assert load_run(run)[0].epochs == 1
    assert main(arguments(folder, run, "--resume", "--epochs", "2")) == 0


def test_the_provenance_is_enough_to_train_the_same_weights(make_folder, tmp_path):
    folder, run = make_folder(), tmp_path / "run"
    first = arguments(folder, run, "--epochs", "1", "--seed", "5")
    assert main(first) == 0
    more = arguments(folder, run, "--resume", "--epochs", "2")
    assert main(more) == 0
    facts = read(run / "last.safetensors").info["provenance"]
    assert facts["command"] == ["residuum-train", *first]
    assert facts["resumed"] == [["residuum-train", *more]]
    assert facts["packages"]["torch"] == torch.__version__
    assert (facts["seed"], facts["threads"], facts["processes"]) == (5, 1, 1)
    assert facts["precision"] == "fp32"
    assert json.loads((run / "config.json").read_text())["provenance"] == facts


def test_the_commit_is_recorded_for_a_checkout_only(tmp_path):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    assert commit_of(tmp_path) is None
    (tmp_path / "a.txt").write_text("1")
    for words in (["init", "-q"], ["add", "a.txt"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    head = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    assert commit_of(tmp_path) == head
    (tmp_path / "a.txt").write_text("2")
    assert commit_of(tmp_path) == f"{head}-dirty"


def test_an_early_stop_is_reported_in_one_line(make_folder, tmp_path, capsys):
    run = tmp_path / "run"
    calm = ["--epochs", "50", "--patience", "2", "--lr", "1e-12", "--ema-decay", "0"]
    assert main(arguments(make_folder(), run, *calm)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith("stopped after epoch ")
    assert lines[-2].endswith(": no better validation loss in 2 epochs (patience 2)")
    assert lines[-1] == f"done: {run / 'best.safetensors'}"


def test_a_loss_that_is_never_finite_ends_the_run_with_a_sentence(make_folder, tmp_path, capsys):
    run = tmp_path / "run"
    wild = ["--epochs", "9", "--sigma", "fixed", "--fixed-variance", "1e-46"]
    assert main(arguments(make_folder(), run, *wild)) == 1
    said = capsys.readouterr().err
    assert "the loss was not finite in any step of epoch 1; lower lr" in said
    assert said.count("\n") == 1
    assert not (run / "best.safetensors").exists()


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
        (
            "fashion --data nowhere --out x",
            1,
            "nowhere does not exist; expected a folder of images",
        ),
        ("fashion --data . --out x --lr 0", 2, "lr is 0.0; a positive number expected"),
        ("fashion --data . --out x --resume", 1, "x holds no run to resume"),
        ("fashion --data . --out x --device cuda:99", 1, "device 'cuda:99' cannot be used here"),
        ("fashion --data . --out x", 1, "holds no image files"),
        ("fashion --data . --out file/x", 1, "file is not a writable folder"),
        ("detect --data . --out file", 1, "file is not a writable folder"),
        ("fashion --data . --out x --device cpu --precision bf16", 1, "17 times slower than fp32"),
    ],
)
def test_an_error_is_one_sentence(line, status, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": False})
    assert main(line.split()) == status
    said = capsys.readouterr().err
    assert sentence in said
    assert said.startswith("residuum-train: ")
    assert said.count("\n") == 1


def test_a_path_that_a_terminal_would_act_on_is_printed_without_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    missing = "\x1b[31mred\nline"
    assert main(["fashion", "--data", missing, "--out", "x"]) == 1
    assert evaluate([missing, "--data", ".", "--out", "x"]) == 1
    monkeypatch.setattr(sys, "argv", ["", missing, "--calibrate", ".", "--out", "x"])
    assert export() == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 3
    assert said.count("\N{REPLACEMENT CHARACTER}[31mred line does not exist") == 3
    assert "\x1b" not in said


def test_help_names_the_presets_and_no_arguments_are_wrong_usage(capsys):
    assert main(["--help"]) == 0
    assert "fashion, pcb, reslag" in capsys.readouterr().out
    assert main([]) == 2


def test_an_unknown_override_is_wrong_usage(tmp_path, capsys):
    with pytest.raises(SystemExit) as error:
        main(["fashion", "--data", ".", "--out", "x", "--learning-rate", "1"])
    assert error.value.code == 2
    assert "--learning-rate" in capsys.readouterr().err


def interrupt(command: list[str], metrics: Path, sign: signal.Signals) -> str:
    """Run the command until it has written the metrics of one more epoch; returns its output."""
    before = metrics.read_text() if metrics.exists() else ""
    words = [sys.executable, "-m", "training", *command]
    with started(words, seconds=240, stdout=subprocess.PIPE) as process:
        while not metrics.exists() or metrics.read_text() == before:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(sign)
        out, _ = process.communicate()
    assert process.returncode == 130
    return out.decode()


@pytest.mark.slow
def test_a_signal_saves_and_the_resumed_run_ends_like_an_undisturbed_one(make_folder, tmp_path):
    """Ctrl-C, then SIGTERM in the resumed run. Neither can come too late: epochs are endless."""
    folder, cut, whole = make_folder(16), tmp_path / "cut", tmp_path / "whole"
    command = arguments(folder, cut, "--lr-schedule", "constant", "--epochs", "1000000")
    for sign, resume in ((signal.SIGINT, []), (signal.SIGTERM, ["--resume"])):
        out = interrupt([*command, *resume], cut / "metrics.jsonl", sign)
        assert "interrupted and saved in epoch" in out
    epochs = str(read(cut / "last.safetensors").info["state"]["epoch"] + 2)
    assert main([*command, "--resume", "--epochs", epochs]) == 0
    assert main(arguments(folder, whole, "--lr-schedule", "constant", "--epochs", epochs)) == 0
    resumed, expected = (read(run / "last.safetensors").tensors for run in (cut, whole))
    assert all(resumed[name].equal(tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("threads", ["-1", "100000"])
def test_an_impossible_number_of_threads_is_wrong_usage(tmp_path, capfd, threads):
    words = ["fashion", "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    assert main([*words, "--threads", threads]) == 2
    sentence = f"residuum-train: --threads is {threads}; expected 0 to 1024"
    assert " ".join(capfd.readouterr().err.split()) == sentence
