"""The training loop, in reading order: train, train_epoch, step, and the parts of a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from training.data.batches import Batches
from training.data.image_files import Images
from training.errors import TrainingError
from training.loop import decoded, schedule
from training.loop import lagging as aggressive
from training.loop.validation import validate
from training.models.base import GaussianModel
from training.objectives import regularisers
from training.objectives.decoded import decoded_loss
from training.objectives.losses import Loss, batch_loss
from training.run.averaging import copy_buffers, reset_buffers, update_ema
from training.run.state import State

VARIANCE_DECAY = 0.99
MOST_SKIPPED_IN_A_ROW = 50


class Log(Protocol):
    """Receives the progress of training."""

    def batch(self, state: State, loss: Loss | None, batches: int) -> None:
        """Called after a step; `loss` is None if the step was skipped."""

    def epoch(self, state: State, record: dict[str, Any], improved: bool) -> None:
        """Called after an epoch and its validation."""


def never() -> bool:
    """False: neither stop nor save in the middle of an epoch."""
    return False


def train(
    state: State,
    batches: Batches,
    held_out: Images,
    *,
    log: Log,
    save: Callable[[State, bool], None],
    save_due: Callable[[], bool] = never,
    should_stop: Callable[[], bool] = never,
) -> bool:
    """Trains to the last epoch, or an early stop; False when `should_stop` ended it before.

    `save(state, best)` is called after every epoch, when `save_due`, and before it is ended.
    """
    while state.epoch < state.config.epochs and schedule.early_stop(state) is None:
        for _ in train_epoch(state, batches, log):
            if state.group.any(should_stop(), state.device):
                save(state, False)
                return False
            if save_due():
                save(state, False)
        record = finish_epoch(state, held_out)
        improved = schedule.judge(state, record)
        save(state, improved)
        log.epoch(state, record, improved)
    return True


def train_epoch(state: State, batches: Batches, log: Log) -> Iterator[None]:
    """The rest of the current epoch, one step at a time."""
    per_epoch, row = batches.per_epoch(), 0
    steps = per_epoch * state.config.epochs
    while state.batch < per_epoch:
        decoded.begin_or_end(state, batches.images, steps)
        rate = schedule.learning_rate(state, steps)
        schedule.set_learning_rate(state, rate)
        turn = aggressive.next_turn(state, per_epoch)
        source, target = batches.batch(state.epoch, turn.number)
        loss = step(state, to_float(source), to_float(target), turn.parts)
        aggressive.count(state, turn, None if loss is None else loss.total.item())
        row = row + 1 if loss is None else 0
        if row >= MOST_SKIPPED_IN_A_ROW:
            raise TrainingError(f"the loss was not finite {row} times in a row; lower lr")
        log.batch(state, loss, per_epoch)
        yield


def step(
    state: State, x: Tensor, target: Tensor, parts: Sequence[str] = aggressive.BOTH
) -> Loss | None:
    """One batch: x [B, C, H, W] goes in, `target` should come out; None if it had to be skipped.

    Both encoder and decoder get gradients; the optimisers of `parts` use them.
    """
    before = copy_buffers(decoded.training_mode(state))
    loss = loss_of(state, x, target)
    for optimizer in state.optimizers().values():
        optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss.total / target[0].numel())
    state.group.average_gradients(state.parameters())
    gradients = [p.grad for p in state.model.parameters() if p.grad is not None]
    norm = get_total_norm(gradients)
    loss, norm = fetch(state, loss, norm)
    if not (loss.total.isfinite() and norm.isfinite()):
        reset_buffers(state.model, before)
        state.skipped += 1
        return None
    if 0 < state.config.grad_clip < norm:
        clip_grads_with_norm_(state.model.parameters(), state.config.grad_clip, norm)
    for part in parts:
        state.optimizers()[part].step()
    update_ema(state)
    remember(state, loss)
    return loss


def loss_of(state: State, x: Tensor, target: Tensor) -> Loss:
    """The loss of a batch: of posterior samples, or of codes as they are decoded."""
    if state.decoded is None or not isinstance(state.model, GaussianModel):
        return batch_loss(state.loss_context(), state.model, x, target)
    sigma = np.array(state.decoded.sigma, np.float32)
    return decoded_loss(state.loss_context(), state.model, x, target, sigma)


def fetch(state: State, loss: Loss, norm: Tensor) -> tuple[Loss, Tensor]:
    """Loss and norm in CPU memory, means over all processes, with one wait for the device."""
    joined = torch.stack([*(term.detach() for term in loss), norm])
    *terms, norm = state.group.mean(joined).cpu()
    return Loss(*terms), norm


def remember(state: State, loss: Loss) -> None:
    """Adds a step to the running variance, the sums of the epoch and GECO's constraint.

    Variance and constraint are those of samples: they stay while rounded means are decoded.
    """
    terms = {"loss": loss.total, "distortion": loss.distortion, "rate": loss.rate}
    for name, term in terms.items():
        state.sums[name] = state.sums.get(name, 0.0) + term.item()
    state.sums["steps"] = state.sums.get("steps", 0.0) + 1
    if state.decoded is not None:
        return
    value = loss.variance.item()
    old = state.variance or value
    state.variance = VARIANCE_DECAY * old + (1 - VARIANCE_DECAY) * value
    if state.config.objective.target_psnr:
        adapt_multiplier(state, loss)


def adapt_multiplier(state: State, loss: Loss) -> None:
    """One step of GECO's multiplier towards the target PSNR."""
    excess = regularisers.psnr_excess(loss.mse, state.config.objective.target_psnr).item()
    state.excess = regularisers.next_excess(state.excess, excess)
    state.multiplier = regularisers.next_multiplier(state.multiplier, state.excess)


def finish_epoch(state: State, held_out: Images) -> dict[str, Any]:
    """Validates, and begins the next epoch; returns the record of this one."""
    steps = state.sums.pop("steps", 0.0)
    if not steps:
        raise TrainingError(
            f"the loss was not finite in any step of epoch {state.epoch + 1}; lower lr"
        )
    means = {f"train_{name}": total / steps for name, total in state.sums.items()}
    state.epoch, state.batch, state.sums = state.epoch + 1, 0, {}
    record = {
        "epoch": state.epoch,
        "steps": state.step,
        "skipped": state.skipped,
        "lr": state.lr,
        **means,
        **state.group.broadcast(lambda: validate(state, held_out)),
    }
    aggressive.finish(state, record)
    state.history.append(record)
    return record


def to_float(batch: Tensor) -> Tensor:
    """uint8 [B, C, H, W] to float [0, 1]."""
    return batch.float().div_(255).contiguous(memory_format=torch.channels_last)
