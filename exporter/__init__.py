"""From a training run to a bundle.

The exporter writes the two ONNX graphs, fits tables and calibration to images, checks that the
graphs match the network, and writes a model card.
"""

from exporter.export import export
from exporter.options import Options
from exporter.refit import refit

__all__ = ["Options", "export", "refit"]
