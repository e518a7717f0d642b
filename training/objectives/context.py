"""The state of a run as far as losses depend on it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from training.config.objective import ObjectiveConfig
from training.distributed import SINGLE_PROCESS, ProcessGroup


@dataclass(frozen=True, slots=True, kw_only=True)
class LossContext:
    """Everything that a loss depends on, apart from the network and the batch."""

    objective: ObjectiveConfig
    noise: torch.Generator
    """source of posterior samples, on the device of the network"""
    step: int = 0
    """finished steps, the position in the schedules"""
    images: int = 0
    """size of the training set"""
    multiplier: float = 1.0
    """GECO's weight of the constraint"""
    data_variance: float = 0.0
    """variance of the training pixels, in squared units of [0, 1]"""
    log_variance: Tensor | None = None
    """unbounded parameter of a learned pixel noise, [1 | C, 1 | H, 1 | W]"""
    fixed_optimum: float | None = None
    """variance that replaces the optimal variance of the batch, as in validation"""
    group: ProcessGroup = SINGLE_PROCESS
    """the processes that share the batch"""
    bf16: bool = False
    """run networks in bfloat16 where that is safe"""

    def autocast(self) -> AbstractContextManager[None]:
        """The precision of networks; losses are computed outside it."""
        return torch.autocast(self.noise.device.type, torch.bfloat16, enabled=self.bf16)
