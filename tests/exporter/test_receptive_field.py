"""The receptive-field radius of a network, measured on its graphs and in another way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter1d

from codec.errors import BundleError
from exporter.export import with_radius
from exporter.receptive_field import MOST_CELLS, SPARE_CELLS, measure_radius, radius_in_cells

FREE = ["sigma_vae_map", "vq_vae", "vq_vae_2", "fsq"]
FIXED = ["sigma_vae", "reslag_light", "vq_vae_fixed", "vq_vae_2_fixed"]


def noise(rows: int, columns: int) -> np.ndarray:
    """Four maps of one number per cell."""
    return np.random.default_rng(rows).normal(size=(4, 1, rows, columns))


def box(side: int, axis: int, origin: int = 0):
    """A graph of one moving mean."""
    return lambda x: (uniform_filter1d(x, side, axis=axis, mode="constant", origin=origin),)


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize(("side", "origin", "seen"), [(1, 0, 0), (3, 0, 1), (7, 3, 6), (41, 0, 20)])
def test_the_radius_of_a_moving_mean_is_its_longer_arm(axis, side, origin, seen):
    rounded = lambda x: tuple(np.round(y, 9) for y in box(side, axis, origin)(x))  # noqa: E731
    assert radius_in_cells(rounded, noise) == seen


def test_an_output_that_depends_on_everything_is_rejected():
    with pytest.raises(BundleError, match=f"more than {MOST_CELLS} cells around its own"):
        radius_in_cells(lambda x: (x + x.mean(axis=(2, 3), keepdims=True),), noise)


@pytest.mark.parametrize("name", FIXED)
def test_a_model_of_fixed_size_has_no_radius(exported, name):
    each = exported(name)
    assert with_radius(each.draft.manifest, each.graphs).input.reach is None


def pixels_with_gradient(network, stride: int) -> int:
    """How far the gradient of a code of the sigma-VAE reaches from its cell, in float64."""
    network, side = network.double(), 64 * stride
    x = torch.rand(1, network.config.channels, side, side, dtype=torch.float64, requires_grad=True)
    posterior = network.encode(x)
    (posterior.mu + posterior.log_var)[0, :, 32, 32].sum().backward()
    found = x.grad[0].abs().sum((0, 1)).nonzero()[:, 0]
    network.float()
    return max(32 * stride - int(found.min()), int(found.max()) - 33 * stride + 1)


@pytest.mark.slow
def test_the_measured_radius_covers_the_gradient_and_little_more(exported):
    each = exported("sigma_vae_map")
    stride = each.draft.manifest.input.stride
    seen = pixels_with_gradient(each.network, stride)
    radius = measure_radius(each.graphs, each.draft.manifest)
    assert seen <= radius <= seen + (SPARE_CELLS + 2) * stride


@pytest.mark.parametrize("name", FREE)
def test_pixels_outside_the_radius_change_nothing(exported, name):
    """Here the images and the positions differ from those of the measurement."""
    each = exported(name)
    spec = each.draft.manifest.input
    radius = measure_radius(each.graphs, each.draft.manifest)
    margin = radius // spec.stride
    size = (1, spec.channels, 8 * spec.stride, (2 * margin + 9) * spec.stride)
    rng = np.random.default_rng(5)
    x = rng.integers(100, 150, size, np.uint8)
    other = x.copy()
    other[..., (margin + 9) * spec.stride :] = 255
    for a, b in zip(each.graphs.encode(x), each.graphs.encode(other), strict=True):
        assert (a[..., :9] == b[..., :9]).all()
    latent = each.graphs.encode(x)[0]
    changed = latent.copy()
    changed[..., margin + 9 :] = latent[..., :1]
    a, b = each.graphs.decode(latent), each.graphs.decode(changed)
    assert (a[..., : 9 * spec.stride] == b[..., : 9 * spec.stride]).all()
