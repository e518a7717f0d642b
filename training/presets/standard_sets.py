"""Presets for MNIST and CIFAR-10."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from training.config.model import ModelConfig
from training.config.objective import ObjectiveConfig
from training.config.run import TrainConfig

STANDARD_SETS: Mapping[str, TrainConfig] = MappingProxyType(
    {
        "mnist": TrainConfig(
            model=ModelConfig(family="sigma_vae", height=28, width=28, latent=32, widths=(32, 64)),
            validation_fraction=0.05,
            epochs=20,
            objective=ObjectiveConfig(variance_floor=1e-5),
        ),
        "cifar10": TrainConfig(
            model=ModelConfig(
                family="reslag",
                channels=3,
                height=32,
                width=32,
                latent=100,
                widths=(64, 128, 256),
                side="light",
            ),
            source="cifar10",
            validation_fraction=0.05,
            flip=True,
            epochs=40,
        ),
        "cifar10-vq": TrainConfig(
            model=ModelConfig(
                family="vq_vae",
                channels=3,
                height=32,
                width=32,
                latent=16,
                widths=(32, 64),
                codebook=512,
            ),
            source="cifar10",
            validation_fraction=0.05,
            flip=True,
            epochs=8,
            objective=ObjectiveConfig(variance_floor=1e-5),
            lr_warmup_steps=100,
            ema_decay=0.0,
        ),
    }
)
