"""OpenTelemetry spans of calls."""

from service.tracing.switch import open_spans

__all__ = ["open_spans"]
