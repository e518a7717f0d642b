"""Real processes that are killed, and real files that cannot be written."""

import multiprocessing
import os
import random
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.__main__ import main
from training.run.checkpoint import read
from training.run.files import BEST, LAST

pytestmark = pytest.mark.slow

# Its server imports torch once, and every process starts from there in milliseconds.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["training.__main__"])
# `make bench-kill` asks for 20.
KILLS = int(os.environ.get("RESIDUUM_KILLS", "3"))
EPOCHS = 2 * KILLS
NETWORK = "--model.height 16 --model.width 16 --model.widths 4 8 --model.latent 3"
TINY = f"{NETWORK} --model.channels 1 --batch-size 4 --lr-schedule constant --flip"
# Most seconds between the first checkpoint of a process and its end.
LONGEST = 0.5


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for i in range(80):
        values = np.sort(rng.integers(0, 256, (16, 16), np.uint8), axis=i % 2)
        Image.fromarray(values).save(path / f"{i:03d}.png")
    return path


def arguments(folder: Path, run: Path, *more: str) -> list[str]:
    places = ["--data", str(folder), "--out", str(run), "--epochs", str(EPOCHS)]
    resume = ["--resume"] if (run / LAST).exists() else []
    machine = ["--threads", "1", "--device", "cpu"]
    return ["sigma-vae", *places, *TINY.split(), *machine, *resume, *more]


def start(folder: Path, run: Path) -> BaseProcess:
    words = [*arguments(folder, run), "--save-every", "0"]
    process = PROCESSES.Process(target=main, args=(words,))
    process.start()
    return process


@pytest.fixture(scope="module")
def undisturbed(folder, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    assert main(arguments(folder, run)) == 0
    return run


def progress(run: Path) -> tuple[int, ...]:
    """A value that changes whenever a checkpoint is written."""
    path = run / LAST
    return (path.stat().st_mtime_ns, path.stat().st_ino) if path.exists() else ()


def kill_at_a_random_moment(folder: Path, run: Path, rng: random.Random) -> bool:
    """Return True if the process was killed before it was done."""
    before = progress(run)
    process = start(folder, run)
    while progress(run) == before and process.is_alive():
        time.sleep(0.001)
    time.sleep(rng.uniform(0, LONGEST))
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def assert_same_weights(run: Path, expected: Path) -> None:
    for name in (LAST, BEST):
        found, wanted = read(run / name), read(expected / name)
        assert found.tensors.keys() == wanted.tensors.keys()
        for key, tensor in wanted.tensors.items():
            assert found.tensors[key].numpy().tobytes() == tensor.numpy().tobytes(), key
        for part in ("config", "state", "history"):
            assert found.info[part] == wanted.info[part]
    metrics = (path / "metrics.jsonl" for path in (run, expected))
    assert len({path.read_text() for path in metrics}) == 1


@pytest.mark.timeout(1200)
def test_a_run_killed_at_random_moments_ends_like_an_undisturbed_one(folder, undisturbed, tmp_path):
    rng, run = random.Random(0), tmp_path / "run"  # noqa: S311
    killed = sum(kill_at_a_random_moment(folder, run, rng) for _ in range(KILLS))
    left = read(run / LAST).info["state"]
    print(f"{killed} of {KILLS} processes killed; then epoch {left['epoch']} of {EPOCHS}")
    assert killed >= 0.9 * KILLS
    assert main(arguments(folder, run)) == 0
    assert_same_weights(run, undisturbed)
    assert not list(run.glob(".*"))


def test_a_kill_during_a_write_keeps_the_old_checkpoint_and_resume_removes_the_remains(
    folder, undisturbed, tmp_path
):
    run, remains = tmp_path / "run", f".{LAST}.*.tmp"
    while not list(run.glob(remains)):
        process = start(folder, run)
        while not (run / LAST).exists() or not list(run.glob(remains)):
            assert process.is_alive()
            time.sleep(0.0002)
        process.kill()
        process.join()
    step = read(run / LAST).info["state"]["step"]
    assert step < read(undisturbed / LAST).info["state"]["step"]
    assert main(arguments(folder, run)) == 0
    assert not list(run.glob(".*"))
    assert_same_weights(run, undisturbed)


def test_a_kill_before_the_first_checkpoint_allows_a_new_run(folder, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / f".{LAST}.12345.tmp").write_bytes(b"half a checkpoint")
    assert main(arguments(folder, run, "--epochs", "1")) == 0
    assert not list(run.glob(".*"))


@pytest.mark.parametrize("size", [2**12, 2**16], ids=["nothing fits", "best fits, last does not"])
def test_a_full_disk_is_one_sentence_and_the_run_resumes_later(
    size, folder, undisturbed, tmp_path, capsys, files_of_at_most
):
    run = tmp_path / "run"
    assert main(arguments(folder, run, "--epochs", "1")) == 0
    before = (run / LAST).read_bytes()
    assert (run / BEST).stat().st_size < 2**16 < len(before)
    with files_of_at_most(size):
        assert main(arguments(folder, run)) == 1
    said = capsys.readouterr().err
    assert said.startswith("residuum-train: ")
    assert said.count("\n") == 1
    assert "bytes) cannot be written: File too large; the old file is kept" in said
    assert not list(run.glob(".*"))
    assert (run / LAST).read_bytes() == before
    assert main(arguments(folder, run)) == 0
    assert_same_weights(run, undisturbed)


def test_a_disk_that_is_full_from_the_start_is_one_sentence(
    folder, tmp_path, capsys, files_of_at_most
):
    with files_of_at_most(1000):
        assert main(arguments(folder, tmp_path / "run")) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "cannot be written: File too large" in said
    assert list((tmp_path / "run").iterdir()) == []
