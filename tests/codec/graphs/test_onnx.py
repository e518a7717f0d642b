"""Graphs on onnxruntime."""

import numpy as np
import pytest

from codec import load_bundle
from codec.errors import InvalidInput
from codec.graphs import onnx
from codec.graphs.onnx import open_graphs


@pytest.mark.parametrize("threads", [-1, 0, 1025, 100_000])
def test_an_impossible_number_of_threads_is_refused(tiny_path, threads):
    with pytest.raises(InvalidInput, match=f"^threads is {threads}, expected 1 to 1024$"):
        open_graphs(load_bundle(tiny_path), "cpu", threads)


def test_auto_says_why_a_gpu_is_not_used(tiny_path, monkeypatch, caplog):
    monkeypatch.setattr(onnx.ort, "get_available_providers", lambda: list(onnx._NAMES.values()))
    assert open_graphs(load_bundle(tiny_path), "auto").provider == "cpu"
    assert "encoder.onnx" in caplog.text
    assert "using the CPU" in caplog.text


@pytest.mark.parametrize("rows", [1, 3, 17])
def test_padding_for_cuda_does_not_change_the_results(tiny_path, rows, monkeypatch):
    bundle = load_bundle(tiny_path)
    shape = bundle.manifest.input
    x = np.random.default_rng(0).integers(0, 255, (rows, shape.channels, 16, 16), np.uint8)
    expected = open_graphs(bundle, "cpu")
    # As on a machine with a GPU, but for the provider itself.
    monkeypatch.setitem(onnx._NAMES, "cuda", onnx._NAMES["cpu"])
    monkeypatch.setattr(onnx, "_CUDA_OPTIONS", {})
    padded = open_graphs(bundle, "cuda")
    for ours, theirs in zip(padded.encode(x), expected.encode(x), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    latent = expected.encode(x)[0]
    np.testing.assert_array_equal(padded.decode(latent), expected.decode(latent))
