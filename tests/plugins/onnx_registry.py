"""A fixture that makes exports cheaper: torch's table of ONNX operators is built only once.

`torch.onnx.export` builds it anew at every call, which takes 0.7 s of a small network's 1.2 s. The
exported graphs are the same, byte for byte.
"""

import functools
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def shared_onnx_registry() -> Iterator[None]:
    """Build the table once per test session; without effect if torch has moved it."""
    with pytest.MonkeyPatch.context() as patch:
        try:
            from torch.onnx._internal.exporter._registration import ONNXRegistry
        except ImportError:
            yield
            return
        build = functools.cache(ONNXRegistry.from_torchlib)
        patch.setattr(ONNXRegistry, "from_torchlib", staticmethod(lambda *a, **k: build(*a, **k)))
        yield
