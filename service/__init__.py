"""The gRPC service: loads bundles and serves encoding, decoding and anomaly scores.

Imports point one way: settings, metrics and status, then runtime, servicers, server, __main__.
`reference` writes METRICS.md, the page of metrics and settings.

An Encode call passes through servicers.interceptor, runtime.admission, servicers.codec,
servicers.message_conversion, runtime.models and runtime.batching. The mathematics is in `codec`.
"""

__all__: list[str] = []
