import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from training.config.objective import ObjectiveConfig
from training.loop.validation import validate
from training.metrics import latents as diagnostics
from training.models import IndexModel
from training.objectives import likelihoods as objectives
from training.objectives.losses import Loss, batch_loss
from training.run.start import new_state


def pictures(count=20):
    """Discs of random places and sizes on a ramp, [count, 1, 16, 16]."""
    rng, (y, x) = np.random.default_rng(0), np.mgrid[:16, :16]
    discs = [
        (y - a) ** 2 + (x - b) ** 2 < r**2
        for a, b, r in rng.uniform((3, 3, 2), (13, 13, 5), (count, 3))
    ]
    return np.where(discs, 220, 40 + 4 * x).astype(np.uint8)[:, None]


@pytest.fixture
def fresh(tiny):
    """Makes the state of a tiny run before its first step."""

    def make(kind, **changes):
        model = replace(tiny[kind].model, **changes.pop("model", {}))
        state = new_state(replace(tiny[kind], model=model, **changes), torch.device("cpu"))
        state.variance = 0.04
        return state

    return make


def head(state):
    """The layer of mu and then ln var, 4 latents each."""
    return [m for m in state.ema_model.encoder.head.modules() if isinstance(m, torch.nn.Linear)][-1]


def scaled(images):
    return torch.from_numpy(images).float() / 255


def test_the_error_is_that_of_each_image_summed_over_its_pixels(fresh):
    state, images = fresh("reslag", objective=ObjectiveConfig(beta=3.0)), pictures()
    found = validate(state, images)
    x = scaled(images)
    posterior = state.ema_model.encode(x)
    restored = state.ema_model.decode(posterior.mu).numpy().astype(np.float64)
    sse = ((x.numpy() - restored) ** 2).sum((1, 2, 3))
    assert found["rec_mean"] == pytest.approx(sse.mean(), rel=1e-5)
    assert found["psnr"] == pytest.approx(-10 * np.log10(sse.mean() / 256), rel=1e-5)
    mu, var = posterior.mu.numpy(), posterior.log_var.exp().numpy()
    kl = 0.5 * (mu**2 + var - np.log(var) - 1).sum(1).mean()
    assert found["rate"] == pytest.approx(kl, rel=1e-5)
    nll = 128 * np.log(0.04) + found["rec"] / 0.08
    assert found["distortion"] == pytest.approx(nll, rel=1e-5)
    assert found["loss"] == pytest.approx(nll + 3 * kl, rel=1e-5)
    assert found["sigma"] == pytest.approx(0.2)


def test_the_mutual_information_is_that_of_evenly_spread_images_and_below_its_cap(fresh):
    state, images = fresh("reslag"), pictures()
    with torch.no_grad():
        head(state).weight[:4] *= 20  # posteriors that overlap a little
    found = validate(state, images, mi_images=10)
    assert found["mi_cap"] == pytest.approx(math.log(10))
    assert 0 < found["mi"] < found["mi_cap"]
    posterior = state.ema_model.encode(scaled(images[::2]))
    others = [
        diagnostics.mutual_information(*posterior, torch.Generator().manual_seed(seed))
        for seed in range(20)
    ]
    assert found["mi"] == pytest.approx(np.mean(others), abs=6 * np.std(others))


def test_latents_without_information_are_counted_as_collapsed_and_not_as_active(fresh):
    state = fresh("reslag")
    last = head(state)
    with torch.no_grad():
        last.weight[1] = last.bias[1] = 0.0
        last.weight[5] = last.bias[5] = 0.0  # mu = 0 and ln var = 0: the prior
        last.weight[2] *= 100
    found = validate(state, pictures())
    kl = objectives.kl_per_latent(*state.ema_model.encode(scaled(pictures())))
    assert found["collapsed_units"] == int((kl.quantile(0.99, dim=0) < 0.01).sum()) >= 1
    assert found["active_units"] <= 4 - found["collapsed_units"]


def test_maps_pool_their_positions_and_have_no_mutual_information(fresh):
    found = validate(fresh("sigma_vae_map"), pictures())
    assert found["collapsed_units"] + found["active_units"] <= 2
    assert "mi" not in found


def test_codes_without_noise_have_neither_collapse_nor_information(fresh):
    free = ObjectiveConfig(distortion="squared", regulariser="none")
    found = validate(fresh("reslag", model={"family": "autoencoder"}, objective=free), pictures())
    assert not found.keys() & {"mi", "mi_cap", "collapsed_units"}
    assert found["rec"] == pytest.approx(found["rec_mean"])
    assert found["loss"] == pytest.approx(found["rec"])


@pytest.mark.parametrize(
    "objective",
    [
        ObjectiveConfig(kl_warmup_steps=1000),
        ObjectiveConfig(regulariser="capacity", capacity=9.0, capacity_steps=1000),
        ObjectiveConfig(distortion="squared", target_psnr=20.0),
    ],
    ids=["warm-up", "capacity", "GECO"],
)
def test_the_loss_of_the_same_weights_is_the_same_at_any_time_of_a_schedule(fresh, objective):
    state = fresh("reslag", objective=objective)
    early = validate(state, pictures())["loss"]
    state.step, state.multiplier = 5000, 7.0
    assert validate(state, pictures())["loss"] == pytest.approx(early)
    assert (state.step, state.multiplier) == (5000, 7.0)


@pytest.mark.parametrize("update", ["average", "loss"])
@pytest.mark.parametrize("distortion", ["gaussian", "squared", "bernoulli"])
@pytest.mark.parametrize("kind", ["vq_vae", "vq_vae_2", "autoencoder"])
def test_the_loss_is_the_objective_of_training(fresh, kind, distortion, update):
    objective = ObjectiveConfig(
        distortion=distortion,
        commitment=0.7,
        codebook_update=update,
        regulariser="none" if kind == "autoencoder" else "kl",
    )
    base = "reslag" if kind == "autoencoder" else "vq_vae"
    states = [
        fresh(base, model={"family": kind}, objective=objective, ema_decay=0.0) for _ in range(2)
    ]
    x = scaled(pictures())
    for state in states:
        if isinstance(state.model, IndexModel):
            state.model.seed_codebooks(x, state.noise)
        state.model.eval()
    trained = Loss(
        *(term.detach() for term in batch_loss(states[0].loss_context(), states[0].model, x, x))
    )
    states[1].variance = float(trained.variance)
    found = validate(states[1], pictures())
    assert found["loss"] == pytest.approx(float(trained.total), rel=1e-4)
    assert found["rec"] == pytest.approx(256 * float(trained.mse), rel=1e-4)


def test_the_record_has_the_usage_of_the_codes(fresh):
    state = fresh("vq_vae")
    state.model.seed_codebooks(scaled(pictures()), state.noise)
    found = validate(state, pictures())
    indices = state.model.encode(scaled(pictures())).indices.flatten().numpy()
    frequencies = np.bincount(indices, minlength=8) / len(indices)
    assert found["code_usage"] == pytest.approx((frequencies > 0).mean())
    assert np.log(found["perplexity"]) == pytest.approx(stats.entropy(frequencies), abs=1e-6)
    positions = 2 * 2
    expected = positions * stats.entropy(frequencies, base=2)
    assert found["code_bits"] == pytest.approx(expected, abs=1e-6)
