"""Networks that start as PCA, hidden layers, and the autoencoder with codes of a fixed scale."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from training.config.model import ModelConfig
from training.config.objective import ObjectiveConfig
from training.config.run import TrainConfig
from training.models.global_latent import POINT_LOG_VAR, GlobalVae
from training.models.pca_vae import PcaVae
from training.run.start import init_from_images, new_state
from training.run.state import State

CPU = torch.device("cpu")
LATENT = 4
KINDS = ("weight", "bias")


def waves(count: int = 64, channels: int = 1) -> np.ndarray:
    """Images [N, C, 16, 16] of gratings and bars that PCA does not restore exactly."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:16, :16] / 16
    found = np.empty((count, channels, 16, 16))
    for image in found:
        for plane in image:
            phase, pitch, edge = rng.uniform(0, 6), rng.uniform(3, 9), rng.uniform(0.2, 0.8)
            plane[:] = 110 + 70 * np.sin(pitch * x + phase) + 50 * (y > edge)
    return found.clip(0, 255).astype(np.uint8)


def config(family: str, **changes: object) -> TrainConfig:
    values: dict[str, object] = {
        "family": family,
        "height": 16,
        "width": 16,
        "latent": LATENT,
        "widths": (4,) if family == "pca_vae" else (4, 6),
        "stride": 4 if family == "pca_vae" else 8,
        **changes,
    }
    regulariser = "none" if family == "autoencoder" else "kl"
    return TrainConfig(
        model=ModelConfig(**values), objective=ObjectiveConfig(regulariser=regulariser)
    )


def fresh(images: np.ndarray, family: str, **changes: object) -> State:
    state = new_state(config(family, channels=images.shape[1], **changes), CPU)
    init_from_images(state, images)
    return state


def floats(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).float() / 255


def restored_by_pca(images: np.ndarray, components: int) -> np.ndarray:
    rows = images.reshape(len(images), -1) / 255
    reference = PCA(components, svd_solver="full").fit(rows)
    return reference.inverse_transform(reference.transform(rows)).reshape(images.shape)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_fresh_pca_vae_restores_as_pca_does(channels):
    images = waves(channels=channels)
    state = fresh(images, "pca_vae")
    expected = restored_by_pca(images, LATENT)
    assert np.abs(expected - images / 255).mean() > 0.02
    for model in (state.model, state.ema_model):
        assert isinstance(model, PcaVae)
        with torch.no_grad():
            codes = model.eval().encode(floats(images)).mu
            unclipped = model.train().decode(codes)
            np.testing.assert_allclose(unclipped, expected, atol=2e-4)
            clipped = model.eval().decode(codes)
            np.testing.assert_allclose(clipped, expected.clip(0, 1), atol=2e-4)


def test_the_codes_of_a_fresh_network_are_white_and_their_noise_is_that_of_probabilistic_pca():
    images = waves()
    state = fresh(images, "pca_vae")
    with torch.no_grad():
        mu, log_var = state.model.eval().encode(floats(images))
    np.testing.assert_allclose(np.cov(mu.T.numpy(), ddof=0), np.eye(LATENT), atol=1e-3)
    np.testing.assert_allclose(mu.mean(0), np.zeros(LATENT), atol=1e-4)
    rows = images.reshape(len(images), -1) / 255
    values = np.linalg.eigvalsh(np.cov(rows.T, ddof=0))[::-1]
    expected = values[LATENT:].mean() / values[:LATENT]
    np.testing.assert_allclose(log_var.exp(), np.tile(expected, (len(images), 1)), rtol=1e-3)


def test_images_with_fewer_directions_than_latents_give_finite_weights_and_codes():
    """Two different images: one direction, and a residual of zero."""
    images = np.repeat(waves(2), 8, axis=0)
    state = fresh(images, "pca_vae")
    assert all(p.isfinite().all() for p in state.model.parameters())
    with torch.no_grad():
        mu, log_var = state.model.eval().encode(floats(images))
        assert mu.isfinite().all()
        assert -14 <= log_var.min() <= log_var.max() <= 1e-6
        np.testing.assert_allclose(state.model.train().decode(mu), images / 255, atol=1e-3)


def test_the_corrections_learn_though_they_start_at_zero_and_the_components_stay():
    """Last layers move in the first step, those before them in the second, blocks in the third."""
    images = waves()
    state = fresh(images, "pca_vae")
    before = [p.detach().clone() for p in state.model.parameters()]
    for _ in range(3):
        mu, log_var = state.model.train().encode(floats(images))
        x_hat = state.model.decode(mu + (0.5 * log_var).exp())
        state.encoder_optimizer.zero_grad()
        state.decoder_optimizer.zero_grad()
        ((x_hat - floats(images)) ** 2).mean().backward()
        state.encoder_optimizer.step()
        state.decoder_optimizer.step()
    now = dict(state.model.named_parameters())
    still = [name for name, old in zip(now, before, strict=True) if torch.equal(old, now[name])]
    linear = [f"{part}.linear.{kind}" for part in ("encoder", "decoder") for kind in KINDS]
    assert still == linear


def linear_sizes(module: nn.Module) -> list[tuple[int, int]]:
    layers = [m for m in module.modules() if isinstance(m, nn.Linear)]
    return [(layer.in_features, layer.out_features) for layer in layers]


def test_hidden_layers_lie_between_feature_maps_and_latent_vector_mirrored_in_the_decoder():
    """Two levels of 16x16 pixels leave 6 maps of 4x4: 96 values."""
    model = GlobalVae(config("sigma_vae", hidden=(20, 10)).model)
    assert linear_sizes(model.encoder.head) == [(96, 20), (20, 10), (10, 2 * LATENT)]
    assert linear_sizes(model.decoder.foot) == [(LATENT, 10), (10, 20), (20, 96)]


def test_without_hidden_layers_one_matrix_leads_to_the_latents():
    model = GlobalVae(config("sigma_vae").model)
    assert linear_sizes(model.encoder.head) == [(96, 2 * LATENT)]
    assert linear_sizes(model.decoder.foot) == [(LATENT, 96)]


def test_an_autoencoder_has_one_output_per_code():
    model = GlobalVae(config("autoencoder").model)
    assert linear_sizes(model.encoder.head) == [(96, LATENT)]


def test_codes_of_an_autoencoder_have_mean_0_and_variance_1_over_the_images_it_has_seen():
    images = waves()
    state = fresh(images, "autoencoder")
    for _ in range(100):
        code, log_var = state.model.train().encode(floats(images))
    np.testing.assert_allclose(code.detach().mean(0), np.zeros(LATENT), atol=1e-3)
    np.testing.assert_allclose(code.detach().var(0, unbiased=False), np.ones(LATENT), rtol=3e-2)
    assert (log_var == POINT_LOG_VAR).all()
    assert math.sqrt(math.exp(POINT_LOG_VAR)) == pytest.approx(0.05)


def test_an_autoencoder_cannot_be_asked_for_a_kl():
    fine = config("autoencoder")
    with pytest.raises(Exception, match="'autoencoder' has no posterior"):
        dataclasses.replace(fine, objective=ObjectiveConfig())
