"""The learning rate and the end of training as functions of the state of a run.

Schedulers of torch.optim would hold a second state: the rate follows from the step, so a resumed
run can have more epochs, and old checkpoints need no conversion.
"""

from __future__ import annotations

import math
from typing import Any

from training.loop import decoded
from training.run.state import State

# Share of the learning rate that is left at the end of the cosine.
FINAL_LR = 0.01
# Share of the learning rate from which the decoder learns codes as they are decoded. On screws, 1
# gives 0.1 dB more at the default level and 1.2 dB less at the finest one; 0.03 is too slow.
DECODED_LR = 0.3
# Epochs without a better validation loss after which lr_schedule plateau halves the rate.
PLATEAU_EPOCHS = 3
# Rate below which plateau ends training (as in the ResLag report's beta-VAE and MMD rows).
LOWEST_LR = 5e-5


def learning_rate(state: State, steps: int) -> float:
    """The rate of the next of `steps` steps: linear warm-up, then as `lr_schedule` says.

    While the decoder learns codes as they are decoded, the rate falls along a second cosine.
    """
    config = state.config
    rate = config.lr * state.lr_scale
    if state.decoded is not None:
        since = state.decoded.since
        return DECODED_LR * rate * cosine((state.step - since) / max(1, steps - since))
    if config.lr_schedule == "cosine":
        rate *= cosine(state.step / max(1, decoded.first_step(config, steps)))
    if state.step < config.lr_warmup_steps:
        rate *= (state.step + 1) / config.lr_warmup_steps
    return rate


def cosine(done: float) -> float:
    """Share of the learning rate when a part in [0, 1] of the steps is done."""
    return FINAL_LR + (1 - FINAL_LR) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def set_learning_rate(state: State, rate: float) -> None:
    """Gives both optimisers the rate."""
    state.lr = rate
    for optimizer in state.optimizers().values():
        for group in optimizer.param_groups:
            group["lr"] = rate


def judge(state: State, record: dict[str, Any]) -> bool:
    """True if the epoch of `record` is the best so far. Halves the rate on a plateau.

    A run whose decoder learns codes as they are decoded is judged by the loss of those.
    """
    loss: float = record["decoded_loss" if state.config.decoded_fraction else "loss"]
    improved = loss < state.best
    state.best = min(state.best, loss)
    state.epochs_since_best = 0 if improved else state.epochs_since_best + 1
    if (
        state.config.lr_schedule == "plateau"
        and state.epochs_since_best
        and state.epochs_since_best % PLATEAU_EPOCHS == 0
    ):
        state.lr_scale /= 2
    return improved


def early_stop(state: State) -> str | None:
    """The reason to end training before its last epoch, for the user; None to continue."""
    config, waited = state.config, state.epochs_since_best
    if config.patience and waited >= config.patience:
        return f"no better validation loss in {waited} epochs (patience {config.patience})"
    rate = config.lr * state.lr_scale
    if config.lr_schedule == "plateau" and state.lr_scale < 1 and rate < LOWEST_LR:
        return f"the learning rate fell to {rate:.2g}, below {LOWEST_LR:.0e} (plateau)"
    return None
