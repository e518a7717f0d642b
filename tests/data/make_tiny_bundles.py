"""Makes the two tiny bundles in this folder: real training on drawn hills, real export, about a
minute.

    python tests/data/make_tiny_bundles.py

`tiny` has a global latent and takes exactly 16x16 gray; `tiny-map` is convolutional and pads. They
are committed so that the tests of codec, service and client need no torch.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
COMMON = "--threads 1 --batch-size 32 --validation-fraction 0.4 --model.channels 1"
GLOBAL = "--model.height 16 --model.width 16 --model.latent 8 --model.widths 8 16 --model.depth 0"
MAP = "--model.latent 4 --model.widths 8 16 --corruptions 1 --crop 32 --kl-warmup-steps 50"
# name: (preset, side of the images, options of the training, options of the export)
RUNS = {
    "tiny": ("sigma-vae", 16, f"{GLOBAL} --epochs 60", "--fit exact"),
    "tiny-map": ("sigma-vae-map", 48, f"{MAP} --epochs 6 --epoch-steps 40", ""),
}


def hills(rng: np.random.Generator, side: int) -> Image.Image:
    """Smooth hills of random position, width and height on a slope, with a little noise."""
    y, x = np.mgrid[0:side, 0:side]
    pixels = 60 + rng.uniform(-2, 2) * (x - side / 2) + rng.normal(0, 2, (side, side))
    for _ in range(max(1, side // 16)):
        row, column, width, height = rng.uniform((3, 3, 2, 60), (side - 3, side - 3, 5, 150))
        pixels += height * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def draw(folder: Path, side: int, count: int = 800) -> None:
    """Writes a folder of hills."""
    rng = np.random.default_rng(7)
    folder.mkdir(parents=True)
    for index in range(count):
        hills(rng, side).save(folder / f"{index:03d}.png")


def run(*arguments: str) -> None:
    """Runs a module of this repository."""
    subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, check=True)


def main() -> None:
    """Trains and exports both models."""
    for name, (preset, side, options, more) in RUNS.items():
        out = HERE / f"{name.replace('-', '_')}_bundle"
        with tempfile.TemporaryDirectory() as folder:
            data, trained = Path(folder) / "data", Path(folder) / name
            draw(data, side)
            folders = ["--data", str(data), "--out", str(trained)]
            run("training", preset, *folders, *COMMON.split(), *options.split())
            shutil.rmtree(out, ignore_errors=True)
            folders = [str(trained), "--out", str(out), "--calibrate", str(data)]
            more = f"{more} --name {name} --false-alarm-rate 0.05 --detectors none"
            run("exporter", *folders, *more.split())


if __name__ == "__main__":
    main()
