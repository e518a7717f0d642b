"""The graphs of a bundle under settings of the runtime that codec.graphs.onnx does not offer."""

import hashlib
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import onnxruntime as ort

from codec.bundle.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Setting:
    """How graphs are run: threads, batch size and optimisation."""

    threads: int
    batch: int
    optimised: bool


# The others are compared with the first.
SETTINGS = [Setting(*one) for one in itertools.product((1, 2), (64, 7, 1), (True, False))]


class Sessions:
    """A codec.graphs.protocol.Graphs under a setting, which encodes each batch once for all levels.

    `seconds` is the CPU time of the calling thread inside of the graphs.
    """

    def __init__(self, bundle: Bundle, setting: Setting) -> None:
        self._batch = setting.batch
        self._encoder = _session(bundle.encoder, setting)
        self._decoder = _session(bundle.decoder, setting)
        self._known: dict[bytes, list[np.ndarray]] = {}
        self.seconds = 0.0

    def encode(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See codec.graphs.protocol.Graphs."""
        parts = [self._encode(part) for part in self._parts(x)]
        first, second = (np.concatenate(output) for output in zip(*parts, strict=True))
        return first, second

    def decode(self, latent: np.ndarray) -> np.ndarray:
        """See codec.graphs.protocol.Graphs."""
        return np.concatenate([self._run(self._decoder, part)[0] for part in self._parts(latent)])

    def forget(self) -> None:
        """Forgets all encoded batches."""
        self._known.clear()

    def _encode(self, x: np.ndarray) -> list[np.ndarray]:
        key = hashlib.sha256(x).digest()
        if key not in self._known:
            self._known[key] = self._run(self._encoder, x)
        return self._known[key]

    def _run(self, session: ort.InferenceSession, rows: np.ndarray) -> list[np.ndarray]:
        start = time.thread_time()
        outputs = session.run(None, {session.get_inputs()[0].name: rows})
        self.seconds += time.thread_time() - start
        return outputs

    def _parts(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(rows), self._batch):
            yield np.ascontiguousarray(rows[start : start + self._batch])


def _session(graph: bytes, setting: Setting) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = setting.threads
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    level = ort.GraphOptimizationLevel
    options.graph_optimization_level = (
        level.ORT_ENABLE_ALL if setting.optimised else level.ORT_DISABLE_ALL
    )
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
