"""The interface of the graphs of a model."""

from typing import Protocol

from codec.arrays import F32, U8, Array

# Of one graph. Libraries start as many threads as they are asked for.
MAX_THREADS = 1024


class Graphs(Protocol):
    """The encoder, the decoder and perhaps the segmenter of a model, wherever they run."""

    def encode(self, x: U8) -> tuple[Array, Array]:
        """Runs the encoder on x `[B, C, H, W]` uint8.

        Returns (means, log-variances), `[B, D]` or `[B, D, h, w]` float32 each, or (indices int32,
        squared distances to the codebook float32), `[B, D, h, w]` each.
        """

    def decode(self, latent: Array) -> F32:
        """Runs the decoder: x_hat `[B, C, H, W]` in [0, 1].

        `latent` has the shape of the encoder's output, float32 or, for indices, int32, with an
        additional rate channel if the decoder takes one.
        """

    def segment(self, x: U8) -> F32:
        """Runs the segmenter on x `[B, C, H, W]` uint8: logits `[B, H, W]`.

        The sides are multiples of 16. Raises BundleError for a model that has none; only the scores
        of some bundles call it.
        """
