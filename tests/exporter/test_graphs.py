"""The graphs, as any ONNX runtime sees them; none are exported that differ from the network."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from codec.errors import BundleError
from codec.quantise import quantise
from exporter.graphs import OPSET, Parity, measure_parity

pytestmark = pytest.mark.slow

UINT8, INT32, FLOAT = "tensor(uint8)", "tensor(int32)", "tensor(float)"
GAUSSIAN = ["sigma_vae", "reslag_light", "reslag_original", "sigma_vae_map"]
INDICES = ["vq_vae", "vq_vae_fixed", "vq_vae_2", "vq_vae_2_fixed", "fsq"]


def step(each, size: float = 0.1):
    return np.full(each.draft.manifest.latent.dims, size, np.float32)


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


@pytest.mark.parametrize("name", [*GAUSSIAN, *INDICES])
def test_the_graphs_of_every_family_match_the_network(exported, name):
    each = exported(name)
    certificate = measure_parity(each.network, each.graphs, each.batch(), step(each))
    assert certificate.images == 6
    assert certificate.pixel_error < 1e-5
    assert certificate.equal_codes > 0.99
    assert (certificate.latent_error is None) == (name in INDICES)
    assert (certificate.latent_error or 0.0) < 1e-5
    assert json.loads(json.dumps(certificate.to_json())) == certificate.to_json()


@pytest.mark.parametrize("name", [*GAUSSIAN, *INDICES])
def test_graphs_of_another_network_are_rejected(exported, other_network, name):
    each = exported(name)
    with pytest.raises(BundleError, match="the exported graphs differ from the network: Parity"):
        measure_parity(other_network(each.network), each.graphs, each.batch(), step(each))


@pytest.mark.parametrize("part", ["encoder", "decoder"])
@pytest.mark.parametrize("change", [0.5, float("nan")])
def test_one_changed_weight_is_rejected(exported, part, change):
    each = exported("sigma_vae")
    network = copy.deepcopy(each.network)
    with torch.no_grad():
        next(network.get_submodule(part).parameters()).view(-1)[0] += change
    with pytest.raises(BundleError, match="differ from the network"):
        measure_parity(network, each.graphs, each.batch(), step(each))


def test_a_latent_halfway_between_two_codes_may_be_rounded_either_way(exported):
    each, x = exported("sigma_vae"), exported("sigma_vae").batch(40)

    class Nudged:
        """The graphs with a rounding error."""

        decode = staticmethod(each.graphs.decode)

        @staticmethod
        def encode(x):
            mu, log_var = each.graphs.encode(x)
            return mu + np.float32(2e-6), log_var

    mu, nudged = each.graphs.encode(x)[0], Nudged.encode(x)[0]
    halfway = step(each)
    halfway[0] = 2.0 * abs(mu[0, 0] + 1e-6)
    assert (quantise(mu, halfway) != quantise(nudged, halfway)).any()
    assert 0.99 < measure_parity(each.network, Nudged(), x, halfway).equal_codes < 1


def test_parity_is_reported_in_a_sentence():
    parity = Parity(images=64, latent_error=1.4e-6, pixel_error=1.9e-7, equal_codes=1.0)
    assert parity.sentence() == (
        "parity over 64 images: 100.00% of the codes are equal, latents within 1.4e-06, "
        "pixels within 1.9e-07"
    )
    of_indices = Parity(images=2, latent_error=None, pixel_error=0.0, equal_codes=0.9987)
    assert of_indices.sentence() == (
        "parity over 2 images: 99.87% of the codes are equal, pixels within 0.0e+00"
    )
