"""The part of a run in which the decoder learns codes as they are decoded."""

import dataclasses
import math
from collections import deque

import numpy as np
import pytest
import torch

from codec.quantise import dequantise, quantise, steps
from training.cli.progress import Silent
from training.config.model import ModelConfig
from training.config.objective import ObjectiveConfig
from training.config.run import TrainConfig
from training.data.batches import make_batches
from training.errors import TrainingError
from training.loop import loop, schedule
from training.loop.decoded import LEAST_IMAGES, begin, first_step, measure_deviation
from training.loop.decoded_images import decoded_images
from training.loop.validation import validate
from training.run import checkpoint
from training.run.files import BEST, LAST
from training.run.start import init_from_images, new_state

CPU = torch.device("cpu")
Y, X = np.mgrid[:16, :16]


def pictures(count: int = 40) -> np.ndarray:
    """Smooth waves, [count, 1, 16, 16]."""
    rng = np.random.default_rng(0)
    phase, pace = rng.uniform(0, 6, (count, 1, 1)), rng.uniform(0.1, 0.5, (count, 1, 1))
    return np.round(128 + 80 * np.sin(phase + pace * X + 0.2 * Y)).astype(np.uint8)[:, None]


PICTURES = pictures()
POINT = ModelConfig(family="autoencoder", height=16, width=16, latent=4, widths=(4, 8))
PCA = ModelConfig(family="pca_vae", height=16, width=16, latent=4, widths=(4,), stride=4)
PCA_MAP = ModelConfig(
    family="pca_vae_map", latent=4, widths=(4, 8), stride=8, depth=1, rate_aware=True
)
RANGE = ObjectiveConfig(sigma="fixed", fixed_variance=0.01, octaves=(-1.0, 1.0))
PLAIN = ObjectiveConfig(distortion="squared", regulariser="none")


@pytest.fixture
def configs(tiny):
    """Eight steps, the last three of them on codes as they are decoded."""
    changes = {"epochs": 2, "epoch_steps": 4, "decoded_fraction": 0.375}
    kinds = {
        "reslag": tiny["reslag"],
        "map": tiny["sigma_vae_map"],
        "autoencoder": dataclasses.replace(tiny["reslag"], model=POINT, objective=PLAIN),
        "pca_vae": dataclasses.replace(tiny["reslag"], model=PCA, aggressive_epochs=0),
        "pca_vae_map": dataclasses.replace(tiny["sigma_vae_map"], model=PCA_MAP, objective=RANGE),
    }
    return {name: dataclasses.replace(config, **changes) for name, config in kinds.items()}


KINDS = ["reslag", "map", "autoencoder", "pca_vae", "pca_vae_map"]


def fresh(config):
    state = new_state(config, CPU)
    init_from_images(state, PICTURES)
    return state


def train(state, folder=None, stop_at=-1):
    def save(state, best):
        if folder is not None:
            checkpoint.save(folder, state, {}, best=best)

    if folder is not None:
        folder.mkdir(exist_ok=True)
    batches = make_batches(state.config, PICTURES)
    stop = lambda: state.step == stop_at  # noqa: E731
    loop.train(state, batches, PICTURES[:6], log=Silent(), save=save, should_stop=stop)
    return state


