import numpy as np
import pytest
import torch
from torch.nn import functional

from training.models.codebook import Codebook, kmeans
from training.objectives import likelihoods as objectives


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def latents(batch: int = 4, dims: int = 3, side: int = 5) -> torch.Tensor:
    return torch.randn(batch, dims, side, side, generator=generator(1))


def rows(latent: torch.Tensor) -> torch.Tensor:
    return latent.permute(0, 2, 3, 1).reshape(-1, latent.shape[1])


def started(size: int = 6) -> Codebook:
    book = Codebook(size, 3)
    book.seed(latents(), generator())
    return book


def test_the_nearest_code_is_that_of_brute_force():
    book, latent = started(), latents()
    indices, distance = book.nearest(latent)
    everything = torch.cdist(rows(latent), book.codes) ** 2
    torch.testing.assert_close(indices.flatten(), everything.argmin(1))
    torch.testing.assert_close(distance.flatten(), everything.min(1).values, rtol=1e-4, atol=1e-5)


def test_each_index_is_replaced_by_its_code():
    book = started()
    indices = torch.tensor([[[0, 5], [2, 1]]])
    looked_up = book.look_up(indices)
    assert looked_up.shape == (1, 3, 2, 2)
    torch.testing.assert_close(looked_up[0, :, 0, 1], book.codes[5])


def test_with_no_memory_a_code_becomes_the_mean_of_its_latents():
    book, latent = started(), latents()
    codes = book.quantise(latent)
    book.update(codes, 0.0, generator())
    for k in range(6):
        expected = rows(latent)[codes.indices.flatten() == k].mean(0)
        torch.testing.assert_close(book.codes[k], expected)


def test_counts_and_sums_are_moving_averages():
    book, latent = started(), latents()
    before = book.counts.clone()
    codes = book.quantise(latent)
    book.update(codes, 0.9, generator())
    batch = torch.bincount(codes.indices.flatten(), minlength=6).float()
    torch.testing.assert_close(book.counts, 0.9 * before + 0.1 * batch)


def test_a_dead_code_is_moved_onto_a_badly_served_latent():
    book = started()
    book.codes[2], book.counts[2], book.sums[2] = 100.0, 0.0, 0.0
    latent = latents()
    latent[0, :, 0, 0] = 30.0
    codes = book.quantise(latent)
    book.update(codes, 0.99, generator())
    torch.testing.assert_close(book.codes[2], torch.full((3,), 30.0))
    assert (book.nearest(latent)[0] == 2).any()


def test_kmeans_finds_clusters_that_are_far_apart():
    centres = torch.tensor([[0.0, 0.0], [50.0, 0.0]])
    points = torch.cat([c + torch.randn(40, 2, generator=generator()) for c in centres])
    codes, counts = kmeans(points, 2, generator(3))
    order = codes[:, 0].argsort()
    torch.testing.assert_close(codes[order], centres, atol=1.0, rtol=0)
    assert counts.tolist() == [40.0, 40.0]


def test_fewer_points_than_codes_are_enough():
    codes, _ = kmeans(torch.randn(3, 2, generator=generator()), 8, generator())
    assert codes.shape == (8, 2)
    assert codes.isfinite().all()


@pytest.mark.parametrize("seed", range(3))
def test_all_codes_come_into_use_on_spread_out_latents(seed):
    book = Codebook(32, 3)
    noise = generator(seed)
    latent = torch.randn(8, 3, 8, 8, generator=noise)
    book.seed(latent, noise)
    for _ in range(50):
        latent = torch.randn(8, 3, 8, 8, generator=noise)
        book.update(book.quantise(latent), 0.9, noise)
    assert len(book.nearest(torch.randn(64, 3, 8, 8, generator=noise))[0].unique()) == 32


def test_a_moving_average_is_that_of_numpy_over_two_batches():
    """Online k-means: sums and counts forget at the same rate, and a code is their ratio."""
    book, decay = started(), 0.7
    counts, sums = book.counts.double().numpy(), book.sums.double().numpy()
    for seed in (4, 5):
        latent = torch.randn(4, 3, 5, 5, generator=generator(seed))
        codes = book.quantise(latent)
        chosen, points = codes.indices.flatten().numpy(), rows(latent).double().numpy()
        for k in range(6):
            mine = points[chosen == k]
            counts[k] = decay * counts[k] + (1 - decay) * len(mine)
            sums[k] = decay * sums[k] + (1 - decay) * mine.sum(0)
        book.update(codes, decay, generator())
        np.testing.assert_allclose(book.codes.numpy(), sums / counts[:, None], rtol=1e-4)


def test_codes_of_unit_length_start_and_stay_among_directions():
    book = Codebook(6, 3, unit=True)
    book.seed(10 * latents(), generator())
    found = book.quantise(latents())
    torch.testing.assert_close(found.latent.norm(dim=1), torch.ones(4, 5, 5))
    angle = functional.normalize(rows(latents())) @ functional.normalize(book.codes).T
    torch.testing.assert_close(found.indices.flatten(), angle.argmax(1))
    torch.testing.assert_close(book.quantise(7 * latents()).indices, found.indices)


def learned() -> Codebook:
    book = started()
    book.learn_by_loss()
    return book


def test_the_loss_pulls_each_code_by_twice_its_distance_to_its_latents():
    book, latent = learned(), latents()
    found = book.quantise(latent)
    objectives.codebook(found.latent, found.codes).sum().backward()
    for k in range(6):
        mine = rows(latent)[found.indices.flatten() == k]
        torch.testing.assert_close(book.codes.grad[k], 2 * (book.codes[k] - mine).sum(0).detach())


def test_moving_averages_do_not_change_codes_that_a_loss_trains():
    book = learned()
    before = book.codes.detach().clone()
    book.update(book.quantise(latents() + 0.1), 0.5, generator())
    torch.testing.assert_close(book.codes.detach(), before)
    assert book.state_dict().keys() == started().state_dict().keys()


@pytest.mark.parametrize("make", [started, learned])
def test_dead_codes_are_revived_however_codes_are_learned(make):
    book, latent = make(), latents()
    with torch.no_grad():
        book.codes[4] = 100.0
    book.counts[4], book.sums[4] = 0.0, 0.0
    latent[0, :, 0, 0] = 30.0
    book.update(book.quantise(latent), 0.99, generator())
    torch.testing.assert_close(book.codes[4].detach(), torch.full((3,), 30.0))


@pytest.mark.parametrize("make", [started, learned])
def test_a_batch_that_is_not_finite_changes_no_code(make):
    book, latent = make(), latents()
    before = {name: tensor.clone() for name, tensor in book.state_dict().items()}
    latent[1, 0, 2, 2] = float("nan")
    book.update(book.quantise(latent), 0.5, generator())
    for name, tensor in book.state_dict().items():
        torch.testing.assert_close(tensor, before[name])
