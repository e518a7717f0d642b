"""When the learning rate changes and when training ends: functions of the state of a run."""

from __future__ import annotations

import math
from typing import Any

from training.run.state import State

# Part of the learning rate that is left at the end of the cosine.
FINAL_LR = 0.01
# Epochs without a better validation loss after which lr_schedule plateau halves the rate.
PLATEAU_EPOCHS = 3
# At which plateau ends training (both of the ResLag report's beta-VAE and MMD rows).
LOWEST_LR = 5e-5


def learning_rate(state: State, steps: int) -> float:
    """The rate of the next of `steps` steps: linear warm-up, then as `lr_schedule` says."""
    config = state.config
    rate = config.lr * state.lr_scale
    if config.lr_schedule == "cosine":
        done = min(1.0, state.step / max(1, steps))
        rate *= FINAL_LR + (1 - FINAL_LR) * 0.5 * (1 + math.cos(math.pi * done))
    if state.step < config.lr_warmup_steps:
        rate *= (state.step + 1) / config.lr_warmup_steps
    return rate


def set_learning_rate(state: State, rate: float) -> None:
    """Give both optimisers the rate."""
    state.lr = rate
    for optimizer in state.optimizers().values():
        for group in optimizer.param_groups:
            group["lr"] = rate


def judge(state: State, record: dict[str, Any]) -> bool:
    """Whether the epoch of `record` is the best so far; counts the epochs since, and halves."""
    improved: bool = record["loss"] < state.best
    state.best = min(state.best, record["loss"])
    state.epochs_since_best = 0 if improved else state.epochs_since_best + 1
    if (
        state.config.lr_schedule == "plateau"
        and state.epochs_since_best
        and state.epochs_since_best % PLATEAU_EPOCHS == 0
    ):
        state.lr_scale /= 2
    return improved


def early_stop(state: State) -> str | None:
    """Why training ends before its last epoch, in words; None: it goes on."""
    config, waited = state.config, state.epochs_since_best
    if config.patience and waited >= config.patience:
        return f"no better validation loss in {waited} epochs (patience {config.patience})"
    rate = config.lr * state.lr_scale
    if config.lr_schedule == "plateau" and state.lr_scale < 1 and rate < LOWEST_LR:
        return f"the learning rate fell to {rate:.2g}, below {LOWEST_LR:.0e} (plateau)"
    return None
