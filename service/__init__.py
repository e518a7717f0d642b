"""The gRPC service: bundles in, records, images and scores out; no torch anywhere below.

Reading order, along a request: codec_servicer, calls, admission, payload, models, batching; then
status, metrics, settings, server, lifecycle, __main__. The mathematics is all in `codec`.
"""
