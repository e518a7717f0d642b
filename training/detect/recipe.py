"""From facts about the images to what is trained, and the sentences that say why.

Every number of the recipe is here. None was chosen for a single data set: RESULTS.md has what was
measured with them.
"""

from __future__ import annotations

import torch

from training.config.model import ModelConfig
from training.config.objective import ObjectiveConfig
from training.config.run import LayoutName, TrainConfig
from training.detect.look import CORRELATED, FREE, NEAREST_CORRELATED, Facts
from training.errors import TrainingError

# Fewer images leave too few for learning and for calibration.
LEAST_IMAGES = 20
# Longest side of images that are encoded as a whole, pixels; smaller ones always are.
WHOLE_SIDE, SMALL_SIDE = 128, 64
# Pixels per position of the networks: of whole images, and of maps.
WHOLE_STRIDE, MAP_STRIDE = 4, 8
CROP, LEAST_CROP = 128, 32
# Images of a batch: a GPU takes little longer for more.
BATCH, GPU_BATCH = 16, 64
# Part of the images that calibrates: more of few, so that there are CALIBRATION of them.
HELD_OUT, MOST_HELD_OUT, CALIBRATION = 0.2, 0.4, 20
EPOCHS = 20
# Part of the steps in which the weights of the loss, and the learning rate, grow.
KL_WARMUP, LR_WARMUP = 0.1, 0.03
# The averaged weights forget over about this part of the steps.
AVERAGED = 0.02


def batch_size_for(device: torch.device) -> int:
    """The images of a batch on a device."""
    return GPU_BATCH if device.type == "cuda" else BATCH


def choose(
    facts: Facts,
    *,
    steps: int,
    seed: int,
    layout: LayoutName = "auto",
    epochs: int = EPOCHS,
    batch_size: int = BATCH,
) -> TrainConfig:
    """The configuration of the autoencoder for images like these, trained for about `steps` steps.

    It is validated after each of `epochs` parts of them.

    Raises TrainingError for too few or too small images.
    """
    _check(facts)
    whole = encodes_whole(facts)
    crop = 0 if whole else _crop(facts)
    steps = max(1, steps)
    epochs = min(epochs, steps)
    return TrainConfig(
        model=_whole_model(facts) if whole else _map_model(facts),
        objective=ObjectiveConfig(kl_warmup_steps=round(KL_WARMUP * steps), variance_floor=1e-5),
        seed=seed,
        layout=layout,
        validation_fraction=min(MOST_HELD_OUT, max(HELD_OUT, CALIBRATION / facts.count)),
        crop=crop,
        scale_jitter=(1.0, 1.0) if whole else (0.8, 1.25),
        rotate=facts.turns and not whole,
        flip=facts.mirrors,
        defects=0.6,
        decoded_fraction=0.15,
        epochs=epochs,
        epoch_steps=max(1, steps // epochs),
        batch_size=batch_size,
        lr=1e-3,
        lr_warmup_steps=round(LR_WARMUP * steps),
        ema_decay=1 - 1 / max(2.0, AVERAGED * steps),
    )


def _check(facts: Facts) -> None:
    if facts.count < LEAST_IMAGES:
        raise TrainingError(
            f"{facts.count} normal images; at least {LEAST_IMAGES} are needed, a few hundred are "
            "better"
        )
    if min(facts.smallest) < LEAST_CROP // 2:
        raise TrainingError(
            f"an image has {facts.smallest[0]}x{facts.smallest[1]} pixels; the recipe needs at "
            f"least {LEAST_CROP // 2} a side"
        )


def encodes_whole(facts: Facts) -> bool:
    """One code for the whole image: the scene is registered, or the image is small."""
    return facts.registered or max(facts.largest) <= SMALL_SIDE


def _whole_model(facts: Facts) -> ModelConfig:
    height, width = facts.largest
    scale = min(1.0, WHOLE_SIDE / max(height, width))
    sides = [max(1, round(scale * side / WHOLE_STRIDE)) * WHOLE_STRIDE for side in (height, width)]
    return ModelConfig(
        family="pca_vae",
        channels=facts.channels,
        height=sides[0],
        width=sides[1],
        latent=max(4, min(64, facts.count // 5)),
        widths=(64,),
        depth=2,
        stride=WHOLE_STRIDE,
    )


def _map_model(facts: Facts) -> ModelConfig:
    return ModelConfig(
        family="sigma_vae_map",
        channels=facts.channels,
        latent=16,
        widths=(32, 64),
        stride=MAP_STRIDE,
    )


def _crop(facts: Facts) -> int:
    """The side of crops: 128, or about the shortest side, which may be half as long."""
    shortest = min(facts.smallest)
    return max(LEAST_CROP, min(CROP, 2 * shortest // MAP_STRIDE * MAP_STRIDE))


def sentences(facts: Facts, config: TrainConfig) -> list[str]:
    """What was found and chosen, a line each."""
    colour = "gray" if facts.channels == 1 else "colour"
    if 0 < facts.coloured < 1:
        colour = f"mixed (colour: {facts.coloured:.0%}, gray: {1 - facts.coloured:.0%})"
    (h, w), (high, wide) = facts.smallest, facts.largest
    sizes = f"{wide}x{high}" if facts.one_size else f"{w}x{h} to {wide}x{high}"
    scene = "registered" if facts.registered else "not registered"
    nearest = f"{facts.nearest_correlation:.2f} (above {NEAREST_CORRELATED})"
    lines = [
        f"{facts.count} {colour} images of {sizes} pixels",
        f"the scene is {scene}: two images correlate by {facts.correlation:.2f} (above "
        f"{CORRELATED}), an image and those nearest to it by {nearest}",
        f"mirrored images stand out by {facts.mirror:.2f}, turned ones by {facts.turn:.2f} "
        f"(0.5: not at all; usable below {FREE}): {_moves(config)}",
    ]
    if 0 < facts.coloured < 1:
        lines.append(
            "gray and colour images are mixed, so a missing colour is normal: convert all to gray, "
            "or keep those of one kind"
        )
    model = config.model
    if model.height:
        lines.append(f"whole images of {model.width}x{model.height}, {model.latent} numbers each")
    else:
        lines.append(f"crops of {config.crop} pixels, a map of {model.latent} numbers per 8x8")
    return lines


def calibration(held_out: int) -> str:
    """What the number of images for calibration allows: p-values are multiples of 1 / (n + 1)."""
    least = 1 / (held_out + 1)
    line = f"{held_out} images calibrate: false-alarm rates from {least:.3f} on"
    missing = [f"{rate} needs {need}" for rate, need in ((0.05, 19), (0.01, 99)) if need > held_out]
    return f"{line}; {', '.join(missing)}" if missing else line


def _moves(config: TrainConfig) -> str:
    if config.rotate:
        return "training mirrors and turns them"
    return "training mirrors them" if config.flip else "training leaves them as they are"
