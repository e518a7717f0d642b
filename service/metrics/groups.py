"""All metrics of a serving process."""

from typing import final

from prometheus_client import CollectorRegistry

from service.metrics.compute import ComputeMetrics
from service.metrics.images import ImageMetrics
from service.metrics.requests import RequestMetrics
from service.metrics.tally import Tally


@final
class Metrics:
    """All metrics that a serving process updates, in the given registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        tally = Tally()
        self.requests = RequestMetrics(registry, tally)
        self.compute = ComputeMetrics(registry, tally)
        self.images = ImageMetrics(registry, tally)
