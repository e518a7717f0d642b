"""Whether spans are on: if the extra `tracing` is installed, and OTEL_* name a receiver."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.tracing.spans import CallSpans

_LOG = logging.getLogger(__name__)
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


def open_spans(environment: Mapping[str, str]) -> "CallSpans | None":
    """The spans of this process; None if they are off, with a line in the log if by mistake."""
    endpoint = _first(environment, _ENDPOINTS)
    exporter = _first(environment, ("OTEL_TRACES_EXPORTER",))
    disabled = environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if not endpoint or disabled or environment.get(exporter, "otlp") != "otlp":
        return None
    protocol = _first(environment, _PROTOCOLS)
    if protocol and environment[protocol] != "grpc":
        _LOG.warning("%s is %r, expected grpc; no spans are sent", protocol, environment[protocol])
        return None
    try:
        from service.tracing.spans import CallSpans
    except ImportError:
        _LOG.warning(
            "%s is set, but OpenTelemetry is not installed; no spans are sent: "
            "pip install 'residuum[tracing]'",
            endpoint,
        )
        return None
    try:
        return CallSpans()
    except (ValueError, KeyError, OSError) as error:
        _LOG.warning("the variables OTEL_* are not valid, no spans are sent: %s", error)
        return None


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    """The first of these variables that has a value; empty if none has."""
    return next((name for name in names if environment.get(name)), "")
