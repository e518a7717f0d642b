"""The limit of training speed: forward, backward and step over float tensors in memory, no more."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
import tyro
from torch import Tensor, nn

from training.data.datasets import training_and_validation
from training.models import GlobalVae
from training.objectives import likelihoods as objectives
from training.presets import PRESETS


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to run, and how fast variants of it may be."""

    preset: str
    data: Path
    result: Path
    epochs: int = 1
    steps: int = 0
    """batches of an epoch; 0 = one pass"""
    optimizer: Literal["fused", "foreach"] = "fused"
    layout: Literal["channels_last", "contiguous_format"] = "channels_last"


def loss_of(network: GlobalVae, x: Tensor, variance: Tensor) -> Tensor:
    """Sigma-VAE with a fixed variance: nats per pixel value, as the command trains it."""
    posterior = network.encode(x)
    z = objectives.reparameterise(*posterior, torch.randn_like(posterior.mu))
    sse = objectives.squared_error(x, network.decode(z))
    values = x[0].numel()
    nll = objectives.gaussian_nll(sse, variance, values).mean()
    return (nll + objectives.gaussian_kl(*posterior).mean()) / values


def adamw(network: nn.Module, lr: float, kind: str) -> torch.optim.AdamW:
    """Both implementations by name."""
    parameters = network.parameters()
    if kind == "fused":
        return torch.optim.AdamW(parameters, lr=lr, weight_decay=0.0, fused=True)
    return torch.optim.AdamW(parameters, lr=lr, weight_decay=0.0, foreach=True)


def main() -> None:
    """Entry point."""
    options = tyro.cli(Options)
    config = PRESETS[options.preset]
    images, _ = training_and_validation(config.data, options.data)
    layout = getattr(torch, options.layout)
    x = torch.tensor(images).float().div_(255).contiguous(memory_format=layout)
    variance = x.var()
    network = GlobalVae(config.model).to(memory_format=layout).train()
    optimizer = adamw(network, config.lr, options.optimizer)
    steps = options.steps or len(x) // config.batch_size
    batches = x.split(config.batch_size)[:steps] * options.epochs

    start = time.perf_counter()
    for batch in batches:
        loss = loss_of(network, batch, variance)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    seconds = time.perf_counter() - start

    found = {"images": len(batches) * config.batch_size, "seconds": seconds}
    options.result.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
