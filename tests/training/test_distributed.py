"""Two real processes that talk over gloo, against one process with the same global batches."""

import dataclasses
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training.__main__ import main
from training.cli.progress import Silent
from training.config.model import ModelConfig
from training.config.objective import ObjectiveConfig
from training.config.run import TrainConfig, to_json
from training.data.batches import make_batches
from training.distributed import ProcessGroup, check_batch_size
from training.errors import TrainingError
from training.loop import loop
from training.run.checkpoint import read
from training.run.start import init_from_images, new_state

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PLAIN = TrainConfig(
    model=ModelConfig(family="sigma_vae", height=16, width=16, latent=4, widths=(4, 8), depth=1),
    epochs=2,
    batch_size=8,
    epoch_steps=4,
    validation_fraction=0.25,
    lr=5e-4,
)
MAP = dataclasses.replace(
    PLAIN, model=ModelConfig(family="sigma_vae_map", latent=4, widths=(4, 8)), crop=16
)
INDICES = dataclasses.replace(
    MAP, model=ModelConfig(family="vq_vae", latent=4, widths=(4, 8), codebook=16), ema_decay=0.0
)


def vae(**objective: object) -> TrainConfig:
    return dataclasses.replace(PLAIN, objective=ObjectiveConfig(**objective))


CASES = {
    "optimal variance": dataclasses.replace(PLAIN, flip=True),
    "learned variance": vae(sigma="pixel"),
    "free bits": vae(regulariser="free_bits", free_bits=0.5),
    "mmd": vae(regulariser="info"),
    "total correlation": vae(regulariser="beta_tc"),
    "dip": vae(regulariser="dip"),
    "geco": vae(distortion="squared", target_psnr=15.0),
    # Its codes go through BatchNorm1d.
    "autoencoder": dataclasses.replace(
        PLAIN,
        model=dataclasses.replace(PLAIN.model, family="autoencoder", hidden=(16,)),
        objective=ObjectiveConfig(
            distortion="squared", regulariser="none", sparsity=0.1, contraction=0.1
        ),
    ),
    "denoising": dataclasses.replace(PLAIN, masking=0.3, corruptions=1.0),
    "controller": dataclasses.replace(
        PLAIN, aggressive_epochs=1, aggressive_until_mi=True, epoch_steps=1
    ),
    "map": dataclasses.replace(
        MAP, rotate=True, corruptions=1.0, objective=ObjectiveConfig(regulariser="info")
    ),
    "decoded": dataclasses.replace(MAP, decoded_fraction=0.4),
    "vq_vae": INDICES,
    # Codes start as means, so their first gradients are roundings, which Adam makes as large as lr.
    "vq_vae by loss": dataclasses.replace(
        INDICES, objective=ObjectiveConfig(codebook_update="loss"), lr=5e-6
    ),
}

PROGRAM = """
import json, sys
import numpy as np, torch
from training.loop import loop
from training.data.batches import make_batches
from training.config.run import from_json
from training.distributed import join, leave
from training.cli.progress import Silent
from training.run.start import init_from_images, new_state

configs, pictures, out = sys.argv[1:]
torch.set_num_threads(1)
device, images = torch.device("cpu"), np.load(pictures)
group, histories = join(device), {}
for name, values in json.loads(configs).items():
    state = new_state(from_json(values), device, group)
    init_from_images(state, images)
    batches = make_batches(state.config, images, device, group)
    loop.train(state, batches, images[:8], log=Silent(), save=lambda *_: None)
    histories[name] = state.history
if group.rank == 0:
    open(out, "w").write(json.dumps(histories))
leave()
"""


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def torchrun(*command: str) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return [*launcher, "--nproc-per-node", "2", *command]


