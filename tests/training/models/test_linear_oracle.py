"""The training loop against an optimum that is known: a linear VAE learns probabilistic PCA."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from training.config.model import ModelConfig
from training.config.objective import ObjectiveConfig
from training.config.run import TrainConfig
from training.data.batches import make_batches
from training.data.datasets import find_idx
from training.data.idx import read_idx
from training.loop import loop
from training.models.pca import fit_pca, linear_kl
from training.objectives import likelihoods as objectives
from training.run.start import init_from_images, new_state

pytestmark = pytest.mark.slow


class Silent:
    """A log that keeps nothing."""

    def batch(self, state, loss, batches):
        """A step is done."""

    def epoch(self, state, record, improved):
        """An epoch is done."""


def trained_kl(images: np.ndarray, latent: int, noise: float, **changes: object) -> float:
    """Mean KL in nats of all images after training a linear VAE with pixel noise `noise`."""
    config = TrainConfig(
        model=ModelConfig(
            family="linear",
            height=images.shape[2],
            width=images.shape[3],
            latent=latent,
            widths=(4,),
        ),
        objective=ObjectiveConfig(sigma="fixed", fixed_variance=noise),
        epochs=1,
        ema_decay=0.0,
        grad_clip=0.0,
        **changes,
    )
    state = new_state(config, torch.device("cpu"))
    init_from_images(state, images)
    loop.train(
        state,
        make_batches(config, images),
        images[:64],
        log=Silent(),
        save=lambda state, best: None,
    )
    with torch.no_grad():
        posterior = state.model.eval().encode(torch.from_numpy(images).float() / 255)
    found = objectives.gaussian_kl(*posterior).mean().item()
    closed = linear_kl(fit_pca(images, latent).variances, noise)
    sys.stdout.write(f"trained {found:.4f} nats, closed form {closed:.4f}, {found / closed:.4f}\n")
    return found


def test_a_linear_vae_on_gaussian_images_reaches_the_rate_of_probabilistic_pca():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(64, 2)))[0].T
    pixels = 128 + rng.normal(size=(4000, 2)) * [200.0, 90.0] @ basis
    pixels += 8 * rng.normal(size=pixels.shape)
    images = pixels.round().clip(0, 255).astype(np.uint8).reshape(-1, 1, 8, 8)
    found = trained_kl(images, 2, 0.02, batch_size=200, lr=0.04, epoch_steps=1500)
    expected = linear_kl(fit_pca(images, 2).variances, 0.02)
    assert expected > 2
    assert found == pytest.approx(expected, rel=0.01)


def test_a_linear_vae_on_mnist_reaches_the_rate_of_probabilistic_pca(real_data: Path):
    """At the noise of the ResLag report for MNIST, the variance of its pixels."""
    path = find_idx(real_data / "mnist", "train-images-idx3-ubyte")
    if path is None:
        pytest.skip("no mnist in the folder of real data")
    images = read_idx(path)[:10_000, None].copy()
    found = trained_kl(images, 5, 0.0949, batch_size=250, lr=0.015, epoch_steps=1600)
    assert found == pytest.approx(linear_kl(fit_pca(images, 5).variances, 0.0949), rel=0.01)
