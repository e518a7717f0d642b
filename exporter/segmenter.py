"""The segmenter of a run as a graph, and how far the graph is from the network."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim

from codec.arrays import U8, Array
from codec.errors import BundleError
from codec.graphs import segmenter as codec_segmenter
from codec.graphs.protocol import Graphs
from codec.graphs.segmenter import REACH, STRIDE
from exporter.graphs import EXAMPLE_BATCH, EXAMPLE_CELLS, to_onnx
from exporter.receptive_field import radius_in_cells
from training.segmenter import load_segmenter
from training.segmenter.network import Segmenter, segment

# Largest error of a logit; of logits beyond 1, relative to their size.
MAX_LOGIT_ERROR = 1e-3


class SegmenterGraph(nn.Module):
    """x uint8 `[B, C, H, W]` to logits `[B, H, W]`."""

    def __init__(self, network: Segmenter) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.network(x.float() / 255.0)
        return logits


def export_segmenter(network: Segmenter) -> bytes:
    """segmenter.onnx of a network in eval mode; batch, height and width are dynamic.

    Raises BundleError if torch exports no graph.
    """
    height, width = STRIDE * EXAMPLE_CELLS, STRIDE * (EXAMPLE_CELLS + 1)
    x = torch.zeros(EXAMPLE_BATCH, network.config.channels, height, width, dtype=torch.uint8)
    # torch has to know that the sides are multiples of the stride.
    shape = {0: "batch", 2: STRIDE * Dim("rows", max=2048), 3: STRIDE * Dim("columns", max=2048)}
    return to_onnx(SegmenterGraph(network), {"x": (x, shape)}, ["logit"])


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterParity:
    """The largest difference of logits between torch and onnxruntime over held-out images.

    Of logits beyond 1 it is relative to their size.
    """

    images: int
    logit_error: float

    def to_json(self) -> dict[str, Any]:
        """For the manifest's provenance."""
        return asdict(self)

    def sentence(self) -> str:
        """For the log."""
        return f"parity of the segmenter over {self.images} images: {self.logit_error:.1e}"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExportedSegmenter:
    """The segmenter of a run: its network, how it was trained, and its graph."""

    network: Segmenter
    info: dict[str, Any]
    graph: bytes

    def facts(self, graphs: Graphs, images: U8, log: Callable[[str], None]) -> dict[str, Any]:
        """For the provenance, with the parity of the graph on images `[B, C, H, W]`.

        Raises BundleError if there is none.
        """
        parity = measure_segmenter(self.network, graphs, images)
        log(parity.sentence())
        kept = {name: self.info[name] for name in ("task", "history")}
        return {**kept, "parity": parity.to_json()}


def exported_segmenter(run: Path) -> ExportedSegmenter | None:
    """The segmenter of a run, if it has one. Raises TrainingError, BundleError."""
    found = load_segmenter(run)
    if found is None:
        return None
    network, info = found
    return ExportedSegmenter(network=network, info=info, graph=export_segmenter(network))


def measure_segmenter(network: Segmenter, graphs: Graphs, x: U8) -> SegmenterParity:
    """Compares graph and network on images `[B, C, H, W]`.

    Raises BundleError if they differ by more than rounding, or if a logit depends on pixels farther
    away than the margins of tiles.
    """
    with torch.no_grad():
        expected = segment(network, torch.from_numpy(x).float() / 255.0).numpy()
    found = codec_segmenter.segment(graphs, x)
    error = float((np.abs(expected - found) / np.maximum(1.0, np.abs(expected))).max())
    parity = SegmenterParity(images=len(x), logit_error=error)
    # Written so that NaN fails too.
    if not error <= MAX_LOGIT_ERROR:
        raise BundleError(f"the exported segmenter differs from the network: {parity}")
    radius = measure_reach(graphs, x.shape[1])
    if radius > REACH:
        raise BundleError(f"the segmenter sees {radius} pixels far, at most {REACH} expected")
    return parity


def measure_reach(graphs: Graphs, channels: int) -> int:
    """The receptive-field radius of the segmenter in pixels, a multiple of 16."""
    rng = np.random.default_rng(0)

    def draw(rows: int, columns: int) -> U8:
        return rng.integers(0, 256, (4, channels, rows * STRIDE, columns * STRIDE), np.uint8)

    def run(x: Array) -> tuple[Array, ...]:
        # A value of each pixel in a cell is an output of the cell.
        logits = graphs.segment(x)
        count, height, width = logits.shape
        cells = logits.reshape(count, height // STRIDE, STRIDE, width // STRIDE, STRIDE)
        return (cells.transpose(0, 2, 4, 1, 3).reshape(count, STRIDE**2, *cells.shape[1:4:2]),)

    return radius_in_cells(run, draw) * STRIDE
