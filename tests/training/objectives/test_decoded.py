"""Codes in training as they are decoded in use."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from codec.bundle.manifest import LatentSpec
from codec.quantise import MAX_CODE, dequantise, log2_step_scale, quantise, steps
from exporter.fit.bundle import QUALITY_LEVELS
from exporter.fit.latents import encode_all
from training.config.objective import ObjectiveConfig
from training.objectives.decoded import (
    LEVELS,
    decoded_loss,
    posterior_deviation,
    round_means,
    round_to_default,
    trained_levels,
)
from training.objectives.losses import batch_loss
from training.run.start import new_state

SIGMA = np.array([0.3, 0.02], np.float32)


@pytest.mark.parametrize("shape", [(5, 2), (5, 2, 3, 4)])
def test_rounded_means_are_bit_for_bit_those_of_the_codec(shape):
    rng = np.random.default_rng(0)
    for level in LEVELS:
        step = steps(SIGMA, level)
        mu = rng.normal(0, 3, shape).astype(np.float32)
        mu.flat[:3] = 0.5 * step[0], -1e-3, 2e9
        expected = dequantise(quantise(mu, step), step)
        found = round_means(torch.from_numpy(mu), torch.from_numpy(step)).numpy()
        assert found.tobytes() == expected.tobytes()
        assert expected.max() == MAX_CODE * step[0]


def test_the_default_level_is_that_of_bundles():
    mu = torch.linspace(-2, 2, 10).reshape(5, 2)
    step = steps(SIGMA, 8)
    expected = dequantise(quantise(mu.numpy(), step), step)
    np.testing.assert_array_equal(round_to_default(mu, SIGMA).numpy(), expected)
    assert len(LEVELS) == QUALITY_LEVELS


@pytest.mark.parametrize("sizes", [[()], [(2, 3), (4, 1)]], ids=["vectors", "maps of two sizes"])
def test_the_deviation_is_the_one_that_the_exporter_measures(sizes):
    rng = np.random.default_rng(1)
    log_vars = [rng.normal(-3, 2, (4, 2, *size)).astype(np.float32) for size in sizes]
    log_vars[0][:, 1] = -40
    outputs = iter([(np.zeros_like(one), one) for one in log_vars])
    graphs = SimpleNamespace(encode=lambda _: next(outputs))
    latent = LatentSpec(kind="gaussian", dims=2, grid=None)
    expected = encode_all(graphs, [np.zeros((4, 1, 1, 1), np.uint8)] * len(sizes), latent).sigma
    found = posterior_deviation(torch.from_numpy(one) for one in log_vars)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("octaves", "levels"),
    [((0.0, 0.0), range(6, 13)), ((-1.0, 1.0), range(4, 13)), ((-1.0, 2.0), range(13))],
)
def test_the_levels_are_those_that_the_run_is_for(octaves, levels):
    objective = ObjectiveConfig(sigma="fixed", fixed_variance=0.01, octaves=octaves)
    assert trained_levels(objective) == list(levels)


def rate_aware(config):
    """The configuration for a range of rates."""
    objective = ObjectiveConfig(sigma="fixed", fixed_variance=0.01, octaves=(-1.0, 1.0))
    model = dataclasses.replace(config.model, rate_aware=True)
    return dataclasses.replace(config, model=model, objective=objective)


@pytest.mark.parametrize("ranged", [False, True], ids=["one rate", "rate-aware"])
@pytest.mark.parametrize("family", ["reslag", "sigma_vae_map"])
def test_the_decoder_gets_what_the_codec_gives_it_at_many_levels(family, ranged, tiny):
    config = rate_aware(tiny[family]) if ranged else tiny[family]
    state = new_state(config, torch.device("cpu"))
    model, x = state.model.eval(), torch.rand((40, 1, 16, 16))
    sigma = np.linspace(0.1, 0.5, config.model.latent, dtype=np.float32)
    seen = []
    model.decoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].numpy()))
    decoded_loss(state.loss_context(), model, x, x, sigma)
    mu = model.encode(x).mu.detach().numpy()
    possible = {}
    for level in trained_levels(config.objective):
        z = dequantise(quantise(mu, steps(sigma, level)), steps(sigma, level))
        channel = np.full_like(z[:, :1], log2_step_scale(level))
        possible[level] = np.concatenate([z, channel], axis=1) if ranged else z
    used = [
        {level for level, latents in possible.items() if np.array_equal(latents[i], found)}
        for i, found in enumerate(seen[0])
    ]
    assert all(used)
    assert len(set.union(*used)) >= 5


@pytest.mark.parametrize("family", ["reslag", "sigma_vae_map"])
def test_only_the_decoder_has_gradients_and_they_are_those_of_the_distortion(family, tiny):
    state = new_state(tiny[family], torch.device("cpu"))
    x = torch.rand((4, 1, 16, 16))
    model, sigma = state.model, np.full(tiny[family].model.latent, 0.2, np.float32)
    loss = decoded_loss(state.loss_context(), model, x, x, sigma)
    of_decoder = list(model.decoder.parameters())
    expected = torch.autograd.grad(loss.distortion, of_decoder, retain_graph=True)
    loss.total.backward()
    assert all(p.grad is None for p in model.encoder.parameters())
    for parameter, gradient in zip(of_decoder, expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_the_rate_is_that_of_the_posterior(tiny):
    """So the losses of a run stay comparable."""
    state = new_state(tiny["reslag"], torch.device("cpu"))
    model, x = state.model.eval(), torch.rand((4, 1, 16, 16))
    sigma = np.full(4, 0.2, np.float32)
    rates = [
        decoded_loss(state.loss_context(), model, x, x, sigma).rate,
        batch_loss(state.loss_context(), model, x, x).rate,
    ]
    torch.testing.assert_close(rates[0], rates[1])
