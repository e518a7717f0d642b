"""Which precision is taken, and what a measurement measures."""

import dataclasses

import numpy as np
import pytest
import torch

from training.data.ahead import Resources
from training.detect import budget
from training.detect.budget import Speed, fastest, measure

CPU = Resources(torch.device("cpu"))
PICTURES = np.random.default_rng(0).integers(0, 255, (12, 1, 16, 16), np.uint8)


@pytest.mark.parametrize(
    ("fp32", "bf16", "expected"), [(1.4, 0.4, "bf16"), (1.0, 1.2, "bf16"), (0.4, 6.8, "auto")]
)
def test_a_cpu_with_amx_takes_bfloat16_unless_fp32_is_clearly_faster(
    fp32, bf16, expected, tiny, monkeypatch
):
    speeds = {"auto": fp32, "bf16": bf16}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    monkeypatch.setattr(budget, "measure", lambda c, *_: Speed(speeds[c.precision], 1.0))
    config, speed = fastest(tiny["reslag"], PICTURES, PICTURES[:3], CPU)
    assert (config.precision, speed.step) == (expected, speeds[expected])


def test_a_cpu_without_amx_is_measured_in_fp32_only(tiny, monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": False})
    monkeypatch.setattr(
        budget, "measure", lambda c, *_: asked.append(c.precision) or Speed(1.0, 1.0)
    )
    assert fastest(tiny["reslag"], PICTURES, PICTURES[:3], CPU)[0] == tiny["reslag"]
    assert asked == ["auto"]


def test_steps_and_a_validation_are_measured_without_changing_anything(tiny, monkeypatch):
    monkeypatch.setattr(budget, "MOST_STEPS", 4)
    before = PICTURES.copy()
    config = dataclasses.replace(tiny["sigma_vae_map"], defects=0.5)
    speed = measure(config, PICTURES, PICTURES[:3], CPU)
    assert speed.step > 0
    assert speed.validation > 0
    np.testing.assert_array_equal(PICTURES, before)
