"""Graphs on onnxruntime."""

import pytest

from codec import load_bundle
from codec.errors import InvalidInput
from codec.graphs.onnx import open_graphs


@pytest.mark.parametrize("threads", [-1, 0, 1025, 100_000])
def test_an_impossible_number_of_threads_is_refused(tiny_path, threads):
    with pytest.raises(InvalidInput, match=f"^threads is {threads}, expected 1 to 1024$"):
        open_graphs(load_bundle(tiny_path), "cpu", threads)
