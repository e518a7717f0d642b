import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from training.config.objective import ObjectiveConfig
from training.evaluation.run import tables as run_tables
from training.evaluation.run.metrics import (
    evaluation_state,
    likelihoods,
    pca_metrics,
    run_metrics,
    to_float,
)
from training.metrics.images import ssim
from training.models.pca import fit_pca
from training.run import checkpoint
from training.run.start import new_state

REC, RATE, VALUES = 8.0, 5.0, 256.0


def pictures(count=20):
    """Discs of random places and sizes on a ramp, [count, 1, 16, 16]."""
    rng, (y, x) = np.random.default_rng(0), np.mgrid[:16, :16]
    places = rng.uniform((3, 3, 2), (13, 13, 5), (count, 3))
    discs = [(y - a) ** 2 + (x - b) ** 2 < r**2 for a, b, r in places]
    return np.where(discs, 220, 40 + 4 * x).astype(np.uint8)[:, None]


@pytest.fixture
def make_state(tiny):
    """Makes the state of a tiny run with an objective."""

    def make(kind="reslag", family="", **objective):
        config = replace(tiny[kind], objective=ObjectiveConfig(**objective), ema_decay=0.0)
        if family:
            config = replace(config, model=replace(config.model, family=family))
        state = new_state(config, torch.device("cpu"))
        state.variance, state.data_variance, state.images = 0.04, 0.09, 100
        state.model.eval().requires_grad_(False)
        return state

    return make


def test_the_totals_are_those_of_the_report_at_both_variances(make_state):
    found = likelihoods(make_state(), {"rec": REC, "rate": RATE, "distortion": 1.0}, VALUES)
    for key, s in (("total_legacy", 0.09), ("total_true", REC / VALUES)):
        nll = -stats.norm.logpdf(math.sqrt(REC / VALUES), scale=math.sqrt(s)) * VALUES
        expected = nll - 0.5 * VALUES * math.log(2 * math.pi) + RATE
        assert found[key] == pytest.approx(expected), key
    assert not found.keys() & {"total_beta", "total_mmd"}


def test_the_elbo_has_the_noise_of_the_objective(make_state):
    found = likelihoods(make_state(), {"rec": REC, "rate": RATE, "distortion": -300.0}, VALUES)
    assert found["elbo"] == pytest.approx(300.0 - 128 * math.log(2 * math.pi) - RATE)
    expected = (-found["elbo"] / VALUES + math.log(256)) / math.log(2)
    assert found["bits_per_dimension"] == pytest.approx(expected)


def test_without_noise_in_the_objective_the_elbo_has_that_of_the_training_error(make_state):
    numbers = {"rec": REC, "rate": RATE, "distortion": REC}
    found = likelihoods(make_state(distortion="squared", beta=4.0), numbers, VALUES)
    log_density = stats.norm.logpdf(math.sqrt(REC / VALUES), scale=0.2) * VALUES
    assert found["elbo"] == pytest.approx(log_density - RATE)
    assert found["total_beta"] == pytest.approx(REC + 4 * RATE)


def test_mmd_rows_have_their_own_total(make_state):
    state = make_state(distortion="squared", regulariser="info", mmd_weight=500.0)
    found = likelihoods(state, {"rec": REC, "rate": 0.0, "distortion": 1, "mmd": 0.01}, VALUES)
    assert found["total_mmd"] == pytest.approx(REC + 5.0)


def test_codes_without_a_posterior_have_no_likelihood(make_state):
    state = make_state(family="autoencoder", distortion="squared", regulariser="none")
    assert likelihoods(state, {"rec": REC, "rate": 0.0, "distortion": REC}, VALUES) == {}


def test_psnr_and_ssim_are_means_over_images(make_state):
    state, images = make_state(), pictures()
    found = run_metrics(state, images)
    x = to_float(images)
    x_hat = state.model.decode(state.model.encode(x).mu).numpy().astype(np.float64)
    mse = ((x.numpy() - x_hat) ** 2).mean((1, 2, 3))
    assert found["psnr_image"] == pytest.approx(np.mean(-10 * np.log10(mse)), abs=1e-4)
    assert found["psnr"] == pytest.approx(-10 * np.log10(np.mean(mse)), abs=1e-4)
    restored = np.round(x_hat * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    pairs = zip(images.transpose(0, 2, 3, 1), restored, strict=True)
    assert found["ssim"] == pytest.approx(np.mean([ssim(a, b) for a, b in pairs]), abs=1e-3)
    assert (found["images"], found["ssim_images"], found["mmd_images"]) == (20, 20, 20)


def test_posteriors_that_are_the_prior_have_no_discrepancy_and_others_do(make_state):
    state, images = make_state(), pictures(400)
    layer = [m for m in state.model.encoder.head.modules() if isinstance(m, torch.nn.Linear)][-1]
    layer.weight.zero_()
    layer.bias.zero_()
    near = run_metrics(state, images)["mmd"]
    layer.bias[:4] = 3.0
    assert near < 0.01 < 0.1 < run_metrics(state, images)["mmd"]


@pytest.mark.parametrize("sigma", ["shared", "pixel"])
def test_a_learned_noise_is_read_with_the_weights(make_state, tmp_path, sigma):
    state = make_state(sigma=sigma)
    assert state.log_variance is not None
    with torch.no_grad():
        state.log_variance.fill_(math.log(0.02))
    state.history = [{"epoch": 1, "loss": 0.0}]
    checkpoint.save(tmp_path, state, {"data_sha256": ""}, best=True)
    loaded, info = evaluation_state(tmp_path)
    assert info["metrics"]["epoch"] == 1
    assert (loaded.variance, loaded.data_variance, loaded.images) == (0.04, 0.09, 100)
    assert run_metrics(loaded, pictures())["sigma"] == pytest.approx(math.sqrt(0.02), rel=1e-3)


def test_pca_with_all_directions_is_exact_and_its_psnr_that_of_its_error():
    images = pictures(300)
    found = pca_metrics(fit_pca(images, 10), images)
    assert found["pca_components"] == 10
    assert found["pca_psnr"] == pytest.approx(-10 * math.log10(found["pca_rec"] / 256))
    assert pca_metrics(fit_pca(images, 256), images)["pca_rec"] == pytest.approx(0, abs=1e-3)


@pytest.mark.parametrize(
    ("value", "said"),
    [(3, "3"), (0.0013991, "0.0013991"), (-817.613, "-817.61"), (-184070.27, "-184070.3")],
)
def test_numbers_are_written_without_powers_of_ten(value, said):
    assert run_tables.words(value) == said


@pytest.mark.parametrize(
    ("rec", "verdict"), [(5.0, "50.0% below that of PCA"), (12.0, "PCA is better: the model's")]
)
def test_the_pca_baseline_says_which_is_better(rec, verdict):
    numbers = {"rec_mean": rec, "pca_rec": 10.0, "pca_psnr": 20.0, "psnr": 22.0}
    sections = run_tables.tables(numbers | {"pca_components": 4, "latents": 4}, None)
    (pca,) = [section for section in sections if "PCA" in section.title]
    assert verdict in pca.text
    assert ("Rec of PCA with 4 components", "10", run_tables.PIXEL) in pca.rows
