import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.config.model import ModelConfig
from training.config.objective import ObjectiveConfig
from training.config.run import TrainConfig, from_json, to_json
from training.errors import TrainingError
from training.presets import PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_the_way_through_json(name):
    assert from_json(json.loads(json.dumps(to_json(PRESETS[name])))) == PRESETS[name]


@given(
    seed=st.integers(0, 2**31),
    lr=st.floats(1e-6, 1.0),
    fraction=st.floats(0.01, 0.9),
    widths=st.lists(st.integers(1, 64), min_size=1, max_size=4),
)
def test_any_valid_configuration_survives_the_way_through_json(seed, lr, fraction, widths):
    model = ModelConfig(height=32, width=32, widths=tuple(widths))
    config = TrainConfig(model=model, seed=seed, lr=lr, validation_fraction=fraction)
    assert from_json(json.loads(json.dumps(to_json(config)))) == config


def test_unknown_keys_are_refused_by_name():
    values = to_json(PRESETS["fashion"])
    with pytest.raises(TrainingError, match=r"unknown keys \['learning_rate'\]"):
        from_json({**values, "learning_rate": 1})
    with pytest.raises(TrainingError, match=r"unknown keys \['model.dephts'\]"):
        from_json({**values, "model": {**values["model"], "dephts": 1}})


def test_a_field_that_an_older_run_did_not_have_gets_its_default():
    values = to_json(PRESETS["fashion"])
    del values["patience"]
    del values["model"]["hidden"]
    assert from_json(values) == PRESETS["fashion"]


def test_the_objective_of_a_run_of_the_first_release_is_found_where_it_stood():
    values = to_json(PRESETS["fashion"])
    del values["objective"]
    values |= {"beta": 2.5, "kl_warmup_steps": 7, "fixed_variance": 0.1, "code_decay": 0.9}
    assert from_json(values).objective == ObjectiveConfig(
        beta=2.5, kl_warmup_steps=7, sigma="fixed", fixed_variance=0.1, code_decay=0.9
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height": 30}, "model.height is 30; 2 levels need a multiple of 4"),
        ({"channels": 4}, "model.channels is 4; 1 or 3 expected"),
        ({"family": "vae"}, "model.family is 'vae'; it can be reslag, sigma_vae"),
        ({"side": "heavy"}, "model.side is 'heavy'"),
        ({"latent": 0}, "model.latent is 0"),
        ({"widths": ()}, r"model.widths is \(\)"),
        ({"family": "vq_vae", "stride": 4}, "model.stride is 4; 8 or 16 expected"),
        ({"family": "vq_vae", "height": 30}, "model.height is 30; 0 .any. or a multiple of 8"),
        ({"family": "vq_vae", "side": "light"}, "has no side branches"),
        ({"family": "fsq", "levels": (5, 1)}, "numbers from 2 on expected"),
        ({"family": "fsq", "levels": (9,) * 8}, "43046721 codes; at most 1048576 expected"),
    ],
)
def test_a_model_that_cannot_be_is_refused(change, message):
    with pytest.raises(TrainingError, match=message):
        ModelConfig(**{"height": 28, "width": 28, "widths": (8, 8), **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs is 0; at least 1"),
        ({"lr": 0.0}, "lr is 0.0"),
        ({"patience": -1}, "patience is -1; 0 or more"),
        ({"ema_decay": 1.0}, "ema_decay is 1.0"),
        ({"validation_fraction": 0.0}, "validation_fraction is 0"),
        ({"scale_jitter": (1.2, 0.8)}, "scale_jitter"),
        ({"crop": 100}, "crop is 100; a multiple of the stride 8"),
        ({"crop": 0}, "crop is 0, so model.height and width must be given"),
        ({"source": "imagenet"}, "source is 'imagenet'"),
        ({"objective": ObjectiveConfig(beta=1), "precision": "fp8"}, "precision is 'fp8'"),
        ({"defects": 1.5}, r"defects is 1.5; a number in \[0, 1\]"),
        ({"noise_in_target": -0.1}, "noise_in_target is -0.1; 0 or more"),
    ],
)
def test_a_run_that_cannot_be_is_refused(change, message):
    with pytest.raises(TrainingError, match=message):
        dataclasses.replace(PRESETS["pcb"], **change)


def test_terms_of_latent_vectors_are_refused_for_index_models():
    objective = ObjectiveConfig(distortion="squared", target_psnr=30.0)
    with pytest.raises(TrainingError, match=r"objective.\['target_psnr'\] cannot shape"):
        dataclasses.replace(PRESETS["vq-vae"], objective=objective)


def test_a_model_of_fixed_size_cannot_be_trained_on_crops():
    with pytest.raises(TrainingError, match="map families"):
        dataclasses.replace(PRESETS["fashion"], crop=16)
