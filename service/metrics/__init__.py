"""Prometheus metrics, declared here and updated where the events happen.

METRICS.md lists them and is generated from this package: run `make reference` after a change.
Labels have few values: RPC names, status codes, loaded models. The library adds `_total` to the
names of counters.
"""

from service.metrics.compute import ComputeMetrics
from service.metrics.groups import Metrics
from service.metrics.images import ImageMetrics
from service.metrics.requests import RequestMetrics

__all__ = ["ComputeMetrics", "ImageMetrics", "Metrics", "RequestMetrics"]
