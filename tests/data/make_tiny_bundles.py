"""Makes the two tiny bundles beside this file: real training on drawn waves, real export, about a
minute.

    python tests/data/make_tiny_bundles.py

`tiny` has a global latent and takes exactly 16x16 gray; `tiny-map` is convolutional and pads. They
are committed, so that the tests of codec, service and client need no torch.
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
MAP = "--model.latent 4 --model.widths 8 8 --crop 32 --epoch-steps 40 --kl-warmup-steps 50"
# name: (preset, side of the images, options of the training, options of the export)
RUNS = {
    "tiny": ("sigma-vae", 16, f"{GLOBAL} --epochs 80", "--fit exact"),
    "tiny-map": ("sigma-vae-map", 48, f"{MAP} --epochs 6", ""),
}


def wave(rng: np.random.Generator, side: int) -> Image.Image:
    """A plane wave of random direction, frequency and phase, with a little noise."""
    y, x = np.mgrid[0:side, 0:side]
    angle, frequency, phase = rng.uniform((0, 0.2, 0), (np.pi, 0.6, 2 * np.pi))
    along = 2 * frequency * (x * np.cos(angle) + y * np.sin(angle))
    pixels = 127 + 100 * np.sin(along + phase) + rng.normal(0, 4, (side, side))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def draw(folder: Path, side: int, count: int = 400) -> None:
    """Writes a folder of waves."""
    rng = np.random.default_rng(7)
    folder.mkdir(parents=True)
    for index in range(count):
        wave(rng, side).save(folder / f"{index:03d}.png")


def run(*arguments: str) -> None:
    """Runs a module of this repository."""
    subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, check=True)


def main() -> None:
    """Trains and exports both."""
    for name, (preset, side, options, more) in RUNS.items():
        out = HERE / f"{name.replace('-', '_')}_bundle"
        with tempfile.TemporaryDirectory() as folder:
            data, trained = Path(folder) / "data", Path(folder) / name
            draw(data, side)
            folders = ["--data", str(data), "--out", str(trained)]
            run("training", preset, *folders, *COMMON.split(), *options.split())
            shutil.rmtree(out, ignore_errors=True)
            folders = [str(trained), "--out", str(out), "--calibrate", str(data)]
            run("exporter", *folders, "--name", name, "--false-alarm-rate", "0.05", *more.split())


if __name__ == "__main__":
    main()
