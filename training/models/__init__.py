"""The networks: each has `encode` and `decode`, and no loss, data or device inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from training.model_config import ModelConfig
from training.models.global_latent import GlobalVae
from training.models.latents import Codes, Posterior
from training.models.linear import LinearVae
from training.models.map_latent import SigmaVaeMap
from training.models.vq_vae import VqVae

GaussianModel = GlobalVae | LinearVae | SigmaVaeMap
Model = GaussianModel | VqVae

FACTORIES: Mapping[str, Callable[[ModelConfig], Model]] = MappingProxyType(
    {
        "reslag": GlobalVae,
        "sigma_vae": GlobalVae,
        "autoencoder": GlobalVae,
        "linear": LinearVae,
        "sigma_vae_map": SigmaVaeMap,
        "vq_vae": VqVae,
    }
)


def build(config: ModelConfig) -> Model:
    """A new network of `config.family` with random weights."""
    return FACTORIES[config.family](config)


__all__ = [
    "FACTORIES",
    "Codes",
    "GaussianModel",
    "GlobalVae",
    "LinearVae",
    "Model",
    "Posterior",
    "SigmaVaeMap",
    "VqVae",
    "build",
]
