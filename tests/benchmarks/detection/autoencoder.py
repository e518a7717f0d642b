"""A plain autoencoder of the size that our recipe chooses: squared error, no defects drawn.

It is trained by `residuum-train` for the same time, and what it scores is the squared residual of
its reconstruction: the mean, and the smoothed maximum.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import pad

from codec.arrays import F32, U8
from detection import sets
from detection.baselines import SIDE, SMOOTHING, Figures, figures, smooth
from detection.ours import run_command
from training.config.model import ModelConfig
from training.config.run import DataConfig, TrainConfig, to_json
from training.data import datasets
from training.data.labelled import labelled_test
from training.detect import choose, look
from training.detect.budget import Speed
from training.detect.budget import measure as measure_speed
from training.models.families import Model
from training.presets.lookup import PRESETS
from training.run.checkpoint import load_run

NAME, PRESET, MINUTES = "autoencoder", "sigma-vae-map", "run-minutes.json"
WIDTHS, EPOCHS = (16, 32, 64), 20
# Part of the images that is held out, at most that many; part of the time for validation.
HELD_OUT, HELD_OUT_IMAGES, VALIDATING = 0.1, 200, 0.1


def measure(folder: Path, out: Path, minutes: float, seed: int, threads: int) -> dict[str, Figures]:
    """Image and pixel AUROC of both scores, and the seconds of training. Raises CommandFailed."""
    run = train(folder, out, minutes, seed, threads)
    truth = sets.truth(folder, SIDE)
    maps = residuals(run, folder, SIDE)
    smoothed = smooth(maps, SMOOTHING)
    seconds = 60 * float(json.loads((out / MINUTES).read_text()))
    found = {
        f"{NAME}, mean": figures(maps.mean((1, 2)), None, truth),
        f"{NAME}, maximum": figures(smoothed.max((1, 2)), smoothed, truth),
    }
    return {name: {**figure, "seconds": seconds} for name, figure in found.items()}


def train(folder: Path, out: Path, minutes: float, seed: int, threads: int) -> Path:
    """Trains for about that time, by `residuum-train`, and returns the run below `out`.

    A run that is finished is not trained again. Raises CommandFailed.
    """
    run, done = out / "run", out / MINUTES
    if not done.exists():
        shutil.rmtree(run, ignore_errors=True)
        torch.set_num_threads(threads)
        config = config_for(folder, minutes, seed)
        command = ["residuum-train", *arguments(config, folder, run, threads)]
        done.write_text(json.dumps(run_command(command, out / "run.log", threads) / 60))
    return run


def config_for(folder: Path, minutes: float, seed: int) -> TrainConfig:
    """What fits into that time on this machine, measured."""
    everything = datasets.images(DataConfig(channels=3), folder)
    chosen = choose(look(everything), steps=1000, seed=seed)
    chosen = replace(chosen, validation_fraction=min(HELD_OUT, HELD_OUT_IMAGES / len(everything)))
    config = plain(chosen, EPOCHS, 1000)
    training, held_out = datasets.training_and_validation(config.data, folder)
    speed = measure_speed(config, training, held_out, torch.device("cpu"))
    return plain(chosen, *fitting(speed, 60 * minutes))


def fitting(speed: Speed, seconds: float) -> tuple[int, int]:
    """The epochs, and the steps of them all, that take about that time.

    A validation after each epoch takes at most a tenth of it, or there is one epoch.
    """
    epochs = max(1, min(EPOCHS, int(VALIDATING * seconds / max(speed.validation, 1e-9))))
    steps = int((seconds - epochs * speed.validation) / speed.step)
    return epochs, max(epochs, steps)


def plain(chosen: TrainConfig, epochs: int, steps: int) -> TrainConfig:
    """The configuration that the recipe chose, as an autoencoder with squared error."""
    return replace(
        chosen,
        model=_plain_model(chosen.model),
        objective=replace(
            chosen.objective, distortion="squared", regulariser="none", kl_warmup_steps=0
        ),
        defects=0.0,
        decoded_fraction=0.0,
        epochs=epochs,
        epoch_steps=max(1, steps // epochs),
        lr_warmup_steps=round(0.03 * steps),
        ema_decay=1 - 1 / max(2.0, 0.02 * steps),
    )


def _plain_model(model: ModelConfig) -> ModelConfig:
    """The same network for maps; for whole images, convolutions around a code of as many values."""
    if model.height == 0:
        return model
    levels = 2 ** len(WIDTHS)
    sides = [max(1, round(side / levels)) * levels for side in (model.height, model.width)]
    return ModelConfig(
        family="autoencoder",
        channels=model.channels,
        height=sides[0],
        width=sides[1],
        latent=model.latent,
        widths=WIDTHS,
    )


def arguments(config: TrainConfig, folder: Path, run: Path, threads: int) -> list[str]:
    """The words after `residuum-train`: a preset and all that the configuration has otherwise."""
    words = [PRESET, "--data", str(folder), "--out", str(run), "--threads", str(threads)]
    preset = _flat(to_json(PRESETS[PRESET]))
    for name, value in _flat(to_json(config)).items():
        if value != preset[name]:
            words += _flag(name.removeprefix("objective.").replace("_", "-"), value)
    return words


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        inner = isinstance(value, dict)
        found |= _flat(value, f"{prefix}{name}.") if inner else {f"{prefix}{name}": value}
    return found


def _flag(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        group, _, last = name.rpartition(".")
        return [f"--{group}{'.' if group else ''}{'' if value else 'no-'}{last}"]
    values = value if isinstance(value, list | tuple) else [value]
    return [f"--{name}", *map(str, values)]


def residuals(run: Path, folder: Path, side: int) -> F32:
    """Squared residuals, mean over channels, of the test images in file order: [N, side, side]."""
    config, model, _ = load_run(run)
    test = labelled_test(config.data, folder)
    order = sorted(range(len(test.names)), key=lambda i: Path(test.names[i]))
    maps = [residual(model, config.model, test.images[i]) for i in order]
    return np.stack([_resized(one, side) for one in maps])


def residual(model: Model, config: ModelConfig, image: U8) -> F32:
    """The squared residual of one image [C, H, W], padded to what the network takes: [H, W]."""
    x = torch.from_numpy(image.astype(np.float32))[None] / 255
    height, width = x.shape[2:]
    unit = 1 if config.height else config.stride
    right, below = -width % unit, -height % unit
    with torch.inference_mode():
        restored = model.reconstruct(pad(x, (0, right, 0, below), mode="replicate"))
    squared = (restored[..., :height, :width] - x).square().mean(1)[0]
    return np.asarray(squared.numpy(), np.float32)


def _resized(values: F32, side: int) -> F32:
    smaller = side <= min(values.shape)
    method = Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(values).resize((side, side), method), np.float32)
