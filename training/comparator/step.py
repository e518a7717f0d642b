"""One step of a comparator, and how well it finds defects that it was not trained with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_

from codec.arrays import F32, U8
from training.comparator.drawn import DrawnBatches, make_drawn_batches
from training.comparator.loss import close_holes, mask_loss
from training.comparator.network import Comparator, compare
from training.comparator.records import Records, make_records
from training.comparator.state import ComparatorState, learning_rate, update_average
from training.config.run import TrainConfig
from training.data.image_files import Images
from training.errors import TrainingError
from training.metrics.detection import auroc_of_counts, count_scores
from training.run.checkpoint import load_run
from training.run.start import trains_in_bf16

GRADIENT = 1.0
# Share of the newest loss in the running mean.
LOSS_SHARE = 0.01
# Pixels of the images in one call when scores of held-out images are measured.
CALL_PIXELS = 2**18


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """All that a training needs and does not change."""

    config: TrainConfig
    records: Records
    batches: DrawnBatches
    device: torch.device
    bf16: bool


def prepare(run: Path, training: Images, *, seed: int, device: torch.device) -> Setting:
    """The setting of a training of the comparator of a run."""
    config, model, _ = load_run(run)
    return Setting(
        config=config,
        records=make_records(config, model, training, device),
        batches=make_drawn_batches(config, training, seed),
        device=device,
        bf16=trains_in_bf16(config.precision, device),
    )


def step(setting: Setting, state: ComparatorState) -> None:
    """One batch. Raises TrainingError if the loss is not finite."""
    drawn, masks = setting.batches.batch(state.step)
    x, mask = to_float(drawn, setting.device), torch.from_numpy(masks).to(setting.device).float()
    x_hat = setting.records.decoded(x)
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate(state.step, state.task.steps)
    state.network.train()
    with torch.autocast(setting.device.type, torch.bfloat16, enabled=setting.bf16):
        logits = compare(state.network, x, x_hat)
    loss = mask_loss(logits.float(), close_holes(mask), setting.batches.drawn)
    state.optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    norm = clip_grad_norm_(state.network.parameters(), GRADIENT)
    value = float(loss.detach())
    if not (np.isfinite(value) and bool(norm.isfinite())):
        raise TrainingError(f"the loss of the comparator is not finite in step {state.step + 1}")
    state.optimizer.step()
    state.step += 1
    update_average(state)
    state.loss += (value - state.loss) * max(LOSS_SHARE, 1 / state.step)


def auroc(setting: Setting, network: Comparator, clean: U8, drawn: U8) -> float:
    """How well the largest logits (over 3 x 3 pixels) tell drawn images [N, C, H, W] from clean."""
    values = np.concatenate([_peaks(setting, network, images) for images in (clean, drawn)])
    labels = np.repeat([False, True], [len(clean), len(drawn)])
    return auroc_of_counts(count_scores(values, labels)[1])


@torch.no_grad()
def _peaks(setting: Setting, network: Comparator, images: U8) -> F32:
    size = max(1, CALL_PIXELS // images[0, 0].size)
    peaks = []
    for first in range(0, len(images), size):
        x = to_float(images[first : first + size], setting.device)
        logits = compare(network.eval(), x, setting.records.decoded(x))
        smooth = functional.avg_pool2d(logits[:, None], 3, 1, 1, count_include_pad=False)
        peaks.append(smooth.flatten(1).amax(1).cpu().numpy())
    return np.concatenate(peaks)


def to_float(images: U8, device: torch.device) -> Tensor:
    """uint8 [B, C, H, W] to float [0, 1] on the device."""
    there = torch.from_numpy(images).to(device).float().div_(255)
    return there.contiguous(memory_format=torch.channels_last)