def tensors(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def of_decoder(name):
    return name.startswith("decoder.")


@pytest.mark.parametrize("ema_decay", [0.0, 0.9])
@pytest.mark.parametrize("kind", KINDS)
def test_only_the_decoder_changes_and_both_networks_have_one_encoder(kind, ema_decay, configs):
    state = fresh(dataclasses.replace(configs[kind], ema_decay=ema_decay))
    train(state, stop_at=5)
    exported = tensors(state.ema_model)
    train(state)
    assert state.decoded.since == 5
    for model in (state.model, state.ema_model):
        for name, tensor in model.state_dict().items():
            assert of_decoder(name) or torch.equal(tensor, exported[name]), name
    changed = [
        name for name, t in state.ema_model.state_dict().items() if (t != exported[name]).any()
    ]
    assert changed


def test_statistics_of_the_decoder_are_still_learned(configs):
    state = train(fresh(configs["map"]), stop_at=6)
    means = [name for name in state.model.state_dict() if name.endswith("running_mean")]
    before = tensors(state.model)
    train(state)
    now = state.model.state_dict()
    moved = {name for name in means if not torch.equal(now[name], before[name])}
    assert moved == {name for name in means if of_decoder(name)}


@pytest.mark.slow
@pytest.mark.parametrize("stop_at", [4, 5, 6, 7])
@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_run_ends_bit_for_bit_like_an_uninterrupted_one(
    kind, stop_at, configs, tmp_path
):
    whole = train(fresh(configs[kind]), tmp_path / "whole")
    train(fresh(configs[kind]), tmp_path / "cut", stop_at)
    state = checkpoint.resume(checkpoint.read(tmp_path / "cut" / LAST), configs[kind], CPU)
    assert (state.decoded is not None) == (stop_at > 5)
    train(state, tmp_path / "cut")
    assert (state.decoded, state.history, state.best) == (whole.decoded, whole.history, whole.best)
    for name in (BEST, LAST):
        files = [(tmp_path / run / name).read_bytes() for run in ("whole", "cut")]
        assert files[0] == files[1]


def test_the_deviation_is_that_of_the_exported_encoder_over_training_images(configs):
    state = train(fresh(configs["reslag"]), stop_at=6)
    x = torch.from_numpy(PICTURES).float() / 255
    log_var = state.ema_model.eval().encode(x).log_var.double().mean(0)
    np.testing.assert_allclose(state.decoded.sigma, (log_var / 2).exp().numpy(), rtol=1e-5)


def test_large_images_are_measured_on_a_part(configs, monkeypatch):
    config, many = configs["reslag"], np.concatenate([PICTURES] * 2)
    model = fresh(config).ema_model.eval()

    def measure(images):
        return measure_deviation(config, model, images, torch.device("cpu"))

    np.testing.assert_allclose(measure(many), measure(PICTURES), rtol=1e-5)
    monkeypatch.setattr("training.loop.decoded.PIXELS", 0)
    seen = []
    model.encoder.register_forward_pre_hook(lambda _, i: seen.append(len(i[0])))
    measure(many)
    assert sum(seen) == LEAST_IMAGES


@pytest.mark.parametrize(
    ("fraction", "steps_in_all", "first"),
    [(0.0, 100, 100), (0.1, 100, 90), (0.375, 8, 5), (0.99, 100, 1), (0.5, 1, 1), (0.9, 2, 1)],
)
def test_it_begins_after_the_other_part_of_the_steps(fraction, steps_in_all, first, configs):
    config = dataclasses.replace(configs["map"], decoded_fraction=fraction)
    assert first_step(config, steps_in_all) == first


def test_without_it_the_encoder_learns_to_the_end(configs):
    state = train(fresh(dataclasses.replace(configs["map"], decoded_fraction=0.0)), stop_at=7)
    before = tensors(state.model.encoder)
    train(state)
    assert state.decoded is None
    assert any(
        not torch.equal(t, before[name]) for name, t in state.model.encoder.state_dict().items()
    )


def test_the_rate_falls_to_one_percent_before_it_and_again_within_it(configs):
    config = dataclasses.replace(configs["map"], lr=1.0, lr_warmup_steps=0, decoded_fraction=0.2)
    state, rates = fresh(config), []
    for state.step in range(100):
        if state.step == 80:
            begin(state, PICTURES)
        rates.append(schedule.learning_rate(state, 100))
    assert rates[79] == pytest.approx(0.01, abs=0.001)
    assert rates[80] == schedule.DECODED_LR
    assert rates[99] == pytest.approx(0.01 * schedule.DECODED_LR, rel=0.7)
    assert rates[:80] == sorted(rates[:80], reverse=True)
    assert rates[80:] == sorted(rates[80:], reverse=True)


def test_the_average_forgets_the_weights_from_before(configs):
    state = fresh(dataclasses.replace(configs["map"], ema_decay=0.999))
    state.step = 5000
    begin(state, PICTURES)
    before, x = tensors(state.ema_model), torch.rand((4, 1, 16, 16))
    state.lr = 1e-3
    loop.step(state, x, x, ("decoder",))
    name = "decoder.0.weight"
    mean = 0.1 * before[name] + 0.9 * state.model.state_dict()[name]
    torch.testing.assert_close(state.ema_model.state_dict()[name], mean)


def test_the_best_epoch_is_one_of_this_part(configs, tmp_path):
    """Also if an earlier one was better: its decoder has not seen codes as they are decoded."""
    config = dataclasses.replace(configs["map"], epochs=4, decoded_fraction=0.5)
    state = fresh(config)
    train(state, tmp_path, stop_at=8)
    state.best = -math.inf
    train(state, tmp_path)
    _, _, info = checkpoint.load_run(tmp_path)
    of_part = [record["decoded_loss"] for record in state.history[2:]]
    assert info["metrics"]["decoded_loss"] == state.best == min(of_part)


def test_the_loss_of_decoded_images_chooses_the_epoch_and_otherwise_that_of_samples(configs):
    for fraction, improved in ((0.0, False), (0.1, True)):
        state = fresh(dataclasses.replace(configs["map"], decoded_fraction=fraction))
        schedule.judge(state, {"loss": 1.0, "decoded_loss": 9.0})
        assert schedule.judge(state, {"loss": 2.0, "decoded_loss": 8.0}) == improved


def test_a_finished_run_with_more_epochs_trains_its_encoder_again(configs, tmp_path):
    train(fresh(configs["map"]), tmp_path)
    config = dataclasses.replace(configs["map"], epochs=4)
    state = checkpoint.resume(checkpoint.read(tmp_path / LAST), config, CPU)
    train(state, tmp_path, stop_at=9)
    assert state.decoded is None
    assert train(state, tmp_path).decoded.since == 10


def test_the_running_variance_stays_that_of_samples(configs):
    state = train(fresh(configs["reslag"]), stop_at=5)
    before = state.variance
    assert train(state).variance == before > 0


def test_a_step_that_is_not_finite_changes_nothing(configs):
    state = fresh(configs["map"])
    begin(state, PICTURES)
    x, before = torch.rand((4, 1, 16, 16)), tensors(state.model)
    assert loop.step(state, torch.full_like(x, math.nan), x, ("decoder",)) is None
    assert all(torch.equal(t, before[name]) for name, t in state.model.state_dict().items())


def test_it_lowers_the_error_of_decoded_images(configs):
    config = dataclasses.replace(
        configs["reslag"], epochs=1, epoch_steps=90, aggressive_epochs=0, corruptions=0.0, lr=3e-3
    )
    state = train(fresh(config), stop_at=first_step(config, 90))
    before = validate(state, PICTURES)["rec_decoded"]
    train(state)
    assert validate(state, PICTURES)["rec_decoded"] < 0.9 * before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": {"family": "vq_vae"}}, "'vq_vae' gains nothing by decoded_fraction: .* stored"),
        ({"model": {"family": "fsq"}}, "'fsq' gains nothing by decoded_fraction"),
        ({"model": {"family": "linear"}}, "'linear' gains nothing .* a linear decoder"),
        ({"lr_schedule": "plateau"}, "needs a fixed number of steps; lr_schedule 'plateau'"),
        ({"patience": 3}, "needs a fixed number of steps"),
        ({"decoded_fraction": 1.0}, r"decoded_fraction is 1.0; a number in \[0, 1\) expected"),
    ],
)
def test_what_cannot_gain_is_refused_with_the_reason(change, words):
    model = {"family": "sigma_vae_map", "height": 16, "width": 16, "widths": (4, 8)}
    model |= change.get("model", {})
    values = {"decoded_fraction": 0.1, **change, "model": ModelConfig(**model)}
    with pytest.raises(TrainingError, match=words):
        TrainConfig(**values)


