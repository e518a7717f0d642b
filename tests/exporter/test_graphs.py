"""The graphs, as any ONNX runtime sees them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from exporter.graphs import OPSET

UINT8, INT32, FLOAT = "tensor(uint8)", "tensor(int32)", "tensor(float)"


def session(graph: bytes) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


def ports(graph: bytes) -> list[tuple[str, str]]:
    opened = session(graph)
    return [(port.name, port.type) for port in (*opened.get_inputs(), *opened.get_outputs())]


def images(each, batch: int, height: int, width: int) -> NDArray[np.uint8]:
    shape = (batch, each.network.config.channels, height, width)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_names_and_types_are_those_that_the_codec_expects(each):
    if each.draft.manifest.latent.kind == "indices":
        latent, outputs = ("codes", INT32), [("codes", INT32), ("distance", FLOAT)]
    else:
        latent, outputs = ("z", FLOAT), [("mu", FLOAT), ("log_var", FLOAT)]
    assert ports(each.draft.encoder) == [("x", UINT8), *outputs]
    assert ports(each.draft.decoder) == [latent, ("x_hat", FLOAT)]


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_the_batch_is_dynamic(each, batch):
    config = each.network.config
    x = images(each, batch, config.height or 16, config.width or 24)
    first, second = each.graphs.encode(x)
    x_hat = each.graphs.decode(first)
    assert len(first) == len(second) == batch
    assert x_hat.shape == x.shape
    assert 0 <= x_hat.min() <= x_hat.max() <= 1


@pytest.mark.parametrize("name", ["sigma_vae_map", "vq_vae", "vq_vae_2", "fsq"])
@pytest.mark.parametrize("cells", [(1, 1), (1, 4), (5, 1), (3, 7)])
def test_height_and_width_are_dynamic_if_the_network_takes_any(exported, name, cells):
    each = exported(name)
    stride = each.network.config.stride
    x = images(each, 2, cells[0] * stride, cells[1] * stride)
    first, second = each.graphs.encode(x)
    assert first.shape[-2:] == second.shape[-2:] == cells
    assert each.graphs.decode(first).shape == x.shape


@pytest.mark.parametrize("name", ["sigma_vae", "vq_vae_fixed"])
def test_another_size_is_rejected_if_the_network_has_one(exported, name):
    each = exported(name)
    with pytest.raises(Exception, match="invalid dimensions"):
        each.graphs.encode(images(each, 2, 32, 32))


def test_the_graphs_pass_the_checker_and_use_standard_operators_only(each):
    for graph in (each.draft.encoder, each.draft.decoder):
        onnx.checker.check_model(graph, full_check=True)
        model = onnx.load_from_string(graph)
        assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]


def test_a_graph_contains_no_path_of_the_exporting_machine(each):
    places = {str(Path(__file__).parents[2]), str(Path.home()), sys.prefix, "site-packages", ".py"}
    for graph in (each.draft.encoder, each.draft.decoder):
        assert {place for place in places if place.encode() in graph} == set()
