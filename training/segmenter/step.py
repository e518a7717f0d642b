"""One step of a segmenter, and how well it finds defects that it was not trained with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from codec.arrays import F32, U8, Mask
from training.config.run import TrainConfig
from training.data.ahead import Resources
from training.data.image_files import Images
from training.errors import TrainingError
from training.metrics.detection import auroc_of_counts, count_scores
from training.run.start import trains_in_bf16
from training.segmenter.drawn import DrawnBatches, make_drawn_batches
from training.segmenter.loss import close_holes, mask_loss
from training.segmenter.network import Segmenter, segment
from training.segmenter.state import SegmenterState, learning_rate, update_average

GRADIENT = 1.0
# Share of the newest loss in the running mean.
LOSS_SHARE = 0.01
# Pixels of the images in one call when scores of held-out images are measured.
CALL_PIXELS = 2**18


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """All that a training needs and does not change."""

    batches: DrawnBatches
    device: torch.device
    workers: int
    """processes that draw batches"""
    bf16: bool


def prepare(config: TrainConfig, training: Images, *, seed: int, available: Resources) -> Setting:
    """The setting of a training of the segmenter of a run with this configuration."""
    return Setting(
        batches=make_drawn_batches(config, training, seed),
        device=available.device,
        workers=available.workers,
        bf16=trains_in_bf16(config.precision, available.device),
    )


def step(setting: Setting, state: SegmenterState, drawn: U8, masks: Mask) -> None:
    """One batch: images [B, C, H, W] and the masks [B, H, W] of their defects.

    Raises TrainingError if the loss is not finite.
    """
    x = to_float(drawn, setting.device)
    mask = torch.from_numpy(close_holes(masks)).to(setting.device).float()
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(state.step, state.task.steps)
    state.network.train()
    with torch.autocast(setting.device.type, torch.bfloat16, enabled=setting.bf16):
        logits = segment(state.network, x)
    loss = mask_loss(logits.float(), mask, setting.batches.drawn)
    state.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    norm = clip_grad_norm_(state.network.parameters(), GRADIENT)
    value = float(loss.detach())
    if not (np.isfinite(value) and bool(norm.isfinite())):
        raise TrainingError(f"the loss of the segmenter is not finite in step {state.step + 1}")
    state.optimizer.step()
    state.step += 1
    update_average(state)
    state.loss += (value - state.loss) * max(LOSS_SHARE, 1 / state.step)


def auroc(setting: Setting, network: Segmenter, clean: U8, drawn: U8) -> float:
    """How well the largest logits (over 3 x 3 pixels) tell drawn images [N, C, H, W] from clean."""
    values = np.concatenate([_peaks(setting, network, images) for images in (clean, drawn)])
    labels = np.repeat([False, True], [len(clean), len(drawn)])
    return auroc_of_counts(count_scores(values, labels)[1])


@torch.no_grad()
def _peaks(setting: Setting, network: Segmenter, images: U8) -> F32:
    size = max(1, CALL_PIXELS // images[0, 0].size)
    peaks = []
    for first in range(0, len(images), size):
        x = to_float(images[first : first + size], setting.device)
        logits = segment(network.eval(), x)
        smooth = functional.avg_pool2d(logits[:, None], 3, 1, 1, count_include_pad=False)
        peaks.append(smooth.flatten(1).amax(1).cpu().numpy())
    return np.concatenate(peaks)


def to_float(images: U8, device: torch.device) -> Tensor:
    """uint8 [B, C, H, W] to float [0, 1] on the device."""
    there = torch.from_numpy(images).to(device).float().div_(255)
    return there.contiguous(memory_format=torch.channels_last)
