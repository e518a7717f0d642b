"""Everything of a run that changes while it trains, and so everything a checkpoint must hold."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW

from training.config.run import TrainConfig
from training.distributed import SINGLE_PROCESS, ProcessGroup
from training.models.families import Model
from training.objectives.context import LossContext


@dataclass(kw_only=True)
class LaggingState:
    """The state of the controller in `training.loop.lagging` (He et al. 2019)."""

    taken: int = 0
    """batches of this epoch that only the encoder has seen"""
    steps: int = 0
    """encoder steps since the last decoder step"""
    total: float = 0.0
    """sum of the finite losses in this window"""
    finite: int = 0
    """number of these losses"""
    before: float = math.inf
    """mean loss of the window before"""
    encoder_converged: bool = False
    """the encoder's loss has stopped falling: the next step trains the decoder"""
    best_mi: float = -math.inf
    """highest mutual information so far, in nats"""
    misses: int = 0
    """epochs without more mutual information"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedState:
    """The part of a run in which the decoder learns rounded means (`training.loop.decoded`)."""

    since: int
    """finished steps when it began"""
    sigma: tuple[float, ...]
    """root mean square deviation of each latent's posterior over training images"""


@dataclass(kw_only=True)
class State:
    """A run between two steps."""

    config: TrainConfig
    model: Model
    ema_model: Model
    """moving average of the weights; `model` itself when config.ema_decay is 0"""
    encoder_optimizer: AdamW
    decoder_optimizer: AdamW
    noise: torch.Generator
    """source of the posterior samples"""
    group: ProcessGroup = SINGLE_PROCESS
    """the processes that train this network"""
    bf16: bool = False
    """encode and decode in bfloat16 where that is safe"""
    epoch: int = 0
    batch: int = 0
    """finished batches of this epoch"""
    step: int = 0
    """finished batches in all"""
    skipped: int = 0
    """steps left out because the loss or its gradient was not finite"""
    variance: float = 0.0
    """running mean of the optimal variance, for validation; 0 before the first step"""
    log_variance: nn.Parameter | None = None
    """of the pixel noise where it is learned, [1 or C, 1 or H, 1 or W]"""
    data_variance: float = 0.0
    """variance of the training pixels"""
    images: int = 0
    """size of the training set"""
    multiplier: float = 1.0
    """GECO's weight of the constraint"""
    excess: float = 0.0
    """GECO's moving average of the constraint"""
    best: float = math.inf
    """lowest validation loss so far, nats per image"""
    epochs_since_best: int = 0
    lr: float = 0.0
    """learning rate of the last step"""
    lr_scale: float = 1.0
    """share of the learning rate that lr_schedule plateau has left"""
    lagging: LaggingState = field(default_factory=LaggingState)
    decoded: DecodedState | None = None
    """set while the decoder learns codes as they are decoded"""
    sums: dict[str, float] = field(default_factory=dict)
    """sums of the training losses of this epoch"""
    history: list[dict[str, Any]] = field(default_factory=list)
    """one record per epoch"""

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return next(self.model.parameters()).device

    def optimizers(self) -> dict[str, AdamW]:
        """Both optimisers, by the part that they train."""
        return {"encoder": self.encoder_optimizer, "decoder": self.decoder_optimizer}

    def parameters(self) -> list[nn.Parameter]:
        """All trained parameters."""
        return [
            parameter
            for optimizer in self.optimizers().values()
            for group in optimizer.param_groups
            for parameter in group["params"]
        ]

    def loss_context(self) -> LossContext:
        """The context of the loss of the next step."""
        return LossContext(
            objective=self.config.objective,
            noise=self.noise,
            step=self.step,
            images=self.images,
            multiplier=self.multiplier,
            data_variance=self.data_variance,
            log_variance=self.log_variance,
            group=self.group,
            bf16=self.bf16,
        )
