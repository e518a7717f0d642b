"""The graphs of a model with a micro-batching queue in front of each."""

from typing import final

import numpy as np

from codec.arrays import Array
from codec.graphs.protocol import Graphs
from service.runtime.batching import BatchObserver, Limits, MicroBatcher


@final
class BatchedGraphs:
    """Graphs with a micro-batcher in front of each; satisfies the protocol `Graphs`.

    A model without a comparator has no observer for it.
    """

    def __init__(
        self,
        graphs: Graphs,
        limits: Limits,
        encoder: BatchObserver,
        decoder: BatchObserver,
        comparator: BatchObserver | None = None,
    ) -> None:
        self._encode = MicroBatcher(graphs.encode, limits, encoder, "encoder")
        self._decode = MicroBatcher(lambda z: (graphs.decode(z),), limits, decoder, "decoder")
        self._graphs, self._compare = graphs, None
        if comparator is not None:
            self._compare = MicroBatcher(self._run_joined, limits, comparator, "comparator")

    def encode(self, x: Array) -> tuple[Array, Array]:
        """Both outputs of the encoder. Raises what MicroBatcher raises."""
        first, second = self._encode(x)
        return first, second

    def decode(self, latent: Array) -> Array:
        """The output of the decoder. Raises what MicroBatcher raises."""
        (x_hat,) = self._decode(latent)
        return x_hat

    def compare(self, x: Array, x_hat: Array) -> Array:
        """The output of the comparator. Raises what MicroBatcher raises."""
        if self._compare is None:
            return self._graphs.compare(x, x_hat)
        # One array for the queue; float32 holds the values of uint8 exactly.
        (logits,) = self._compare(np.concatenate([x.astype(np.float32), x_hat], axis=1))
        return logits

    def close(self) -> None:
        """Closes the micro-batchers."""
        self._encode.close()
        self._decode.close()
        if self._compare is not None:
            self._compare.close()

    def _run_joined(self, rows: Array) -> tuple[Array, ...]:
        """The comparator on rows `[R, 2C, H, W]`: images, and decoded images after them."""
        channels = rows.shape[1] // 2
        x = rows[:, :channels].astype(np.uint8)
        return (self._graphs.compare(x, np.ascontiguousarray(rows[:, channels:])),)
