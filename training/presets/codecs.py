"""Presets of codecs: networks for a range of rates, for the data sets that codecs are measured on.

The decoders know the rate. They are trained with fixed pixel noise that suits the middle of the
range. RESULTS.md has their figures, and `make bench-rd` measures them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from training.config.model import ModelConfig
from training.config.objective import ObjectiveConfig
from training.config.run import Source, TrainConfig


def _objective(variance: float, step_range: tuple[float, float]) -> ObjectiveConfig:
    return ObjectiveConfig(sigma="fixed", fixed_variance=variance, octaves=step_range)


def _principal(
    channels: int,
    side: int,
    latent: int,
    *,
    step_range: tuple[float, float],
    epochs: int,
    source: Source = "auto",
) -> TrainConfig:
    """Small images, from their principal components on."""
    model = ModelConfig(
        family="pca_vae",
        channels=channels,
        height=side,
        width=side,
        latent=latent,
        widths=(96,),
        depth=3,
        stride=4,
        rate_aware=True,
    )
    return TrainConfig(
        model=model,
        objective=_objective(0.02, step_range),
        source=source,
        validation_fraction=0.05,
        flip=True,
        epochs=epochs,
        batch_size=64,
        lr_warmup_steps=200,
    )


CODECS: Mapping[str, TrainConfig] = MappingProxyType(
    {
        "codec/mnist": TrainConfig(
            model=ModelConfig(
                family="sigma_vae",
                height=28,
                width=28,
                latent=48,
                widths=(32, 64),
                hidden=(512,),
                rate_aware=True,
            ),
            objective=_objective(0.01, (-1.0, 2.0)),
            validation_fraction=0.05,
            epochs=20,
        ),
        "codec/cifar10": _principal(3, 32, 256, step_range=(-1.0, 1.5), epochs=9, source="cifar10"),
        "codec/faces": _principal(1, 64, 320, step_range=(-1.0, 1.0), epochs=38),
        "photo": TrainConfig(
            model=ModelConfig(
                family="pca_vae_map",
                channels=3,
                latent=64,
                widths=(96, 128),
                depth=3,
                stride=8,
                rate_aware=True,
            ),
            objective=_objective(0.01, (-0.8, 1.6)),
            validation_fraction=0.05,
            crop=128,
            scale_jitter=(0.5, 1.0),
            flip=True,
            epochs=46,
            epoch_steps=250,
            batch_size=8,
            lr=1e-3,
            lr_warmup_steps=100,
        ),
    }
)
