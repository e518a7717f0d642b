"""A preset for each family of models, to train on a folder of images."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from training.config.model import ModelConfig
from training.config.objective import ObjectiveConfig
from training.config.run import TrainConfig

FAMILIES: Mapping[str, TrainConfig] = MappingProxyType(
    {
        "reslag": TrainConfig(
            model=ModelConfig(
                family="reslag",
                channels=3,
                height=64,
                width=64,
                latent=150,
                widths=(64, 128, 256, 256),
                side="light",
            ),
            epochs=20,
        ),
        "reslag-original": TrainConfig(
            model=ModelConfig(
                family="reslag",
                channels=3,
                height=64,
                width=64,
                latent=150,
                widths=(64, 128, 256, 256),
                side="original",
            ),
            epochs=20,
            aggressive_epochs=10,
            aggressive_ratio=5,
            lr_schedule="constant",
        ),
        "sigma-vae": TrainConfig(
            model=ModelConfig(
                family="sigma_vae",
                channels=3,
                height=64,
                width=64,
                latent=128,
                widths=(64, 128, 256, 256),
            ),
        ),
        "sigma-vae-map": TrainConfig(
            model=ModelConfig(
                family="sigma_vae_map", channels=3, latent=16, widths=(64, 128), stride=8
            ),
            crop=128,
            flip=True,
            epoch_steps=250,
            batch_size=16,
            lr_warmup_steps=200,
            objective=ObjectiveConfig(kl_warmup_steps=1000, variance_floor=1e-5),
        ),
        "vq-vae": TrainConfig(
            model=ModelConfig(
                family="vq_vae", channels=3, latent=32, widths=(64, 128), stride=8, codebook=512
            ),
            crop=128,
            flip=True,
            epoch_steps=250,
            batch_size=16,
            lr=1e-3,
            lr_warmup_steps=200,
            objective=ObjectiveConfig(variance_floor=1e-5),
            ema_decay=0.0,  # revived codes jump, and the mean of two places is neither
        ),
    }
)
