"""Quantisation: nearest codes, exact steps, exact latents."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from codec.quantise import MAX_CODE, dequantise, quantise, steps

floats = st.floats(-1e4, 1e4, width=32)


@given(hnp.arrays(np.float32, (3, 4, 2, 2), elements=floats))
def test_a_restored_latent_is_within_half_a_step(mu: np.ndarray) -> None:
    step = np.array([0.5, 1.0, 2.0, 4.0], np.float32)
    error = np.abs(dequantise(quantise(mu, step), step) - mu)
    assert (error <= step.reshape(1, 4, 1, 1) / 2 * (1 + 1e-5)).all()


@given(hnp.arrays(np.int32, (2, 3), elements=st.integers(-5000, 5000)))
def test_quantising_a_restored_latent_gives_the_same_code(codes: np.ndarray) -> None:
    step = np.array([0.1, 0.7, 3.3], np.float32)
    assert (quantise(dequantise(codes, step), step) == codes).all()


def test_at_level_8_the_quantisation_noise_equals_the_posterior_variance() -> None:
    sigma = np.array([0.3, 1.0])
    assert np.allclose(steps(sigma, 8) ** 2 / 12, sigma**2)


def test_four_levels_halve_the_step() -> None:
    sigma = np.ones(1)
    assert np.allclose(steps(sigma, 12), steps(sigma, 8) / 2)


def test_extreme_means_stay_within_the_code_limit() -> None:
    mu = np.array([[1e30], [-1e30]], np.float32)
    assert np.abs(quantise(mu, np.ones(1, np.float32))).max() == MAX_CODE
