"""The gRPC service: loads bundles and serves encoding, decoding and anomaly scores.

Imports point one way: status, security, settings, metrics and log, then runtime, servicers, server,
supervisor, __main__. `reference` writes METRICS.md, the page of metrics and settings.

The supervisor starts serving processes (server.process). In one of them an Encode call passes
through security.interceptor, servicers.interceptor, servicers.codec, servicers.computed,
runtime.job_queue, runtime.executor and runtime.tasks. The mathematics is in `codec`.
"""

__all__: list[str] = []
