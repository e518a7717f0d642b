"""What runs the encoder and the decoder: their protocol, and tiles of large images.

`codec.graphs.onnx` runs them on onnxruntime. It is not imported here, so that the rest works
without onnxruntime.
"""

from codec.graphs.protocol import Graphs
from codec.graphs.tiled import TiledGraphs, tiled

__all__ = ["Graphs", "TiledGraphs", "tiled"]
