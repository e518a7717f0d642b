"""The state of a run before its first step."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn
from torch.optim import AdamW

from training.config.objective import LEARNED_SIGMA
from training.config.run import Precision, TrainConfig
from training.data.image_files import Images
from training.distributed import SINGLE_PROCESS, ProcessGroup, share_statistics
from training.errors import TrainingError
from training.models.base import IndexModel
from training.models.families import build
from training.models.pca import pixel_variance
from training.run.state import State

# Learned variance of the pixel noise at the first step, about that of raw pixels.
FIRST_VARIANCE = 0.05


def new_state(
    config: TrainConfig, device: torch.device, group: ProcessGroup = SINGLE_PROCESS
) -> State:
    """The state before the first step; the same configuration gives the same weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = build(config.model)
    if isinstance(model, IndexModel) and config.objective.codebook_update == "loss":
        model.learn_codes()
    model = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    ema_model = model if config.ema_decay == 0 else copy.deepcopy(model).requires_grad_(False)
    share_statistics(model, group)
    log_variance = _log_variance(config, device)
    decoder = list(model.decoder.parameters())
    of_decoder = set(decoder)

    def adam(*parameters: nn.Parameter) -> AdamW:
        return AdamW(parameters, lr=config.lr, weight_decay=config.weight_decay, fused=True)

    return State(
        config=config,
        model=model,
        ema_model=ema_model.eval(),
        encoder_optimizer=adam(*(p for p in model.parameters() if p not in of_decoder)),
        decoder_optimizer=adam(*decoder, *([] if log_variance is None else [log_variance])),
        noise=torch.Generator(device).manual_seed(config.seed),
        group=group,
        bf16=trains_in_bf16(config.precision, device),
        log_variance=log_variance,
    )


def _log_variance(config: TrainConfig, device: torch.device) -> nn.Parameter | None:
    model, sigma = config.model, config.objective.sigma
    if sigma not in LEARNED_SIGMA:
        return None
    sizes = (model.channels, model.height, model.width)
    shape = {"shared": (1, 1, 1), "channel": (sizes[0], 1, 1), "pixel": sizes}[sigma]
    return nn.Parameter(torch.full(shape, math.log(FIRST_VARIANCE), device=device))


def init_from_images(state: State, images: Images) -> None:
    """Sets everything that is computed from the training images before the first step."""
    state.images = len(images)
    state.data_variance = pixel_variance(images)
    state.model.init_from_images(images)
    if state.ema_model is not state.model:
        state.ema_model.load_state_dict(state.model.state_dict())


def trains_in_bf16(precision: Precision, device: torch.device) -> bool:
    """Whether networks of a run are computed in bfloat16: by default on a GPU only."""
    return precision == "bf16" or (precision == "auto" and device.type == "cuda")


def has_fast_bf16(device: torch.device) -> bool:
    """A GPU, or a CPU with AMX, which trains 3 times faster in bfloat16 than in fp32."""
    return device.type == "cuda" or bool(torch.cpu.get_capabilities().get("amx_bf16"))


def check_precision(config: TrainConfig, device: torch.device) -> None:
    """Raises TrainingError for bfloat16 on a device where it is only slow."""
    if config.precision == "bf16" and not has_fast_bf16(device):
        raise TrainingError(
            "precision 'bf16' is for GPUs and for CPUs with AMX: on other CPUs it trains 17 times "
            "slower than fp32"
        )


def compile_networks(state: State) -> None:
    """Compiles encoder and decoder with torch.compile; the names of their weights stay."""
    state.model.encoder.compile()
    state.model.decoder.compile()
