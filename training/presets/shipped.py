"""The presets of the two shipped models."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from training.config.model import ModelConfig
from training.config.objective import ObjectiveConfig
from training.config.run import TrainConfig

SHIPPED: Mapping[str, TrainConfig] = MappingProxyType(
    {
        "fashion": TrainConfig(
            model=ModelConfig(
                family="reslag", height=28, width=28, latent=80, widths=(32, 96), side="light"
            ),
            validation_fraction=0.05,
            epochs=16,
            # Above 1 it brings the posterior's own noise to the operating point of 22 dB.
            objective=ObjectiveConfig(beta=2.5, variance_floor=1e-5),
            batch_size=128,
            lr=2e-3,
            lr_warmup_steps=200,
        ),
        "pcb": TrainConfig(
            model=ModelConfig(family="sigma_vae_map", latent=16, widths=(48, 96), stride=8),
            validation_fraction=0.2,
            crop=128,
            scale_jitter=(0.6, 1.3),
            rotate=True,
            flip=True,
            inversion=0.2,
            corruptions=4.0,
            epochs=36,
            epoch_steps=250,
            batch_size=16,
            lr=1e-3,
            lr_warmup_steps=200,
            weight_decay=1e-4,
            objective=ObjectiveConfig(kl_warmup_steps=1000, variance_floor=1e-5),
        ),
    }
)
