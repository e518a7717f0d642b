"""The parts of every report: sections, charts, sheets of images, the HTML page, progress bars."""

from training.evaluation.report.section import Picture, Section

__all__ = ["Picture", "Section"]
