"""The network of each family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from training.config.model import ModelConfig
from training.models.base import GaussianModel, IndexModel
from training.models.fsq import Fsq
from training.models.global_latent import GlobalVae
from training.models.linear import LinearVae
from training.models.map_latent import SigmaVaeMap
from training.models.pca_vae import PcaVae
from training.models.pca_vae_map import PcaVaeMap
from training.models.vq_vae import VqVae, VqVae2

Model = GaussianModel | IndexModel

FACTORIES: Mapping[str, Callable[[ModelConfig], Model]] = MappingProxyType(
    {
        "reslag": GlobalVae,
        "sigma_vae": GlobalVae,
        "autoencoder": GlobalVae,
        "linear": LinearVae,
        "pca_vae": PcaVae,
        "sigma_vae_map": SigmaVaeMap,
        "pca_vae_map": PcaVaeMap,
        "vq_vae": VqVae,
        "vq_vae_2": VqVae2,
        "fsq": Fsq,
    }
)


def build(config: ModelConfig) -> Model:
    """A new network of `config.family` with random weights."""
    return FACTORIES[config.family](config)
