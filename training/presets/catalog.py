"""Named configurations; every field can be overridden on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from training.config.run import ModelConfig, ObjectiveConfig, TrainConfig
from training.presets import codecs as codec_presets
from training.presets import reslag_table1 as reproduce

PRESETS: Mapping[str, TrainConfig] = MappingProxyType(
    {
        # The two shipped models.
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
        # One preset for each family, for a folder of images.
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
        # Standard data sets.
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
        **codec_presets.presets(),
        **reproduce.presets(),
    }
)


def names() -> str:
    """What a person can type, in a few lines instead of one for each cell of a table."""
    single = [name for name in PRESETS if "/" not in name]
    return "\n".join(
        [
            ", ".join(single),
            "codec/DATASET with DATASET of mnist, cifar10, faces",
            f"ours/DATASET with DATASET of {', '.join(reproduce.OURS)}",
            f"reproduce/DATASET/MODEL with DATASET of {', '.join(reproduce.DATASETS)}",
            f"    and MODEL of {', '.join(reproduce.MODELS)}",
        ]
    )
