"""Finite scalar quantisation against brute force and the paper's listing typed anew."""

import itertools

import numpy as np
import pytest
import torch

from training.config.model import ModelConfig
from training.metrics import latents as diagnostics
from training.models import Fsq, build

LEVELS = (2, 3, 4, 5, 8)


def model(levels: tuple[int, ...] = LEVELS) -> Fsq:
    torch.manual_seed(0)
    network = build(ModelConfig(family="fsq", widths=(4, 6), levels=levels)).eval()
    assert isinstance(network, Fsq)
    with torch.no_grad():
        network.encoder[-1].weight.mul_(30)  # spread over all levels
    return network


def images(count: int = 8, height: int = 32, width: int = 24) -> torch.Tensor:
    return torch.rand(count, 1, height, width, generator=torch.Generator().manual_seed(1))


def listing(z: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """`bound` of the paper's appendix A.1, channels last."""
    half_l = (levels - 1) * (1 - 1e-3) / 2
    offset = np.where(levels % 2 == 1, 0.0, 0.5)
    shift = np.tan(offset / half_l)
    return np.tanh(z + shift) * half_l - offset


def test_the_bound_is_that_of_the_paper():
    z = torch.randn(3, len(LEVELS), 2, 4, generator=torch.Generator().manual_seed(0)) * 3
    expected = listing(z.double().permute(0, 2, 3, 1).numpy(), np.array(LEVELS))
    found = model().bound(z).permute(0, 2, 3, 1)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


@torch.no_grad()
def test_the_code_is_the_nearest_point_of_the_grid_of_all_levels():
    levels = (3, 4, 2)
    network = model(levels)
    grid = np.array(list(itertools.product(*(range(n) for n in levels))))
    points = grid - np.array(levels) // 2
    bounded = network.bound(network.encoder(images())).permute(0, 2, 3, 1).numpy()
    squares = ((bounded[..., None, :] - points) ** 2).sum(-1)
    found = network.encode(images())
    indices = found.indices.permute(0, 2, 3, 1).numpy()
    np.testing.assert_array_equal(indices, grid[squares.argmin(-1)])
    np.testing.assert_allclose(found.distance.sum(1).numpy(), squares.min(-1), atol=1e-5)
    assert len(np.unique(indices.reshape(-1, 3), axis=0)) > 6


@torch.no_grad()
def test_every_level_is_reached_and_none_beyond():
    network = model()
    network.encoder = torch.nn.Identity()
    line = torch.linspace(-12, 12, 2001)[None, None, None].expand(1, len(LEVELS), 1, -1)
    indices = network.encode(line).indices
    for channel, levels in enumerate(LEVELS):
        assert indices[0, channel].unique().tolist() == list(range(levels))


def test_rounding_passes_the_gradient_of_the_bound():
    network = model()
    network.encoder = torch.nn.Identity()
    z = torch.randn(2, len(LEVELS), 3, 3, generator=torch.Generator().manual_seed(2))
    (found,) = torch.autograd.grad(network.encode(z.requires_grad_()).z.sum(), z)
    levels = torch.tensor(LEVELS, dtype=torch.float64).reshape(1, -1, 1, 1)
    half, odd = (levels - 1) * 0.999 / 2, levels % 2 == 1
    shift = torch.where(odd, 0.0, torch.tan(0.5 / half))
    slope = half / torch.cosh(z.double() + shift) ** 2 / (levels // 2)
    torch.testing.assert_close(found, slope.float())


@torch.no_grad()
def test_indices_and_their_codes_decode_to_the_same_image():
    network = model()
    found = network.encode(images())
    assert found.indices.shape == found.distance.shape == (8, len(LEVELS), 4, 3)
    assert found.indices.dtype == torch.int64
    assert 0 <= found.distance.min() <= found.distance.max() <= 0.25
    torch.testing.assert_close(network.decode_indices(found.indices), network.decode(found.z))
    assert network.decode(found.z).shape == (8, 1, 32, 24)


def test_two_different_codes_are_two_different_images():
    network = model((3, 3))
    codes = torch.tensor(list(itertools.product(range(3), repeat=2))).reshape(9, 2, 1, 1)
    restored = network.decode_indices(codes)
    assert len(torch.unique(restored.flatten(1), dim=0)) == 9


@torch.no_grad()
def test_usage_and_perplexity_are_those_of_the_joint_code():
    network = model((3, 4, 2))
    indices = network.encode(images()).indices
    counts = network.tally(indices)["codes"]
    joint, times = np.unique(
        indices.permute(0, 2, 3, 1).reshape(-1, 3).numpy(), axis=0, return_counts=True
    )
    assert counts.shape == (24,)
    assert sorted(counts[counts > 0].tolist()) == sorted(times.tolist())
    p = times / times.sum()
    assert diagnostics.perplexity(counts) == pytest.approx(np.exp(-(p * np.log(p)).sum()))
    assert diagnostics.code_usage(counts) == pytest.approx(len(joint) / 24)
