"""How many steps fit into a time budget, from steps of a state that is thrown away."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from training.config.run import Precision, TrainConfig
from training.data.ahead import Resources
from training.data.batches import assembled_ahead, make_batches
from training.data.image_files import Images
from training.detect.recipe import EPOCHS
from training.loop.loop import step, to_float
from training.loop.validation import validate
from training.run.start import has_fast_bf16, init_from_images, new_state

# The first steps of a process are slower than the others.
COLD_STEPS, MOST_STEPS, SECONDS = 2, 50, 6.0
# Part of the time that is kept back: machines are not equally fast all the time.
SPARE = 0.05
# The largest part of it for validations, and their smallest number.
VALIDATION, FEWEST_EPOCHS = 0.15, 4
# How much faster a precision must be than the one that is expected to be fastest.
CLEARLY = 1.5


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds that a step and a validation take."""

    step: float
    validation: float

    def epochs_within(self, seconds: float) -> int:
        """The number of validations: EPOCHS, or fewer if these would take much of the time."""
        affordable = int(VALIDATION * seconds / max(self.validation, 1e-9))
        return max(FEWEST_EPOCHS, min(EPOCHS, affordable))

    def steps_within(self, seconds: float) -> int:
        """The number of steps that fit next to the validations; 0 if none do."""
        left = (1 - SPARE) * seconds - self.epochs_within(seconds) * self.validation
        return max(0, int(left / self.step))


def precisions(device: torch.device) -> tuple[Precision, ...]:
    """The precisions that are worth measuring on a device, the one expected to be fastest last."""
    return ("auto", "bf16") if device.type == "cpu" and has_fast_bf16(device) else ("auto",)


def fastest(
    config: TrainConfig, training: Images, held_out: Images, available: Resources
) -> tuple[TrainConfig, Speed]:
    """The configuration in the precision that is fastest here, and its speed.

    Other work on the machine disturbs the measurement: the precision that is expected to be
    fastest is taken unless another one is CLEARLY faster.
    """
    *others, expected = [
        replace(config, precision=precision) for precision in precisions(available.device)
    ]
    best = expected, measure(expected, training, held_out, available)
    for other in others:
        speed = measure(other, training, held_out, available)
        if CLEARLY * speed.step < best[1].step:
            best = other, speed
    return best


def measure(config: TrainConfig, training: Images, held_out: Images, available: Resources) -> Speed:
    """The speed of training with this configuration on this machine now."""
    state = new_state(config, available.device)
    init_from_images(state, training)
    begun, done = time.monotonic(), 0
    every = make_batches(config, training, available.device)
    with assembled_ahead(every, available.workers) as batches:
        for number in range(MOST_STEPS):
            if number == COLD_STEPS:
                begun, done = time.monotonic(), 0
            source, target = batches.batch(0, number)
            step(state, to_float(source), to_float(target))
            done += 1
            if number > COLD_STEPS and time.monotonic() - begun > SECONDS:
                break
        seconds = (time.monotonic() - begun) / done
    begun = time.monotonic()
    validate(state, held_out)
    return Speed(seconds, time.monotonic() - begun)
