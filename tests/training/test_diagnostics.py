import math

import pytest
import torch

from training import diagnostics


def test_the_psnr_of_a_hundredth_is_20_db():
    assert diagnostics.psnr(0.01) == pytest.approx(20.0)
    assert diagnostics.psnr(0.0) == pytest.approx(120.0)


def test_a_nat_is_1_44_bits():
    assert diagnostics.bits(1.0) == pytest.approx(1 / math.log(2))


def test_a_latent_that_never_moves_is_not_active():
    mu = torch.randn(500, 4, generator=torch.Generator().manual_seed(0))
    mu[:, 1] = 3.0
    mu[:, 2] *= 0.05
    assert diagnostics.active_units(mu).tolist() == [True, False, False, True]
    as_map = mu.reshape(5, 10, 10, 4).permute(0, 3, 1, 2)
    assert diagnostics.active_units(as_map).tolist() == [True, False, False, True]


def test_the_perplexity_counts_codes_in_even_use():
    assert diagnostics.perplexity(torch.tensor([5.0, 5.0, 5.0, 0.0])) == pytest.approx(3.0)
    assert diagnostics.perplexity(torch.tensor([9.0, 0.0])) == pytest.approx(1.0)
    assert diagnostics.code_usage(torch.tensor([5.0, 5.0, 5.0, 0.0])) == 0.75