def test_the_decoded_figures_are_those_of_the_codec(configs):
    state = train(fresh(configs["reslag"]), stop_at=4)
    found = validate(state, PICTURES)
    x = torch.from_numpy(PICTURES).float() / 255
    with torch.no_grad():
        mu, log_var = state.ema_model.encode(x)
        step = steps(log_var.double().exp().mean(0).sqrt().numpy(), 8)
        z = torch.from_numpy(dequantise(quantise(mu.numpy(), step), step))
        x_hat = state.ema_model.decode(z)
    sse = ((x - x_hat) ** 2).double().sum((1, 2, 3)).mean().item()
    assert found["rec_decoded"] == pytest.approx(sse, rel=1e-4)
    assert found["psnr_decoded"] == pytest.approx(-10 * math.log10(sse / 256), rel=1e-4)
    assert found["psnr_sample"] == pytest.approx(-10 * math.log10(found["rec"] / 256), rel=1e-5)
    nll = 128 * math.log(state.variance) + sse / (2 * state.variance)
    assert found["decoded_distortion"] == pytest.approx(nll, rel=1e-4)
    assert found["decoded_loss"] == pytest.approx(nll + found["rate"], rel=1e-4)
    torch.testing.assert_close(decoded_images(state, x), x_hat)


def test_in_this_part_the_steps_are_those_that_the_decoder_learns(configs):
    state = train(fresh(configs["reslag"]), stop_at=6)
    before = validate(state, PICTURES)["rec_decoded"]
    state.decoded = dataclasses.replace(state.decoded, sigma=(0.01,) * 4)
    assert validate(state, PICTURES)["rec_decoded"] != before
    x = torch.from_numpy(PICTURES[:2]).float() / 255
    step = steps(np.full(4, 0.01, np.float32), 8)
    mu = state.ema_model.encode(x).mu.detach().numpy()
    z = torch.from_numpy(dequantise(quantise(mu, step), step))
    torch.testing.assert_close(decoded_images(state, x), state.ema_model.decode(z))


def test_a_rate_aware_run_counts_every_step_of_its_epochs(configs):
    state = fresh(configs["pca_vae_map"])
    deque(loop.train_epoch(state, make_batches(state.config, PICTURES), Silent()))
    assert state.step == 4
