"""The plain autoencoder: the recipe's network without what the recipe adds."""

from pathlib import Path

import numpy as np
import pytest
import torch

from detection import autoencoder
from detection.drawn_parts.folder import Sizes, write
from training.cli.options import differences, parse
from training.config.model import ModelConfig
from training.config.run import to_json
from training.detect import Facts, choose
from training.detect.budget import Speed
from training.models.families import build


def facts(shift: float, channels: int = 1) -> Facts:
    size = (96, 128)
    return Facts(
        count=200,
        channels=channels,
        smallest=size,
        largest=size,
        correlation=shift / 100,
        mirror=1.0,
        turn=9.0,
    )


@pytest.mark.parametrize("shift", [0.9, 50.0], ids=["a map", "whole images"])
def test_the_command_trains_what_was_configured(shift: float, tmp_path: Path) -> None:
    config = autoencoder.plain(choose(facts(shift, channels=3), steps=77, seed=4), 7, 200)
    words = autoencoder.arguments(config, tmp_path, tmp_path / "run", 1)
    parsed = parse(words)
    assert differences(to_json(parsed.config), to_json(config)) == set()
    assert (parsed.data, parsed.threads) == (tmp_path, 1)


@pytest.mark.parametrize("shift", [0.9, 50.0], ids=["a map", "whole images"])
def test_it_has_the_codes_of_the_recipe_and_none_of_its_defects(shift: float) -> None:
    chosen = choose(facts(shift), steps=1000, seed=0)
    config = autoencoder.plain(chosen, 20, 1000)
    assert config.model.latent == chosen.model.latent
    assert (config.defects, config.objective.regulariser) == (0.0, "none")
    assert config.objective.distortion == "squared"


@pytest.mark.parametrize(
    ("speed", "expected"),
    [
        (Speed(step=0.1, validation=0.1), (20, 580)),
        (Speed(step=0.1, validation=3.0), (2, 540)),
        (Speed(step=90.0, validation=70.0), (1, 1)),
    ],
    ids=["quick", "slow to validate", "slow"],
)
def test_steps_and_validations_fit_into_the_time(speed: Speed, expected: tuple[int, int]) -> None:
    assert autoencoder.fitting(speed, 60.0) == expected


def test_a_residual_is_the_squared_difference_at_any_size() -> None:
    config = ModelConfig(family="sigma_vae_map", channels=3, latent=4, widths=(8, 8), stride=8)
    model = build(config).eval()
    image = np.random.default_rng(0).integers(0, 256, (3, 37, 50), dtype=np.uint8)
    found = autoencoder.residual(model, config, image)
    padded = np.pad(image, ((0, 0), (0, 3), (0, 6)), "edge")
    with torch.inference_mode():
        restored = model.reconstruct(torch.from_numpy(padded)[None].float() / 255)[0].numpy()
    expected = ((restored[:, :37, :50] - image / 255) ** 2).mean(0)
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
def test_it_is_trained_by_the_command_and_scores_every_test_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(autoencoder, "measure_speed", lambda *_: Speed(step=1.0, validation=0.0))
    sizes = Sizes(train=24, good=2, of_each_kind=1, drift=0, lots=2)
    write(tmp_path / "data", 0, sizes)
    run = autoencoder.train(tmp_path / "data", tmp_path / "out", 0.01, seed=0, threads=1)
    stamp = (run / "best.safetensors").stat().st_mtime_ns
    assert autoencoder.train(tmp_path / "data", tmp_path / "out", 0.01, 0, 1) == run
    assert (run / "best.safetensors").stat().st_mtime_ns == stamp
    maps = autoencoder.residuals(run, tmp_path / "data", 64)
    assert maps.shape == (2 + 8, 64, 64)
    assert np.isfinite(maps).all()
    assert maps.min() >= 0
