"""The parity certificate: how far the exported graphs are from the network that was trained."""

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

# Beyond these the graphs are not the network, whatever the reason. A latent halfway between two
# codes may fall to either side, so some codes of a good graph differ.
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
    """Compares both sides on a batch `[B, C, H, W]`; codes at the default quality.

    Raises BundleError if they differ by more than rounding.
    """
    with torch.no_grad(), np.errstate(invalid="ignore"):
        tensor = torch.from_numpy(x).float() / 255.0
        first, _ = graphs.encode(x)
        if isinstance(model, IndexModel):
            expected = model.encode(tensor).indices.numpy()
            y = model.decode_indices(torch.from_numpy(expected)).numpy()
            equal = float((expected == first).mean())
            decoded = graphs.decode(expected.astype(np.int32))
            latent_error = None
        else:
            mu = model.encode(tensor).mu.numpy()
            y = model.decode(torch.from_numpy(mu)).numpy()
            equal = float((quantise(mu, step) == quantise(first, step)).mean())
            z = torch.from_numpy(mu)
            decoded = graphs.decode(
                (append_rate_channel(z, None) if model.config.rate_aware else z).numpy()
            )
            latent_error = float(np.abs(mu - first).max())
    parity = Parity(
        images=len(x),
        latent_error=latent_error,
        pixel_error=float(np.abs(y - decoded).max()),
        equal_codes=equal,
    )
    # Written so that NaN, which is not larger than anything, is refused too.
    if not (
        (latent_error is None or latent_error <= MAX_LATENT_ERROR)
        and parity.pixel_error <= MAX_PIXEL_ERROR
        and parity.equal_codes >= MIN_EQUAL_CODES
    ):
        raise BundleError(f"the exported graphs differ from the network: {parity}")
    return parity
