"""The parity certificate: how far the exported graphs are from the network that was trained."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from codec.errors import BundleError
from codec.images import U8
from codec.pipeline import Graphs
from codec.quantise import F32, quantise
from training.models import Model, VqVae

# Beyond these the graphs are not the network, whatever the reason.
MAX_LATENT_ERROR, MAX_PIXEL_ERROR, MIN_EQUAL_CODES = 1e-3, 1e-3, 0.9999


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Largest absolute differences between torch and onnxruntime over held-out images."""

    images: int
    latent_error: float
    pixel_error: float
    equal_codes: float

    def to_json(self) -> dict[str, Any]:
        """For the manifest's provenance."""
        return asdict(self)


def measure(model: Model, graphs: Graphs, x: U8, step: F32) -> Parity:
    """Compares both sides on a batch `[B, C, H, W]`; codes at the default quality.

    Raises BundleError if they differ by more than rounding.
    """
    with torch.no_grad():
        tensor = torch.from_numpy(x).float() / 255.0
        first, _ = graphs.encode(x)
        if isinstance(model, VqVae):
            expected = model.encode(tensor)[0].numpy()
            y = model.decode_indices(torch.from_numpy(expected)).numpy()
            equal = float((expected == first).mean())
            decoded = graphs.decode(expected.astype(np.int32))
            latent_error = 0.0
        else:
            mu = model.encode(tensor)[0].numpy()
            y = model.decode(torch.from_numpy(mu)).numpy()
            equal = float((quantise(mu, step) == quantise(first, step)).mean())
            decoded = graphs.decode(mu)
            latent_error = float(np.abs(mu - first).max())
    parity = Parity(
        images=len(x),
        latent_error=latent_error,
        pixel_error=float(np.abs(y - decoded).max()),
        equal_codes=equal,
    )
    if (
        parity.latent_error > MAX_LATENT_ERROR
        or parity.pixel_error > MAX_PIXEL_ERROR
        or parity.equal_codes < MIN_EQUAL_CODES
    ):
        raise BundleError(f"the exported graphs differ from the network: {parity}")
    return parity
