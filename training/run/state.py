"""Everything of a run that changes while it trains, and so everything a checkpoint must hold."""

from __future__ import annotations

import copy
import math
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import AdamW

from training.config.objective import LEARNED_SIGMA
from training.config.run import TrainConfig
from training.data.datasets import Images
from training.distributed import ALONE, World, share_statistics
from training.errors import TrainingError
from training.models import IndexModel, Model, build
from training.models.linear import LinearVae
from training.models.pca import fit_pca, mean_image, pixel_variance
from training.models.pca_vae import PcaVae
from training.models.pca_vae_map import PcaVaeMap, blocks


@dataclass(kw_only=True)
class Lag:
    """Where the controller of `training.loop.lagging` (He et al. 2019) stands."""

    taken: int = 0
    """batches of this epoch that the encoder alone has seen"""
    steps: int = 0
    """encoder steps since the last decoder step"""
    total: float = 0.0
    """sum of the losses in this window"""
    finite: int = 0
    """how many losses that are"""
    before: float = math.inf
    """mean loss of the window before"""
    settled: bool = False
    """the encoder's loss has stopped falling: the decoder's turn"""
    best_mi: float = -math.inf
    misses: int = 0


@dataclass(kw_only=True)
class State:
    """A run between two steps."""

    config: TrainConfig
    model: Model
    average: Model
    """moving average of the weights; `model` itself when config.ema_decay is 0"""
    encoder_optimizer: AdamW
    decoder_optimizer: AdamW
    noise: torch.Generator
    """of the posterior samples"""
    world: World = ALONE
    """the processes that train this network"""
    bf16: bool = False
    """encode and decode in bfloat16 where that is safe"""
    epoch: int = 0
    batch: int = 0
    """batches of this epoch that are done"""
    step: int = 0
    """batches done in all"""
    skipped: int = 0
    """steps left out because the loss or its gradient was not finite"""
    variance: float = 0.0
    """running mean of the optimal variance, for evaluation; 0 before the first step"""
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
    stale: int = 0
    """epochs since it"""
    lr: float = 0.0
    """learning rate of the last step"""
    lr_scale: float = 1.0
    """what lr_schedule plateau has left of the learning rate"""
    lag: Lag = field(default_factory=Lag)
    sums: dict[str, float] = field(default_factory=dict)
    """sums of the training losses of this epoch"""
    history: list[dict[str, Any]] = field(default_factory=list)
    """one record per epoch"""

    @property
    def device(self) -> torch.device:
        """Where the network lies."""
        return next(self.model.parameters()).device

    def optimizers(self) -> dict[str, AdamW]:
        """Both optimisers by the part that they train."""
        return {"encoder": self.encoder_optimizer, "decoder": self.decoder_optimizer}

    def parameters(self) -> list[nn.Parameter]:
        """All that is trained."""
        return [
            parameter
            for optimizer in self.optimizers().values()
            for group in optimizer.param_groups
            for parameter in group["params"]
        ]

    def autocast(self) -> AbstractContextManager[None]:
        """In which networks run; losses do not."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def learned_log_variance(self) -> Tensor:
        """`log_variance`; TrainingError where the objective learns none."""
        if self.log_variance is None:
            raise TrainingError(f"sigma '{self.config.objective.sigma}' is not learned")
        return LOWEST_LOG_VARIANCE + functional.softplus(self.log_variance - LOWEST_LOG_VARIANCE)


LOWEST_LOG_VARIANCE = -12.0
"""so that pixels which never change have some noise (sigma 0.0025, as Rybkin et al. clip it)"""


def new_state(config: TrainConfig, device: torch.device, world: World = ALONE) -> State:
    """The state before the first step; the same configuration gives the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = build(config.model)
    if isinstance(model, IndexModel) and config.objective.codebook_update == "loss":
        model.learn_codes()
    model = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = model if config.ema_decay == 0 else copy.deepcopy(model).requires_grad_(False)
    share_statistics(model, world)
    noise = torch.Generator(device).manual_seed(config.seed)

    log_variance = _log_variance(config, device)
    decoder = set(model.decoder.parameters())

    def adam(*parameters: nn.Parameter) -> AdamW:
        return AdamW(parameters, lr=config.lr, weight_decay=config.weight_decay, fused=True)

    return State(
        config=config,
        model=model,
        average=average.eval(),
        encoder_optimizer=adam(*(p for p in model.parameters() if p not in decoder)),
        decoder_optimizer=adam(
            *model.decoder.parameters(), *([] if log_variance is None else [log_variance])
        ),
        noise=noise,
        world=world,
        bf16=device.type == "cuda" and config.precision != "fp32",
        log_variance=log_variance,
    )


