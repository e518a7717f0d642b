"""The graphs of a model with a micro-batching queue in front of each."""

from typing import final

from codec.arrays import Array
from codec.graphs.protocol import Graphs
from service.runtime.batching import BatchObserver, Limits, MicroBatcher


@final
class BatchedGraphs:
    """Graphs with a micro-batcher in front of each; satisfies the protocol `Graphs`.

    A model without a segmenter has no observer for it.
    """

    def __init__(
        self,
        graphs: Graphs,
        limits: Limits,
        encoder: BatchObserver,
        decoder: BatchObserver,
        segmenter: BatchObserver | None = None,
    ) -> None:
        self._encode = MicroBatcher(graphs.encode, limits, encoder, "encoder")
        self._decode = MicroBatcher(lambda z: (graphs.decode(z),), limits, decoder, "decoder")
        self._graphs, self._segment = graphs, None
        if segmenter is not None:
            self._segment = MicroBatcher(
                lambda x: (graphs.segment(x),), limits, segmenter, "segmenter"
            )

    def encode(self, x: Array) -> tuple[Array, Array]:
        """Both outputs of the encoder. Raises what MicroBatcher raises."""
        first, second = self._encode(x)
        return first, second

    def decode(self, latent: Array) -> Array:
        """The output of the decoder. Raises what MicroBatcher raises."""
        (x_hat,) = self._decode(latent)
        return x_hat

    def segment(self, x: Array) -> Array:
        """The output of the segmenter. Raises what MicroBatcher raises."""
        if self._segment is None:
            return self._graphs.segment(x)
        (logits,) = self._segment(x)
        return logits

    def close(self) -> None:
        """Closes the micro-batchers."""
        self._encode.close()
        self._decode.close()
        if self._segment is not None:
            self._segment.close()
