"""Fixtures of the tests that go the whole way."""

from onnx_registry import shared_onnx_registry

__all__ = ["shared_onnx_registry"]
