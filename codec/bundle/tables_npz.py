"""`tables.npz` of a bundle: quantisation steps and priors of all quality levels.

steps   [Q, D] float32
...     the arrays of the priors: `pack` of the class in PRIORS has their names and types
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from codec.arrays import F32, Array
from codec.bundle.manifest import Manifest, PriorName
from codec.errors import BundleError
from codec.priors.base import Prior, require
from codec.priors.factorised import FactorisedPrior
from codec.priors.index_map import IndexPrior
from codec.priors.latent_map import MapPrior
from codec.priors.mixture import MixturePrior

PRIORS: Mapping[PriorName, type[Prior]] = MappingProxyType(
    {
        "factorised": FactorisedPrior,
        "mixture": MixturePrior,
        "map": MapPrior,
        "neighbours": IndexPrior,
    }
)


def prior_name(priors: tuple[Prior, ...]) -> PriorName:
    """The name of the priors in a manifest."""
    return next(name for name, kind in PRIORS.items() if type(priors[0]) is kind)


def pack_tables(steps: F32, priors: tuple[Prior, ...]) -> dict[str, Array]:
    """The arrays of `tables.npz` from steps `[Q, D]` and a prior per quality level."""
    return {"steps": steps, **type(priors[0]).pack(priors)}


def unpack_tables(manifest: Manifest, arrays: Mapping[str, Array]) -> tuple[F32, tuple[Prior, ...]]:
    """Undoes `pack_tables`. Raises BundleError for arrays that do not match the manifest."""
    levels, latent = manifest.quality_levels, manifest.latent
    try:
        steps = arrays["steps"]
        require(steps, "steps", np.float32, (levels, latent.dims))
        priors = PRIORS[latent.prior].unpack(arrays, latent.dims, levels)
    except KeyError as error:
        raise BundleError(f"tables.npz lacks {error} for {levels} quality levels") from error
    if not (np.isfinite(steps).all() and (steps > 0).all()):
        raise BundleError("steps must be positive and finite")
    return steps, priors
