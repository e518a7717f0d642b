"""Pythae's own trainer with its default settings, on a network and data of ours."""

from __future__ import annotations

import json
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro
from pythae.data.preprocessors import DataProcessor
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from torch import Tensor

from training.data.datasets import training_and_validation
from training.models import GlobalVae
from training.models.base import LOG_VAR_RANGE
from training.models.global_latent import GlobalDecoder, GlobalEncoder
from training.presets import PRESETS


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to run."""

    preset: str
    data: Path
    result: Path
    epochs: int = 1
    batch_size: int = 0
    """0 = that of the preset"""


class Encoder(BaseEncoder):
    """Our encoder in Pythae's words."""

    def __init__(self, layers: GlobalEncoder) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor) -> ModelOutput:
        mu, log_var = self.layers(x).chunk(2, dim=1)
        return ModelOutput(embedding=mu, log_covariance=log_var.clamp(*LOG_VAR_RANGE))


class Decoder(BaseDecoder):
    """Our decoder in Pythae's words."""

    def __init__(self, layers: GlobalDecoder) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, z: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=self.layers(z))


def main() -> None:
    """Entry point."""
    options = tyro.cli(Options)
    config = PRESETS[options.preset]
    images, _ = training_and_validation(config.data, options.data)
    processor = DataProcessor()
    data = processor.to_dataset(processor.process_data(torch.tensor(images).float().div_(255)))
    network = GlobalVae(config.model)
    size = (config.model.channels, config.model.height, config.model.width)
    model = VAE(
        VAEConfig(input_dim=size, latent_dim=config.model.latent),
        Encoder(network.encoder),
        Decoder(network.decoder),
    )
    with tempfile.TemporaryDirectory(dir=options.result.parent) as folder:
        settings = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=options.epochs,
            per_device_train_batch_size=options.batch_size or config.batch_size,
            no_cuda=True,
        )
        trainer = BaseTrainer(model, train_dataset=data, training_config=settings)
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
    found = {"images": options.epochs * len(images), "seconds": seconds}
    options.result.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
