"""What runs the two graphs of a model."""

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt


class Graphs(Protocol):
    """The encoder and the decoder of a model."""

    def encode(self, x: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """x `[B, C, H, W]` uint8 to (mean, log-variance), `[B, D]` or `[B, D, h, w]` float32 each,
        or to (codes int32, squared distance to the codebook float32), `[B, D, h, w]` each.
        """

    def decode(self, latent: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Latents float32 or codes int32, of the encoder's shape, to x_hat `[B, C, H, W]` in
        [0, 1].
        """
