import numpy as np
import pytest
import torch

from training.config.model import ModelConfig
from training.evaluation.run import latent_pictures as pictures
from training.models import build

VECTOR = ModelConfig(family="sigma_vae", height=16, width=16, latent=3, widths=(4, 8))
MAP = ModelConfig(family="sigma_vae_map", latent=2, widths=(4, 8))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def network(config):
    torch.manual_seed(0)
    return build(config).eval().requires_grad_(False)


def images(count, seed=1):
    return torch.rand((count, 1, 16, 16), generator=seeded(seed))


@pytest.mark.parametrize("config", [VECTOR, MAP], ids=["vector", "map"])
def test_an_interpolation_begins_and_ends_with_the_reconstructions(config):
    model, x = network(config), images(2)
    first, last = model.encode(x).mu
    row = pictures.decode(model, pictures.between(first, last, 8), pixels=256)
    assert row.shape == (8, 1, 16, 16)
    expected = model.reconstruct(x)
    assert torch.allclose(row[[0, -1]], expected, atol=1e-6)
    assert not torch.allclose(row[4], expected[0], atol=1e-4)


@pytest.mark.parametrize("config", [VECTOR, MAP], ids=["vector", "map"])
def test_the_corners_of_four_images_are_their_reconstructions(config):
    model, x = network(config), images(4)
    grid = pictures.between_four(model.encode(x).mu, 5)
    corners = grid[[0, 0, -1, -1], [0, -1, 0, -1]]
    drawn = pictures.decode(model, corners, pixels=256)
    assert torch.allclose(drawn, model.reconstruct(x), atol=1e-6)


def test_mixtures_of_four_are_bilinear():
    corners = torch.tensor([[0.0], [1.0], [10.0], [13.0]])
    u, v = np.meshgrid(np.linspace(0, 1, 4), np.linspace(0, 1, 4), indexing="ij")
    expected = (1 - u) * (1 - v) * 0 + (1 - u) * v * 1 + u * (1 - v) * 10 + u * v * 13
    assert np.allclose(pictures.between_four(corners, 4)[..., 0].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("config", [VECTOR, MAP], ids=["vector", "map"])
def test_the_middle_column_of_a_traversal_is_the_reconstruction(config):
    model, x = network(config), images(12)
    means = model.encode(x).mu
    rows = pictures.traversals(means[5], [1, 0], means, columns=7)
    drawn = pictures.decode(model, rows.flatten(0, 1), pixels=256).unflatten(0, (2, 7))
    expected = model.reconstruct(x[5:6]).expand(2, -1, -1, -1)
    assert torch.allclose(drawn[:, 3], expected, atol=1e-6)
    assert not torch.allclose(drawn[:, 0], expected, atol=1e-4)


def test_a_traversal_moves_one_latent_by_three_deviations_to_either_side():
    means = torch.randn((400, 3, 2, 2), generator=seeded()) * torch.tensor([1.0, 2.0, 5.0]).reshape(
        1, 3, 1, 1
    )
    (row,) = pictures.traversals(means[0], [1], means, columns=3)
    deviation = float(np.std(means[:, 1].numpy()))
    moved = row - means[0]
    assert torch.allclose(moved[0, 1], torch.full((2, 2), -3 * deviation), atol=1e-4)
    assert torch.allclose(moved[2, 1], torch.full((2, 2), 3 * deviation), atol=1e-4)
    assert moved[:, [0, 2]].abs().max() == 0


def test_the_most_active_latents_come_first_and_dead_ones_never():
    means = torch.randn((500, 4), generator=seeded()) * torch.tensor([0.5, 2.0, 0.01, 1.0])
    assert pictures.most_active(means, 8) == [1, 3, 0]
    assert pictures.most_active(means, 2) == [1, 3]


def test_prior_samples_are_standard_normal_and_seeded():
    z = pictures.gaussian_samples(500, (3, 2, 2), seeded())
    assert z.shape == (500, 3, 2, 2)
    assert float(z.mean()) == pytest.approx(0, abs=0.05)
    assert float(z.std()) == pytest.approx(1, abs=0.05)
    assert torch.equal(z, pictures.gaussian_samples(500, (3, 2, 2), seeded()))


def test_index_samples_have_the_frequencies_of_each_symbol():
    indices = torch.zeros((10, 2, 2, 2), dtype=torch.long)
    indices[:, 0, 0] = 3  # half of the first symbols
    indices[:, 1] = 7
    drawn = pictures.index_samples(300, indices, seeded())
    assert drawn.shape == (300, 2, 2, 2)
    assert (drawn[:, 1] == 7).all()
    assert set(drawn[:, 0].unique().tolist()) == {0, 3}
    assert float((drawn[:, 0] == 3).double().mean()) == pytest.approx(0.5, abs=0.05)
    assert float((drawn[:, 0, 0] == 3).double().mean()) == pytest.approx(0.5, abs=0.07)


def test_decoding_in_parts_changes_nothing(monkeypatch):
    model, z = network(VECTOR), torch.randn((5, 3), generator=seeded())
    whole = pictures.decode(model, z, pixels=256)
    monkeypatch.setattr(pictures, "BATCH_PIXELS", 600)
    assert torch.allclose(pictures.decode(model, z, pixels=256), whole, atol=1e-6)


@pytest.mark.parametrize("family", ["vq_vae", "vq_vae_2", "fsq"])
def test_index_models_are_reconstructed_from_their_codes(family):
    model = network(
        ModelConfig(family=family, latent=3, widths=(4, 8), codebook=8, levels=(3, 3, 3))
    )
    x = images(3)
    model.seed_codebooks(x, seeded())
    drawn = model.reconstruct(x)
    assert torch.allclose(drawn, model.decode(model.encode(x).z), atol=1e-5)
    sampled = pictures.index_samples(2, model.encode(x).indices, seeded())
    assert model.decode_indices(sampled).shape == (2, 1, 16, 16)