def check_precision(config: TrainConfig, device: torch.device) -> None:
    """TrainingError where bfloat16 would only be slow."""
    if config.precision == "bf16" and device.type != "cuda":
        raise TrainingError(
            "precision 'bf16' is for GPUs: on a CPU it trains 17 times slower than fp32"
        )


def compile_networks(state: State) -> None:
    """Let torch.compile make kernels of encoder and decoder; the names of their weights stay."""
    state.model.encoder.compile()
    state.model.decoder.compile()


FIRST_VARIANCE = 0.05
"""about that of raw pixels, where training begins"""


def _log_variance(config: TrainConfig, device: torch.device) -> nn.Parameter | None:
    model, sigma = config.model, config.objective.sigma
    if sigma not in LEARNED_SIGMA:
        return None
    sizes = (model.channels, model.height, model.width)
    shape = {"shared": (1, 1, 1), "channel": (sizes[0], 1, 1), "pixel": sizes}[sigma]
    return nn.Parameter(torch.full(shape, math.log(FIRST_VARIANCE), device=device))


def start(state: State, images: Images) -> None:
    """What a fresh run takes from its training images before the first step."""
    state.images = len(images)
    state.data_variance = pixel_variance(images)
    if isinstance(state.model, LinearVae):
        mean = torch.from_numpy(mean_image(images))
        for model in (state.model, state.average):
            if isinstance(model, LinearVae):
                model.decoder.bias.data.copy_(mean)
    if isinstance(state.model, PcaVae | PcaVaeMap):
        of_blocks = isinstance(state.model, PcaVaeMap)
        parts = blocks(images, state.config.model.stride) if of_blocks else images
        pca = fit_pca(parts, state.config.model.latent)
        for model in (state.model, state.average):
            if isinstance(model, PcaVae | PcaVaeMap):
                model.start(pca)


@torch.no_grad()
def update_average(state: State) -> None:
    """Move the averaged weights and statistics towards the current ones.

    The decay grows with the steps, so that the first weights are soon forgotten.
    """
    if state.average is state.model:
        return
    decay = min(state.config.ema_decay, (1 + state.step) / (10 + state.step))
    old, new = _tensors(state.average), _tensors(state.model)
    pairs = list(zip(old, new, strict=True))
    floats = [pair for pair in pairs if pair[0].is_floating_point()]
    counts = [pair for pair in pairs if not pair[0].is_floating_point()]
    torch._foreach_lerp_([a for a, _ in floats], [b for _, b in floats], 1 - decay)
    if counts:
        torch._foreach_copy_([a for a, _ in counts], [b for _, b in counts])


def _tensors(model: Model) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


@torch.no_grad()
def copy_buffers(model: Model) -> list[Tensor]:
    """The statistics of a network (batch normalisation, codebooks) as they are now."""
    buffers = list(model.buffers())
    saved = [torch.empty_like(buffer) for buffer in buffers]
    if saved:
        torch._foreach_copy_(saved, buffers)
    return saved


@torch.no_grad()
def restore_buffers(model: Model, saved: list[Tensor]) -> None:
    """Undo what a forward pass did to the statistics."""
    for buffer, old in zip(model.buffers(), saved, strict=True):
        buffer.copy_(old)
