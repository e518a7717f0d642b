import pytest
import torch

from training.models.codebook import Codebook, kmeans


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def latents(batch: int = 4, dims: int = 3, side: int = 5) -> torch.Tensor:
    return torch.randn(batch, dims, side, side, generator=generator(1))


def rows(latent: torch.Tensor) -> torch.Tensor:
    return latent.permute(0, 2, 3, 1).reshape(-1, latent.shape[1])


def started(size: int = 6) -> Codebook:
    book = Codebook(size, 3)
    book.start(latents(), generator())
    return book


def test_the_nearest_code_is_that_of_brute_force():
    book, latent = started(), latents()
    indices, distance = book.nearest(latent)
    everything = torch.cdist(rows(latent), book.codes) ** 2
    torch.testing.assert_close(indices.flatten(), everything.argmin(1))
    torch.testing.assert_close(distance.flatten(), everything.min(1).values, rtol=1e-4, atol=1e-5)


def test_looking_up_puts_the_code_where_its_index_stands():
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
    book.start(latent, noise)
    for _ in range(50):
        latent = torch.randn(8, 3, 8, 8, generator=noise)
        book.update(book.quantise(latent), 0.9, noise)
    assert len(book.nearest(torch.randn(64, 3, 8, 8, generator=noise))[0].unique()) == 32
