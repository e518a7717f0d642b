"""The moving average of the weights, and copies of the statistics of a network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.models.families import Model
from training.run.state import State


@torch.no_grad()
def update_ema(state: State) -> None:
    """Moves the averaged weights and statistics towards the current ones.

    The decay grows with the steps, so that the first weights are soon forgotten; likewise those
    from before the decoder learns codes as they are decoded.
    """
    if state.ema_model is state.model:
        return
    step = state.step - (0 if state.decoded is None else state.decoded.since)
    decay = min(state.config.ema_decay, (1 + step) / (10 + step))
    move_towards(state.model, state.ema_model, 1 - decay)


@torch.no_grad()
def move_towards(network: nn.Module, average: nn.Module, weight: float) -> None:
    """Moves averaged weights and statistics by a part of the way to those of a network."""
    pairs = list(zip(_tensors(average), _tensors(network), strict=True))
    floats = [pair for pair in pairs if pair[0].is_floating_point()]
    counts = [pair for pair in pairs if not pair[0].is_floating_point()]
    torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], weight)
    if counts:
        torch._foreach_copy_([a for a, _ in counts], [b for _, b in counts])


def _tensors(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


@torch.no_grad()
def copy_buffers(model: Model) -> list[Tensor]:
    """A copy of the statistics of a network (batch normalisation, codebooks)."""
    buffers = list(model.buffers())
    saved = [torch.empty_like(buffer) for buffer in buffers]
    if saved:
        torch._foreach_copy_(saved, buffers)
    return saved


@torch.no_grad()
def reset_buffers(model: Model, saved: list[Tensor]) -> None:
    """Sets the statistics to a copy from `copy_buffers`."""
    for buffer, old in zip(model.buffers(), saved, strict=True):
        buffer.copy_(old)