def start_two(*command: str, **options: Any) -> list[subprocess.Popen[str]]:
    """Two processes with the environment that torchrun gives them, without its launcher."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    return [
        subprocess.Popen(
            [sys.executable, *command],
            env=environment() | shared | {"RANK": rank, "LOCAL_RANK": rank},
            cwd=ROOT,
            text=True,
            **options,
        )
        for rank in ("0", "1")
    ]


@pytest.fixture(scope="module")
def histories(tmp_path_factory) -> tuple[dict, dict]:
    """The records of each case, trained by one process and by two."""
    folder = tmp_path_factory.mktemp("ddp")
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:16, :16]
    bows = [128 + 100 * np.sin(a * x + b * y) for a, b in rng.uniform(0, 1, (40, 2))]
    np.save(folder / "images.npy", np.stack(bows)[:, None].astype(np.uint8))
    (folder / "program.py").write_text(PROGRAM)
    configs = json.dumps({name: to_json(config) for name, config in CASES.items()})
    places = [str(folder / name) for name in ("program.py", "images.npy", "two.json")]
    processes = start_two(places[0], configs, *places[1:])
    images = np.load(folder / "images.npy")
    one = {name: train_alone(config, images) for name, config in CASES.items()}
    assert [process.wait() for process in processes] == [0, 0]
    return one, json.loads((folder / "two.json").read_text())


def train_alone(config: TrainConfig, images: np.ndarray) -> list[dict[str, Any]]:
    """The records of the epochs, trained in this process."""
    state = new_state(config, torch.device("cpu"))
    init_from_images(state, images)
    batches = make_batches(config, images)
    loop.train(state, batches, images[:8], log=Silent(), save=lambda *_: None)
    return state.history


@pytest.mark.parametrize("case", CASES)
def test_two_processes_have_the_loss_curve_of_one(case, histories):
    one, two = (history[case] for history in histories)
    assert len(one) == len(two) == 2
    for expected, record in zip(one, two, strict=True):
        assert record == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_rows_are_equal_parts_in_the_order_of_the_processes():
    parts = [list(range(12))[ProcessGroup(rank, 3).rows(12)] for rank in range(3)]
    assert parts == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]


def test_a_batch_that_cannot_be_shared_is_refused():
    sentence = "batch_size is 10, which 4 processes cannot share; a multiple of 4 expected"
    with pytest.raises(TrainingError, match=sentence):
        check_batch_size(ProcessGroup(0, 4), 10)


MODEL = "--model.height 16 --model.width 16 --model.widths 4 8 --model.latent 3"
SMALL = f"{MODEL} --model.channels 1 --batch-size 4 --threads 1 --device cpu".split()


def command(folder: Path, run: Path, *more: str) -> list[str]:
    return ["-m", "training", "sigma-vae", "--data", str(folder), "--out", str(run), *SMALL, *more]


def test_torchrun_trains_one_run_and_saves_it_once_on_sigterm(make_folder, tmp_path):
    folder, run = make_folder(40), tmp_path / "run"
    process = subprocess.Popen(
        torchrun(*command(folder, run, "--epochs", "500")),
        env=environment(),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (run / "metrics.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=60)
    assert out.count("36 training and 4 validation images") == 1
    assert out.count("interrupted and saved in epoch") == 1
    assert str(ROOT / "training") not in errors  # no traceback of ours; torchrun prints its own
    assert {path.name for path in run.iterdir()} == {
        "best.safetensors",
        "config.json",
        "last.safetensors",
        "metrics.jsonl",
        "samples",
    }
    saved = read(run / "last.safetensors").info
    assert saved["provenance"]["processes"] == 2
    assert 1 <= saved["state"]["epoch"] < 500
    epochs = str(saved["state"]["epoch"] + 1)
    assert main(command(folder, run, "--resume", "--epochs", epochs)[2:]) == 0
    assert len((run / "metrics.jsonl").read_text().splitlines()) == int(epochs)


def test_an_error_in_one_of_the_processes_is_a_sentence_of_each(make_folder, tmp_path):
    """Only the first process writes. The other one reports that a process has ended."""
    processes = start_two(
        *command(make_folder(40), tmp_path / "run"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )
    first, second = (process.communicate(timeout=120)[1] for process in processes)
    assert [process.returncode for process in processes] == [1, 1]
    assert first.count("cannot be written: File too large") == 1
    assert "residuum-train (process 1): another process of this run has ended" in second
    assert str(ROOT / "training") not in first + second
