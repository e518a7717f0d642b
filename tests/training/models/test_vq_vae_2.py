"""Two levels of codes: their layout in one map, and what one level knows of the other."""

import pytest
import torch
from torch.nn import functional

from training.config.model import ModelConfig
from training.models import VqVae2, build
from training.models.vq_vae import cells, pixels


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(count: int = 4, height: int = 32, width: int = 48) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=generator(1))


def model(stride: int = 8, **changes: object) -> VqVae2:
    torch.manual_seed(0)
    values = {"channels": 3, "latent": 3, "widths": (4, 6), "codebook": 7, "stride": stride}
    network = build(ModelConfig(family="vq_vae_2", **values | changes)).eval()
    assert isinstance(network, VqVae2)
    network.seed_codebooks(images(), generator())
    return network.requires_grad_(False)


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("size", [(32, 32), (48, 16), (16, 80)])
def test_a_position_of_the_top_has_its_code_and_the_four_below(stride, size):
    network = model(stride)
    found = network.encode(images(2, *size))
    shape = (2, 5, size[0] // stride, size[1] // stride)
    assert found.indices.shape == found.distance.shape == shape
    assert found.z.shape == (2, 15, *shape[2:])
    top, bottom = found.levels
    assert top.indices.shape == (2, *shape[2:])
    assert bottom.indices.shape == (2, 2 * shape[2], 2 * shape[3])
    assert network.decode_indices(found.indices).shape == (2, 3, *size)


def test_cells_are_a_pixel_unshuffle_of_any_type():
    fine = torch.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6)
    torch.testing.assert_close(cells(fine).float(), functional.pixel_unshuffle(fine.float(), 2))
    torch.testing.assert_close(pixels(cells(fine)), fine)


def test_codes_stand_in_reading_order_below_their_top_code():
    found = model().encode(images())
    top, bottom = found.levels
    torch.testing.assert_close(found.indices[:, 0], top.indices)
    torch.testing.assert_close(found.indices[:, 1], bottom.indices[:, ::2, ::2])
    torch.testing.assert_close(found.indices[:, 2], bottom.indices[:, ::2, 1::2])
    torch.testing.assert_close(found.indices[:, 3], bottom.indices[:, 1::2, ::2])
    torch.testing.assert_close(found.indices[:, 4], bottom.indices[:, 1::2, 1::2])
    torch.testing.assert_close(found.distance[:, 3], bottom.distance[:, 1::2, ::2])


@pytest.mark.parametrize("unit", [False, True])
def test_indices_and_their_codes_decode_to_the_same_image(unit):
    network = model(unit_codes=unit)
    found = network.encode(images())
    by_index, by_codes = network.decode_indices(found.indices), network.decode(found.z)
    torch.testing.assert_close(by_index, by_codes)
    assert 0 <= by_index.min() <= by_index.max() <= 1
    others = (found.indices + 1) % 7
    assert (network.decode_indices(others) - by_index).abs().mean() > 1e-4


def test_each_level_takes_the_nearest_code_of_its_own_book():
    network = model()
    for book, level in zip(network.codebooks(), network.encode(images()).levels, strict=True):
        flat = level.latent.permute(0, 2, 3, 1).reshape(-1, 3)
        expected = torch.cdist(flat, book.codes).argmin(1)
        torch.testing.assert_close(level.indices.flatten(), expected)


def test_the_bottom_codes_are_chosen_with_the_top_codes_in_view():
    network = model()
    before = network.encode(images()).levels[1].latent
    network.top.codes.neg_()
    assert not torch.allclose(network.encode(images()).levels[1].latent, before)


def test_the_decoder_sees_both_levels():
    network = model()
    indices = network.encode(images()).indices
    plain = network.decode_indices(indices)
    for symbol in range(5):
        changed = indices.clone()
        changed[:, symbol] = (changed[:, symbol] + 1) % 7
        assert not torch.allclose(network.decode_indices(changed), plain)


def test_both_codebooks_start_from_their_own_latents_once():
    network = model()
    before = [book.codes.clone() for book in network.codebooks()]
    network.seed_codebooks(1 - images(), generator(5))
    for book, codes in zip(network.codebooks(), before, strict=True):
        assert bool(book.started)
        assert len(codes.unique(dim=0)) == 7
        torch.testing.assert_close(book.codes, codes)


def test_each_level_has_a_tally_of_its_own():
    network = model()
    indices = network.encode(images()).indices
    counts = network.tally(indices)
    torch.testing.assert_close(counts["top"], torch.bincount(indices[:, 0].flatten(), minlength=7))
    assert counts["bottom"].sum() == 4 * counts["top"].sum() == indices[:, 1:].numel()
