"""Priors: which row of the integer tables codes which symbol.

`Prior` is the protocol. `FactorisedPrior` codes dimensions independently, `MixturePrior` global
latents by cluster, `MapPrior` latent maps and `IndexPrior` index maps from their neighbours.
"""

from codec.priors.base import FactorisedPrior, Pass, Prior
from codec.priors.index_map import IndexPrior
from codec.priors.latent_map import MapPrior
from codec.priors.mixture import MixturePrior
from codec.priors.tables import Tables

__all__ = [
    "FactorisedPrior",
    "IndexPrior",
    "MapPrior",
    "MixturePrior",
    "Pass",
    "Prior",
    "Tables",
]
