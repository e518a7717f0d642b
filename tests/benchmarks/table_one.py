"""Train and measure cells of the ResLag report's Table 1; prints them next to the report's figures.

    python tests/benchmarks/table_one.py --data DATA [--only mnist/*] [--epochs N] [--seeds 3]

DATA holds a folder for each data set. A run that exists under --runs is measured, not trained anew.
"""

from __future__ import annotations

import fnmatch
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import tyro

from training.data.datasets import images, training_and_validation
from training.data.image_files import digest
from training.evaluation.run.metrics import evaluation_state, pca_metrics, run_metrics
from training.models.pca import fit_pca, pixel_variance
from training.presets import PRESETS
from training.run.checkpoint import BEST

FOLDERS = {
    "mnist": "mnist",
    "fashion": "fashion_mnist",
    "cifar10": "cifar10_jpeg",
    "faces": "faces_lfw_gray64",
}


class Reported(NamedTuple):
    """A cell of Table 1; Lat of the beta and MMD rows is a mean over the latents."""

    rec: float
    lat: float | None = None
    total: float | None = None


# What the report measured on its validation sets; its faces are CelebA and no match for ours.
REPORT = {
    "mnist/autoencoder": Reported(15.9744),
    "mnist/beta-vae": Reported(19.2091, 1.9357, 26.9521),
    "mnist/mmd-vae": Reported(16.5469, 7.7451, 32.2647),
    "mnist/sigma-vae": Reported(16.7185, 14.5885, -817.6128),
    "mnist/lagging-vae": Reported(17.2930, 14.3803, -813.4669),
    "fashion/autoencoder": Reported(9.2723),
    "fashion/beta-vae": Reported(13.0418, 1.1286, 17.5560),
    "fashion/mmd-vae": Reported(8.2899, 7.2997, 13.3387),
    "fashion/sigma-vae": Reported(12.1918, 14.1663, -751.9987),
    "fashion/lagging-vae": Reported(11.2207, 15.7382, -756.4432),
    "cifar10/autoencoder": Reported(16.5963),
    "cifar10/beta-vae": Reported(18.0926, 1.7194, 23.2508),
    "cifar10/mmd-vae": Reported(20.3646, 11.6778, 20.9576),
    "cifar10/sigma-vae": Reported(22.0229, 101.4148, -3961.8050),
    "cifar10/reslag": Reported(22.7998, 100.2814, -3964.9472),
    "cifar10/reslag-light": Reported(21.8595, 101.2951, -3971.4712),
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to train and measure."""

    data: Path
    """folder of the data sets"""
    runs: Path = Path("build/reproduce")
    """folder of the runs, DATASET/MODEL/SEED each"""
    only: str = "*"
    """pattern of DATASET/MODEL; MODEL `ours` is that of the presets ours/DATASET"""
    epochs: int = 0
    """epochs of each run that is trained now; 0 = those of the preset"""
    seeds: int = 1
    threads: int = 1
    """CPU threads"""


def cells(pattern: str) -> list[str]:
    """DATASET/MODEL of all presets that match and whose data are at hand."""
    names = [name.split("/") for name in PRESETS if "/" in name]
    known = [f"{n[1]}/{n[2]}" if n[0] == "reproduce" else f"{n[1]}/ours" for n in names]
    return [k for k in known if k.split("/")[0] in FOLDERS and fnmatch.fnmatch(k, pattern)]


def main() -> None:
    """Trains what is missing and prints the table."""
    options = tyro.cli(Options)
    torch.set_num_threads(options.threads)
    rows = []
    for cell in cells(options.only):
        found = [measure(options, cell, seed) for seed in range(options.seeds)]
        rows.append(row(cell, [one for one in found if one]))
    head = "| cell | report: Rec, Lat, Total | Rec of a sample, of the mean | Lat | Total | runs |"
    print("\n".join([head, "|---|---|---|---|---|---|", *filter(None, rows)]))


def measure(options: Options, cell: str, seed: int) -> dict[str, float]:
    """Figures of one run on the test images, kept in the run's folder."""
    run = options.runs / cell / str(seed)
    if not (run / BEST).exists():
        train(options, cell, seed, run)
    kept = run / "test.json"
    if kept.exists() and kept.stat().st_mtime > (run / BEST).stat().st_mtime:
        return dict(json.loads(kept.read_text()))
    folder = options.data / FOLDERS[cell.split("/")[0]]
    state, info = evaluation_state(run)
    test = images(state.config.data, folder, "test")
    training = training_and_validation(state.config.data, folder)[0]
    state.data_variance = state.data_variance or pixel_variance(training)
    found = run_metrics(state, test)
    found |= pca_metrics(fit_pca(training, state.config.model.latent), test)
    found |= {"epochs": info["metrics"]["epoch"], "test_sha256": digest(test)}
    kept.write_text(json.dumps(found, indent=1))
    print(cell, seed, f"Rec {found['rec_mean']:.3f}", file=sys.stderr)
    return dict(found)


def train(options: Options, cell: str, seed: int, run: Path) -> None:
    """The command of the cell."""
    dataset, model = cell.split("/")
    preset = f"ours/{dataset}" if model == "ours" else f"reproduce/{cell}"
    command = [sys.executable, "-m", "training", preset, "--out", str(run), "--seed", str(seed)]
    command += ["--data", str(options.data / FOLDERS[dataset]), "--threads", str(options.threads)]
    command += ["--epochs", str(options.epochs)] if options.epochs else []
    subprocess.run(command, check=True)


def row(cell: str, found: list[dict[str, float]]) -> str:
    """A line of the table: means over the seeds."""
    if not found:
        return ""
    mean = {
        key: float(np.mean([one[key] for one in found]))
        for key, value in found[0].items()
        if isinstance(value, float | int)
    }
    per_latent = cell.endswith(("beta-vae", "mmd-vae"))
    lat = mean["rate"] / (mean["latents"] if per_latent else 1)
    totals = [mean[key] for key in ("total_mmd", "total_beta", "total_legacy") if key in mean]
    said = REPORT.get(cell)
    reported = ", ".join(f"{v:.2f}" for v in said if v is not None) if said else "-"
    total = f"{totals[0]:.2f}" if totals else "-"
    return (
        f"| {cell} | {reported} | {mean['rec']:.2f}, {mean['rec_mean']:.2f} | {lat:.2f} | {total} "
        f"| {len(found)} of {mean['epochs']:.0f} epochs, PCA {mean['pca_rec']:.2f} |"
    )


if __name__ == "__main__":
    main()
