"""The last part of a run, in which the decoder learns the codes as they are decoded.

The encoder is fixed: it is that of the averaged weights, which are exported, so the steps of
quantisation are known (`training.objectives.decoded`).
"""

from __future__ import annotations

import math

import numpy as np
import torch

from codec.arrays import F32
from training.config.run import TrainConfig
from training.data.image_files import Images
from training.loop.validation import to_floats
from training.metrics.images import evenly
from training.models.base import GaussianModel
from training.models.families import Model
from training.objectives.decoded import posterior_deviation
from training.run.state import DecodedState, State

# Enough images for the deviations of the posteriors, also if one has many pixels.
IMAGES, LEAST_IMAGES, PIXELS = 4096, 32, 2**24


def first_step(config: TrainConfig, steps: int) -> int:
    """The number of steps, of `steps` in all, before this part; all of them if there is none."""
    return min(steps, max(1, steps - round(config.decoded_fraction * steps)))


def begin_or_end(state: State, images: Images, steps: int) -> None:
    """Begins this part when it is due; ends it in a run that was resumed for more epochs."""
    if state.step < first_step(state.config, steps):
        state.decoded = None
    elif state.config.decoded_fraction and state.decoded is None:
        begin(state, images)


def begin(state: State, images: Images) -> None:
    """Fixes the encoder, measures its deviations on training images, and forgets the best epoch."""
    if state.model is not state.ema_model:
        state.model.load_state_dict(state.ema_model.state_dict())
    model = state.ema_model.eval()
    sigma = state.group.broadcast(
        lambda: measure_deviation(state.config, model, images, state.device).tolist()
    )
    state.decoded = DecodedState(since=state.step, sigma=tuple(sigma))
    state.best, state.epochs_since_best = math.inf, 0


@torch.no_grad()
def measure_deviation(
    config: TrainConfig, model: Model, images: Images, device: torch.device
) -> F32:
    """sigma [D] of a network in eval mode over evenly spread images [C, H, W]."""
    if not isinstance(model, GaussianModel):
        raise TypeError(f"{type(model).__name__} has no posterior")
    pixels = np.mean([images[i][0].size for i in evenly(len(images), LEAST_IMAGES)])
    count = min(IMAGES, max(LEAST_IMAGES, int(PIXELS / pixels)))
    chosen = [images[i] for i in evenly(len(images), count)]
    return posterior_deviation(model.encode(x).log_var for x in to_floats(config, chosen, device))


def training_mode(state: State) -> Model:
    """The network in training mode; in this part only the decoder and its statistics are."""
    model = state.model.train()
    if state.decoded is not None:
        for child in model.children():
            child.train(child is model.decoder)
    return model
