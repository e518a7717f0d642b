"""What a GPU changes: equal results, faster graphs, faster serving, faster training.

    make gpu DATA=DIR

Parts, in this order, each with figures in OUT/PART.json:

parity    records, pixels and verdicts of the shipped bundles with CUDA, against the CPU
graphs    images per second of their graphs, by size of the batch
serve     images per second through gRPC
train     seconds of a tenth of ResLag's 40 epochs on CIFAR-10: in bfloat16, fp32, and compiled
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from serve import BUNDLES, ROOT

from codec.atomic import write_file
from codec.bundle.bundle import load_bundle
from codec.errors import ResiduumError
from codec.graphs.onnx import open_graphs
from gpu import provider, serving
from training.config.run import DataConfig
from training.data.datasets import IMAGES, find_idx
from training.data.datasets import images as read_images
from training.data.idx import read_idx
from training.metrics.images import evenly

# Test images of a bundle: the folder below DATA, and how many.
TEST = {"fashion": ("fashion_mnist", 10_000), "pcb": ("deeppcb/pcb", 500)}
# A tenth of ResLag's 40 epochs on CIFAR-10, of which half train the encoder more often.
TENTH = ["reproduce/cifar10/reslag", "--epochs", "4", "--aggressive-epochs", "2"]
RUNS = {
    "bf16": TENTH,
    "fp32": [*TENTH, "--precision", "fp32"],
    "bf16, compiled": [*TENTH, "--compile"],
}


def parity(data: Path, _: Path) -> dict[str, Any]:
    """Both bundles."""
    return {
        name: provider.parity(load_bundle(BUNDLES / name), pictures(data, name)) for name in TEST
    }


def graphs(data: Path, _: Path) -> dict[str, Any]:
    """Both bundles; the CPU with one thread and with all cores."""
    threads = (1, len(os.sched_getaffinity(0)))
    return {
        name: provider.speed(load_bundle(BUNDLES / name), pictures(data, name)[0], threads)
        for name in TEST
    }


def serve(data: Path, _: Path) -> dict[str, Any]:
    """Both bundles, with CUDA and with the CPU."""
    cores = len(os.sched_getaffinity(0))
    return {
        f"{name}, {kind}": serving.serve(name, pictures(data, name)[:32], kind, threads)
        for name in TEST
        for kind, threads in (("cuda", 1), ("cpu", cores // 2))
    }


def train(data: Path, out: Path) -> dict[str, Any]:
    """Seconds of whole commands, and the last line of their log."""
    figures = {}
    source = str((data / "cifar10_jpeg").resolve())
    for name, words in RUNS.items():
        run = (out / name.replace(", ", "-")).resolve()
        command = [sys.executable, "-m", "training", *words, "--data", source, "--out", str(run)]
        begun = time.monotonic()
        subprocess.run(command, check=True, cwd=ROOT)
        lines = (run / "metrics.jsonl").read_text().splitlines()
        figures[name] = {"seconds": time.monotonic() - begun, "last": json.loads(lines[-1])}
        write_file(out / "train.json", json.dumps(figures, indent=1).encode())
    return figures


def pictures(data: Path, name: str) -> list[Any]:
    """Test images [H, W, 1] of a bundle."""
    folder, count = TEST[name]
    idx = find_idx(data / folder, IMAGES["test"])
    if idx is not None:
        return list(np.asarray(read_idx(idx))[:count, ..., None])
    everything = read_images(DataConfig(channels=1), data / folder, split="test")
    return [everything[i].transpose(1, 2, 0) for i in evenly(len(everything), count)]


PARTS: dict[str, Callable[[Path, Path], dict[str, Any]]] = {
    "parity": parity,
    "graphs": graphs,
    "serve": serve,
    "train": train,
}


def main() -> None:
    """Runs the parts; on a machine without a GPU says that nothing was measured, status 1."""
    parser = argparse.ArgumentParser(prog="gpu", description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("build/bench/gpu"))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    try:
        open_graphs(load_bundle(BUNDLES / "fashion"), "cuda")
    except ResiduumError as error:
        sys.exit(f"nothing was measured: {error}")
    options.out.mkdir(parents=True, exist_ok=True)
    for part in options.parts:
        begun = time.monotonic()
        figures = PARTS[part](options.data, options.out)
        write_file(options.out / f"{part}.json", json.dumps(figures, indent=1).encode())
        print(f"{part}, {time.monotonic() - begun:.0f} s: {json.dumps(figures)}", flush=True)


if __name__ == "__main__":
    main()
