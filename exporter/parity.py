"""The parity certificate: how far the exported graphs are from the trained network."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from codec.arrays import F32, U8
from codec.errors import BundleError
from codec.graphs.protocol import Graphs
from codec.quantise import quantise
from training.models import IndexModel, Model
from training.models.layers import append_rate_channel

# Larger errors mean that the graphs are not the network. A latent halfway between two codes can be
# rounded either way, so a few codes of a good graph differ.
MAX_LATENT_ERROR, MAX_PIXEL_ERROR, MIN_EQUAL_CODES = 1e-3, 1e-3, 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Largest absolute differences between torch and onnxruntime over held-out images.

    `latent_error` is None where the latents are indices; `equal_codes` is a share.
    """

    images: int
    latent_error: float | None
    pixel_error: float
    equal_codes: float

    def to_json(self) -> dict[str, Any]:
        """For the manifest's provenance."""
        return asdict(self)


def measure(model: Model, graphs: Graphs, x: U8, step: F32) -> Parity:
    """Compares graphs and network on a batch `[B, C, H, W]`; the step `[D]` gives the codes.

    Raises BundleError if they differ by more than rounding.
    """
    with torch.no_grad(), np.errstate(invalid="ignore"):
        tensor = torch.from_numpy(x).float() / 255.0
        latents, _ = graphs.encode(x)
        if isinstance(model, IndexModel):
            expected = model.encode(tensor).indices.numpy()
            y = model.decode_indices(torch.from_numpy(expected)).numpy()
            equal = float((expected == latents).mean())
            decoded = graphs.decode(expected.astype(np.int32))
            latent_error = None
        else:
            mu = model.encode(tensor).mu
            y = model.decode(mu).numpy()
            equal = float((quantise(mu.numpy(), step) == quantise(latents, step)).mean())
            z = append_rate_channel(mu, None) if model.config.rate_aware else mu
            decoded = graphs.decode(z.numpy())
            latent_error = float(np.abs(mu.numpy() - latents).max())
    parity = Parity(
        images=len(x),
        latent_error=latent_error,
        pixel_error=float(np.abs(y - decoded).max()),
        equal_codes=equal,
    )
    # Written so that NaN fails too.
    if not (
        (latent_error is None or latent_error <= MAX_LATENT_ERROR)
        and parity.pixel_error <= MAX_PIXEL_ERROR
        and parity.equal_codes >= MIN_EQUAL_CODES
    ):
        raise BundleError(f"the exported graphs differ from the network: {parity}")
    return parity
