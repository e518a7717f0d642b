"""The Open Inference Protocol, for clients of other servers: README.md says what maps to what."""

from service.servicers.open_inference.servicer import OpenInferenceServicer, stream_error

__all__ = ["OpenInferenceServicer", "stream_error"]
