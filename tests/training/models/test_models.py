import dataclasses
import math

import pytest
import torch
from torch.nn import functional

from training.config.model import GLOBAL_FAMILIES, ModelConfig
from training.models import FACTORIES, IndexModel, VqVae, build
from training.models.global_latent import running_mean, side_shapes
from training.models.pca_vae_map import PcaVaeMap
from training.presets import PRESETS


def small(family: str, **changes: object) -> ModelConfig:
    values: dict[str, object] = {"family": family, "latent": 3, "widths": (4, 6)}
    if family in GLOBAL_FAMILIES:
        values |= {"height": 16, "width": 24}
    return ModelConfig(**{**values, **changes})


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", ["none", "light", "original"])
def test_a_vector_comes_out_of_an_image_and_an_image_out_of_a_vector(side, channels):
    model = build(small("reslag", side=side, channels=channels)).eval()
    posterior = model.encode(torch.rand(2, channels, 16, 24))
    assert posterior.mu.shape == posterior.log_var.shape == (2, 3)
    x_hat = model.decode(posterior.mu)
    assert x_hat.shape == (2, channels, 16, 24)
    assert 0 <= x_hat.min() <= x_hat.max() <= 1


@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("size", [(32, 32), (48, 16), (16, 80)])
def test_map_models_take_any_multiple_of_their_stride(stride, size):
    model = build(small("sigma_vae_map", stride=stride)).eval()
    posterior = model.encode(torch.rand(2, 1, *size))
    assert posterior.mu.shape == (2, 3, size[0] // stride, size[1] // stride)
    assert model.decode(posterior.mu).shape == (2, 1, *size)


def test_codes_and_their_latents_decode_to_the_same_image():
    model = build(small("vq_vae", codebook=7)).eval()
    assert isinstance(model, VqVae)
    model.codebook.codes.normal_(generator=torch.Generator().manual_seed(0))
    codes = model.encode(torch.rand(2, 1, 32, 16))
    assert codes.indices.shape == codes.distance.shape == (2, 1, 4, 2)
    assert codes.indices.dtype == torch.int64
    by_index = model.decode_indices(codes.indices)
    torch.testing.assert_close(by_index, model.decode(codes.z))
    assert by_index.shape == (2, 1, 32, 16)


def test_unit_codes_scale_the_latents_to_length_one():
    random = torch.Generator().manual_seed(0)
    model = build(small("vq_vae", unit_codes=True)).eval()
    assert isinstance(model, VqVae)
    model.seed_codebooks(torch.rand(4, 1, 16, 16, generator=random), random)
    (found,) = model.encode(torch.rand(1, 1, 16, 16, generator=random)).levels
    torch.testing.assert_close(found.latent.norm(dim=1), torch.ones(1, 2, 2))
    torch.testing.assert_close(found.codes.norm(dim=1), torch.ones(1, 2, 2))
    angles = torch.einsum("bdhw,kd->bkhw", found.latent, functional.normalize(model.codebook.codes))
    chosen = angles.gather(1, found.indices[:, None])[:, 0]
    torch.testing.assert_close(chosen, angles.amax(1))  # codes may lie side by side


def test_every_family_has_a_factory_and_gradients_reach_every_weight():
    for family in FACTORIES:
        model = build(small(family, side="light" if family == "reslag" else "none"))
        is_map = isinstance(model, PcaVaeMap)  # whose prior has seven kinds of positions
        x = torch.rand(4, 1, 32, 48) if is_map else torch.rand(4, 1, 16, 24)
        latent = model.encode(x)
        z = latent.z if isinstance(model, IndexModel) else latent.mu + latent.log_var
        loss = model.decode(z).sum()
        if is_map:
            loss = loss + torch.cat(model.prior(z)).sum()
        loss.backward()
        assert all(p.grad is not None for p in model.parameters() if p.requires_grad), family


def test_the_side_branches_of_a_64x64_model_are_those_of_the_report():
    light = side_shapes(PRESETS["reslag"].model)
    assert [tuple(shape) for shape in light] == [
        (1, 32, 32),
        (4, 16, 16),
        (16, 8, 8),
        (64, 4, 4),
    ]
    original = side_shapes(PRESETS["reslag-original"].model)
    assert sum(map(math.prod, light)) == 4096
    assert sum(map(math.prod, original)) == 16384


def test_every_branch_has_at_least_one_channel():
    config = small("reslag", height=128, width=128, side="light")
    assert [shape.channels for shape in side_shapes(config)] == [1, 1]


def test_merging_level_by_level_is_the_mean_of_all_levels():
    levels = torch.rand(4, 2, 3)
    main = levels[0]
    for k, side in enumerate(levels[1:], start=1):
        main = running_mean(main, side, k)
    torch.testing.assert_close(main, levels.mean(0))


def test_the_log_variance_stays_in_its_range():
    model = build(small("sigma_vae")).eval()
    with torch.no_grad():
        model.encoder.head.bias.fill_(1e6)
    assert model.encode(torch.rand(1, 1, 16, 24)).log_var.max() == 4.0


def test_the_encoder_forgets_images_when_the_batch_is_another():
    """In eval mode an image has the same code in any batch."""
    model = build(dataclasses.replace(PRESETS["fashion"].model, widths=(4, 6))).eval()
    x = torch.rand(3, 1, 28, 28)
    torch.testing.assert_close(model.encode(x).mu[:1], model.encode(x[:1]).mu)
