"""A segmenter in training: what changes from step to step, and what the training is for."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.optim import AdamW

from training.run.averaging import move_towards
from training.segmenter.network import Segmenter, SegmenterConfig, build_segmenter

RATE, WEIGHT_DECAY = 2e-3, 1e-3
WARMUP_STEPS, LAST_SHARE = 100, 0.01
# The average forgets the first weights: its decay is n / (n + 50) after n steps, at most this.
DECAY, DECAY_STEPS = 0.998, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a segmenter is trained for. All of it, and the images, decide its weights."""

    steps: int
    seed: int
    network: SegmenterConfig


@dataclass(kw_only=True)
class SegmenterState:
    """A segmenter between two steps."""

    task: Task
    network: Segmenter
    average: Segmenter
    """moving average of the weights, which is the result"""
    optimizer: AdamW
    step: int = 0
    loss: float = 0.0
    """running mean of the loss"""
    history: list[dict[str, Any]] = field(default_factory=list)
    """step, loss and auroc at a few points"""


def new_state(task: Task, device: torch.device) -> SegmenterState:
    """The state before the first step; the same task gives the same weights."""
    network = build_segmenter(task.network, task.seed)
    network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return SegmenterState(
        task=task,
        network=network,
        average=copy.deepcopy(network).requires_grad_(False).eval(),
        optimizer=AdamW(network.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY, fused=True),
    )


def learning_rate(step: int, steps: int) -> float:
    """A linear warm-up, then a cosine from 2e-3 down to 1 % of it at the last of `steps` steps."""
    warmup = min(WARMUP_STEPS, max(1, steps // 10))
    cosine = 0.5 + 0.5 * math.cos(math.pi * step / steps)
    return RATE * min(1.0, (step + 1) / warmup) * (LAST_SHARE + (1 - LAST_SHARE) * cosine)


def update_average(state: SegmenterState) -> None:
    """Moves the average towards the weights after `state.step` steps."""
    decay = min(DECAY, state.step / (state.step + DECAY_STEPS))
    move_towards(state.network, state.average, 1 - decay)
