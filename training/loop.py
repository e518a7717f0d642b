"""The training loop, in reading order: train, train_epoch, step, and what a step is made of."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.batches import Batches
from training.data import Images
from training.errors import TrainingError
from training.losses import Loss, batch_loss
from training.state import State, copy_buffers, restore_buffers, update_average
from training.validation import validate

VARIANCE_DECAY = 0.99
MOST_SKIPPED_IN_A_ROW = 50
FINAL_LR = 0.01
"""part of the learning rate that is left at the end of the cosine"""


class Log(Protocol):
    """What the loop tells the outside."""

    def batch(self, state: State, loss: Loss | None, batches: int) -> None:
        """A step is done; loss None: it was skipped."""

    def epoch(self, state: State, record: dict[str, Any], improved: bool) -> None:
        """An epoch is done and validated."""


def train(
    state: State,
    batches: Batches,
    held_out: Images,
    *,
    log: Log,
    save: Callable[[State, bool], None],
    should_stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Train to the last epoch of the configuration; False when `should_stop` ended it before.

    `save(state, best)` is called after every epoch and before stopping early.
    """
    while state.epoch < state.config.epochs:
        if not train_epoch(state, batches, log, should_stop):
            save(state, False)
            return False
        record = finish_epoch(state, held_out)
        improved = record["loss"] < state.best
        state.best = min(state.best, record["loss"])
        save(state, improved)
        log.epoch(state, record, improved)
    return True


def train_epoch(state: State, batches: Batches, log: Log, should_stop: Callable[[], bool]) -> bool:
    """The rest of the current epoch; False when interrupted."""
    config, per_epoch = state.config, batches.per_epoch()
    ratio = config.aggressive_ratio if state.epoch < config.aggressive_epochs else 1
    row = 0
    for source, target in batches.epoch(state.epoch, first=state.batch):
        if should_stop():
            return False
        set_learning_rate(state, learning_rate(state, per_epoch * config.epochs))
        train_decoder = state.batch % ratio == ratio - 1
        loss = step(state, to_float(source, state), to_float(target, state), train_decoder)
        state.batch += 1
        state.step += 1
        row = row + 1 if loss is None else 0
        if row >= MOST_SKIPPED_IN_A_ROW:
            raise TrainingError(f"the loss was not finite {row} times in a row; lower lr")
        log.batch(state, loss, per_epoch)
    return True


def step(state: State, x: Tensor, target: Tensor, train_decoder: bool = True) -> Loss | None:
    """One batch: x [B, C, H, W] goes in, `target` should come out; None if it had to be skipped."""
    before = copy_buffers(state.model.train())
    loss = batch_loss(state, x, target)
    for optimizer in state.optimizers().values():
        optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss.total / target[0].numel())
    norm = torch.nn.utils.clip_grad_norm_(
        state.model.parameters(), state.config.grad_clip or math.inf
    )
    if not (math.isfinite(loss.total.item()) and math.isfinite(norm.item())):
        restore_buffers(state.model, before)
        state.skipped += 1
        return None
    state.encoder_optimizer.step()
    if train_decoder:
        state.decoder_optimizer.step()
    update_average(state)
    remember(state, loss)
    return loss


def learning_rate(state: State, steps: int) -> float:
    """The rate of the next step: linear warm-up, then constant or a cosine to 1 %."""
    config = state.config
    rate = config.lr
    if config.lr_schedule == "cosine":
        done = min(1.0, state.step / max(1, steps))
        rate *= FINAL_LR + (1 - FINAL_LR) * 0.5 * (1 + math.cos(math.pi * done))
    if state.step < config.lr_warmup_steps:
        rate *= (state.step + 1) / config.lr_warmup_steps
    return rate


def set_learning_rate(state: State, rate: float) -> None:
    """Give both optimisers the rate."""
    for optimizer in state.optimizers().values():
        for group in optimizer.param_groups:
            group["lr"] = rate


def remember(state: State, loss: Loss) -> None:
    """Add a step to the running variance and to the sums of the epoch."""
    value = loss.variance.item()
    old = state.variance or value
    state.variance = VARIANCE_DECAY * old + (1 - VARIANCE_DECAY) * value
    terms = {"loss": loss.total, "distortion": loss.distortion, "rate": loss.rate}
    for name, term in terms.items():
        state.sums[name] = state.sums.get(name, 0.0) + term.item()
    state.sums["steps"] = state.sums.get("steps", 0.0) + 1


def finish_epoch(state: State, held_out: Images) -> dict[str, Any]:
    """Validate and begin the next epoch; returns the record of this one."""
    steps = state.sums.pop("steps", 0.0)
    means = {f"train_{name}": total / steps for name, total in state.sums.items() if steps}
    state.epoch, state.batch, state.sums = state.epoch + 1, 0, {}
    record = {
        "epoch": state.epoch,
        "steps": state.step,
        "skipped": state.skipped,
        **means,
        **validate(state, held_out),
    }
    state.history.append(record)
    return record


def to_float(batch: NDArray[np.uint8], state: State) -> Tensor:
    """uint8 [B, C, H, W] to float [0, 1] on the device of the network."""
    tensor = torch.from_numpy(batch).to(state.device).float().div_(255)
    return tensor.contiguous(memory_format=torch.channels_last)
