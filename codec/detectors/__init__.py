"""Detectors fitted in closed form: anomaly maps of an image without a network."""

from codec.detectors.candidates import Candidate, pooled
from codec.detectors.cells import Cells
from codec.detectors.detectors import Detector, Detectors
from codec.detectors.statistics import cell_statistics
from codec.detectors.whole import Components, Neighbours
from codec.detectors.working import working_image

__all__ = [
    "Candidate",
    "Cells",
    "Components",
    "Detector",
    "Detectors",
    "Neighbours",
    "cell_statistics",
    "pooled",
    "working_image",
]
