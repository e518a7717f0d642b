"""The parity certificate: no bundle is written unless graphs and network agree."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch

from codec.errors import BundleError
from codec.quantise import quantise
from exporter.parity import measure

GAUSSIAN = ["sigma_vae", "reslag_light", "reslag_original", "sigma_vae_map"]
INDICES = ["vq_vae", "vq_vae_fixed", "vq_vae_2", "vq_vae_2_fixed", "fsq"]


def step(each, size: float = 0.1):
    return np.full(each.draft.manifest.latent.dims, size, np.float32)


@pytest.mark.parametrize("name", [*GAUSSIAN, *INDICES])
def test_the_graphs_of_every_family_match_the_network(exported, name):
    each = exported(name)
    certificate = measure(each.network, each.graphs, each.batch(), step(each))
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
        measure(other_network(each.network), each.graphs, each.batch(), step(each))


@pytest.mark.parametrize("part", ["encoder", "decoder"])
@pytest.mark.parametrize("change", [0.5, float("nan")])
def test_one_changed_weight_is_rejected(exported, part, change):
    each = exported("sigma_vae")
    network = copy.deepcopy(each.network)
    with torch.no_grad():
        next(network.get_submodule(part).parameters()).view(-1)[0] += change
    with pytest.raises(BundleError, match="differ from the network"):
        measure(network, each.graphs, each.batch(), step(each))


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
    assert 0.99 < measure(each.network, Nudged(), x, halfway).equal_codes < 1
