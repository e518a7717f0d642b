"""The networks. Each has `encode` and `decode`, and contains no loss, data or device."""

from training.models.base import GaussianModel, IndexModel
from training.models.families import FACTORIES, Model, build
from training.models.fsq import Fsq
from training.models.global_latent import GlobalVae
from training.models.latents import Codes, Posterior, Quantised
from training.models.linear import LinearVae
from training.models.map_latent import SigmaVaeMap
from training.models.pca_vae import PcaVae
from training.models.pca_vae_map import PcaVaeMap
from training.models.vq_vae import VqVae, VqVae2

__all__ = [
    "FACTORIES",
    "Codes",
    "Fsq",
    "GaussianModel",
    "GlobalVae",
    "IndexModel",
    "LinearVae",
    "Model",
    "PcaVae",
    "PcaVaeMap",
    "Posterior",
    "Quantised",
    "SigmaVaeMap",
    "VqVae",
    "VqVae2",
    "build",
]
