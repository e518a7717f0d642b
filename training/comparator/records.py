"""Images as their records decode, through the frozen autoencoder of a run."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from codec.arrays import F32
from training.config.run import TrainConfig
from training.data.image_files import Images
from training.loop.decoded import measure_deviation
from training.models.base import GaussianModel
from training.models.families import Model
from training.objectives.decoded import round_to_default


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """An autoencoder in eval mode, and the deviations of its posteriors that set the steps."""

    model: Model
    sigma: F32 | None
    """[D]; None for indices, which are not rounded"""

    @torch.no_grad()
    def decoded(self, x: Tensor) -> Tensor:
        """What records of the default level of x [B, C, H, W] in [0, 1] decode to, in float32."""
        if not isinstance(self.model, GaussianModel) or self.sigma is None:
            return self.model.reconstruct(x)
        z = round_to_default(self.model.encode(x).mu, self.sigma)
        return self.model.decode(z)


def make_records(
    config: TrainConfig, model: Model, images: Images, device: torch.device
) -> Records:
    """The records of a run; evenly spread training images give the deviations, as at export."""
    model = model.eval().requires_grad_(False)
    model = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    sigma = None
    if isinstance(model, GaussianModel):
        sigma = measure_deviation(config, model, images, device)
    return Records(model=model, sigma=sigma)
